"""From the slots of a shape to columns: texts as views into the block, numbers and times from those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from wayside.record.block import Block, Positions
from wayside.record.digits import zulu_times
from wayside.record.fields import FieldSpec
from wayside.record.shapes import Shape, Slot, Spans
from wayside.record.times import bounded, instants, other_times, usual

SMALL = 20_000
"""Fewer rows than this are not worth waking other threads for."""
FEW = 16
"""As many times of an uncommon form are left to the strict decoder."""
INLINE = 12
"""Longest text that an Arrow view carries in itself."""
HEAD = np.array([(1 << (8 * min(n, 4))) - 1 for n in range(INLINE + 1)], np.uint64)
HALF = np.uint64(32)
TAIL = np.array([(1 << (8 * max(0, n - 4))) - 1 for n in range(INLINE + 1)], np.uint64)
NUMBER = r"^(?:-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}|-?[1-9][0-9]{0,14}|0)$"
"""Numbers that every reader takes for the same value; all others are left to the strict decoder."""
WHOLE = r"^(?:-?[1-9][0-9]{0,17}|0)$"


Sized = tuple[Positions, int, int]
"""Lengths in bytes, the least and the greatest of them."""


@dataclass(frozen=True)
class Filled:
    """Columns of the lines of one shape; null in a column of `doubtful` where the value could not be read.

    `sizes` are the fewest and most bytes of the texts that are kept, by field.
    """

    frame: pl.DataFrame
    doubtful: list[str]
    sizes: dict[str, tuple[int, int]]


def fill(block: Block, shape: Shape, spans: Spans, fields: Mapping[str, FieldSpec]) -> Filled:
    """Read the slots of the matched lines. A field without a slot is null."""
    given: list[pl.Series] = []
    wanted: list[pl.Expr] = []
    timed: list[tuple[int, Slot]] = []
    sizes: dict[str, tuple[int, int]] = {}
    for number, slot in enumerate(shape.slots):
        if slot.field is None and slot.kind == "text":
            continue
        name = slot.field.name if slot.field else f"undeclared {number}"
        kept = slot.field is not None and slot.field.kind == "str"
        sized = measured(spans, number)
        if slot.field is not None and slot.field.kind == "time" and slot.kind == "text":
            timed.append((number, slot))
            continue
        given.append(texts(block, spans, number, sized, keep=kept).alias(name))
        if kept:
            sizes[name] = sized[1:]
        wanted.append(value(slot, pl.col(name)).alias(name))
    read = [times(block, spans, number, slot) for number, slot in timed]
    found = {column.name for column in (*given, *read)}
    wanted += [pl.lit(None, spec.polars).alias(name) for name, spec in fields.items() if name not in found]
    raw = pl.DataFrame([*given, *read])
    wanted += [pl.col(column.name) for column in read]
    frame = raw.select_seq(wanted) if raw.height < SMALL else raw.select(wanted)
    return Filled(
        frame,
        [name for name in frame.columns if name not in sizes and name in found and frame[name].null_count()],
        sizes,
    )


def measured(spans: Spans, number: int) -> Sized:
    """The sizes of the texts of a slot."""
    lengths = spans.ends[number] - spans.starts[number]
    return lengths, int(lengths.min()), int(lengths.max())


def times(block: Block, spans: Spans, number: int, slot: Slot) -> pl.Series:
    """Instants of the texts of a slot; null where one is in a form that only the strict decoder reads."""
    assert slot.field is not None
    name, sized = slot.field.name, measured(spans, number)
    column, raw = None, None
    if sized[1] == sized[2]:
        column = zulu_times(block, spans.starts[number], spans.heads[number], sized[1])
    if column is None:
        raw = texts(block, spans, number, sized, keep=False)
        column = raw.to_frame().select_seq(usual(pl.first(), slot.usual)).to_series()
    if column.null_count() > FEW:
        raw = texts(block, spans, number, sized, keep=False) if raw is None else raw
        column = other_times(raw, column, slot.field.zone)
    return bounded(column).alias(name)


def value(slot: Slot, text: pl.Expr) -> pl.Expr:
    """A column of the slot's values, null where the text of a value is not beyond doubt."""
    kind = slot.field.kind if slot.field else {"number": "float", "bool": "bool"}[slot.kind]
    match kind:
        case "str":
            return text
        case "bool":
            return pl.when(text == "true").then(True).when(text == "false").then(False)
        case "int":
            return pl.when(text.str.contains(WHOLE)).then(text).cast(pl.Int64)
    number = pl.when(text.str.contains(NUMBER)).then(text).cast(pl.Float64)
    return instants(number) if kind == "time" else number


def texts(block: Block, spans: Spans, number: int, sized: Sized, *, keep: bool) -> pl.Series:
    """Text values of a slot as Arrow views: short ones in the view itself, long ones in the block's buffer.

    What is to be kept longer than the block is copied out of it.
    """
    starts, first, second = spans.starts[number], spans.heads[number][:, 0], spans.heads[number][:, 1]
    sizes, shortest, longest = sized
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
