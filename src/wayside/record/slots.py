"""From the slots of a shape to columns: texts as views into the block, numbers and times from those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from wayside.record import digits, zulu
from wayside.record.block import Block, Mask, Positions, Words
from wayside.record.digits import SECONDS_SIZE
from wayside.record.fields import FieldSpec
from wayside.record.shapes import Shape, Slot, Spans
from wayside.record.times import bounded, other_times, parse_seconds, usual
from wayside.specs import TIME

FEW, FEWER = 16, 128
"""As many values of an uncommon form, or one in so many, are left to the strict decoder."""
LOOK = 16
"""Bytes of a text that are at hand; a time is longer."""
INLINE = 12
"""Longest text that an Arrow view carries in itself."""
HEAD = np.array([(1 << (8 * min(n, 4))) - 1 for n in range(INLINE + 1)], np.uint64)
HALF = np.uint64(32)
TAIL = np.array([(1 << (8 * max(0, n - 4))) - 1 for n in range(INLINE + 1)], np.uint64)
NUMBER = r"^(?:-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}|-?[1-9][0-9]{0,14}|0)$"
"""Numbers that every reader takes for the same value; all others are left to the strict decoder."""
WHOLE = r"^(?:-?[1-9][0-9]{0,17}|0)$"


@dataclass(frozen=True)
class Filled:
    """Columns of the lines of one shape whose values all could be read, and which lines these are.

    `sizes` are the fewest and most bytes of the texts that are kept, by field.
    """

    frame: pl.DataFrame
    rows: Positions
    sizes: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Texts:
    """Where the texts of a slot begin, their sizes in bytes, and their first sixteen bytes."""

    starts: Positions
    sizes: Positions
    heads: Words

    @classmethod
    def of(cls, spans: Spans, number: int) -> Texts:
        """The texts of one slot."""
        starts = spans.starts[number]
        return cls(starts, spans.ends[number] - starts, spans.heads[number])

    def at(self, rows: Positions) -> Texts:
        """Some of them."""
        return Texts(self.starts.take(rows), self.sizes.take(rows), self.heads.take(rows, axis=0))


def fill(block: Block, shape: Shape, spans: Spans, fields: Mapping[str, FieldSpec]) -> Filled:
    """Read the slots of the matched lines. A field without a slot is null."""
    read: dict[int, pl.Series] = {}
    good = spans.good
    for number, slot in enumerate(shape.slots):
        if kind_of(slot) == "str":
            continue
        values, could = scalars(block, slot, Texts.of(spans, number), good)
        read[number] = values
        if not could.all():
            good = could if good is None else good & could
    if good is not None and good.all():
        good = None
    kept = None if good is None else np.flatnonzero(good)
    rows = spans.rows if kept is None else spans.rows.take(kept)
    keep = None if good is None else pl.Series(good)
    columns: dict[str, pl.Series] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for number, slot in enumerate(shape.slots):
        if slot.field is None:
            continue
        name = slot.field.name
        if number in read:
            column = read[number] if keep is None else read[number].filter(keep)
        else:
            found = Texts.of(spans, number)
            found = found if kept is None else found.at(kept)
            sizes[name] = bounds(found.sizes)
            column = texts(block, found, sizes[name], keep=True)
        columns[name] = column.alias(name)
    nothing = [
        pl.Series(name, [], spec.polars).extend_constant(None, len(rows))
        for name, spec in fields.items()
        if name not in columns
    ]
    columns.update({column.name: column for column in nothing})
    return Filled(pl.DataFrame([columns[name] for name in fields]), rows, sizes)


def kind_of(slot: Slot) -> str:
    """What the values of a slot are read as; texts are taken as they are."""
    return slot.field.kind if slot.field else {"text": "str", "number": "float", "bool": "bool"}[slot.kind]


def scalars(block: Block, slot: Slot, found: Texts, good: Mask | None) -> tuple[pl.Series, Mask]:
    """The values of a slot that is no text, and which of them could be read beyond doubt.

    What is not in the most common form is read by Polars when it is more than a few; a few are left to the strict
    decoder. Rows that are not `good` do not matter.
    """
    quick = quickly(block, slot, found)
    if quick is None:
        values = slowly(block, slot, found if good is None else found.at(np.flatnonzero(good)))
        if good is not None:
            values = spread(values, good)
        return values, values.is_not_null().to_numpy()
    values, could = pl.Series(quick.values), quick.good
    left = np.flatnonzero(~could if good is None else good & ~could)
    if len(left) > max(FEW, len(could) // FEWER):
        late = slowly(block, slot, found.at(left)).to_physical()
        read = late.is_not_null()
        values = values.scatter(left[read.to_numpy()], late.filter(read))
        could[left] = read.to_numpy()
    if kind_of(slot) != "time":
        return values, could
    if slot.kind == "text":
        return values.cast(TIME), could
    values = parse_seconds(values)
    return values, could & values.is_not_null().to_numpy()


def quickly(block: Block, slot: Slot, found: Texts) -> digits.Read | None:
    """The values in the most common form, or null when the slot has no such form."""
    kind, first = kind_of(slot), found.heads[:, 0]
    if kind == "time" and slot.kind == "text":
        later = block.heads(np.minimum(found.starts + LOOK, len(block.pairs) - 1))
        words = [first, found.heads[:, 1], later[:, 0], later[:, 1]]
        if slot.usual in zulu.ENDINGS:
            return zulu.fractions(words, found.sizes, slot.usual)
        return digits.seconds(words[0], words[1], words[2], found.sizes) if slot.usual == SECONDS_SIZE else None
    if kind == "bool":
        return None
    return digits.numbers(np.ascontiguousarray(first), found.sizes, whole=kind == "int")


def slowly(block: Block, slot: Slot, found: Texts) -> pl.Series:
    """The same by Polars and in all forms that are beyond doubt; null where there is doubt.

    Of a time that is given in seconds, it is the seconds that are read.
    """
    if not len(found.sizes):
        return pl.Series([], dtype=pl.Float64)
    text = texts(block, found, bounds(found.sizes), keep=False)
    column = text.to_frame().select_seq(value(slot, pl.first())).to_series()
    if slot.field is None or slot.field.kind != "time" or slot.kind != "text":
        return column
    if column.null_count() > FEW:
        column = other_times(text, column, slot.field.zone)
    return bounded(column)


def spread(values: pl.Series, good: Mask) -> pl.Series:
    """Values of the rows that are good as a column of all rows, with nulls for the others."""
    places = np.maximum(np.cumsum(good) - 1, 0)
    return values.gather(places) if len(values) else values.extend_constant(None, len(good))


def value(slot: Slot, text: pl.Expr) -> pl.Expr:
    """A column of the slot's values, null where the text of a value is not beyond doubt."""
    match kind_of(slot):
        case "bool":
            return pl.when(text == "true").then(True).when(text == "false").then(False)
        case "int":
            return pl.when(text.str.contains(WHOLE)).then(text).cast(pl.Int64)
        case "time" if slot.kind == "text":
            return usual(text, slot.usual)
    return pl.when(text.str.contains(NUMBER)).then(text).cast(pl.Float64)


def bounds(sizes: Positions) -> tuple[int, int]:
    """The least and the greatest; of none, zero."""
    return (int(sizes.min()), int(sizes.max())) if len(sizes) else (0, 0)


def texts(block: Block, found: Texts, extremes: tuple[int, int], *, keep: bool) -> pl.Series:
    """Text values of a slot as Arrow views: short ones in the view itself, long ones in the block's buffer.

    What is to be kept longer than the block is copied out of it.
    """
    starts, first, second = found.starts, found.heads[:, 0], found.heads[:, 1]
    sizes, (shortest, longest) = found.sizes, extremes
    views = np.empty((len(starts), 2), np.uint64)
    held = sizes if longest <= INLINE else np.minimum(sizes, INLINE)
    views[:, 0] = ((first & HEAD.take(held)) << HALF) | sizes.view(np.uint64)
    buffers = [None, pa.py_buffer(views)]
    places = starts.view(np.uint64) << HALF  # in the first and only buffer
    if longest > INLINE:
        buffers.append(pa.py_buffer(block.buffer))
    if shortest > INLINE:
        views[:, 1] = places
    else:
        inside = ((first >> HALF) | (second << HALF)) & TAIL.take(held)
        views[:, 1] = inside if longest <= INLINE else np.where(sizes > INLINE, places, inside)
    column = pl.Series(pa.Array.from_buffers(pa.string_view(), len(starts), buffers))
    if keep and longest > INLINE:
        return pl.Series(column.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return column
