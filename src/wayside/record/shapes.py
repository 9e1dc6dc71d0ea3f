"""The shape of a line: what all messages of one sender have in common, byte for byte.

A sender writes its keys in one order, with the same spaces. Of such a line only the values change, so it is a row of
fixed pieces with slots between them. A text ends at the first quote, a number where the next piece must begin, and a
line that has all pieces in their places is that message with other values: no need to parse it again. The pieces are
compared in full, sixteen bytes at a time, for all lines at once; what differs in any way is left to the strict decoder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as of_dataclass
from typing import Literal

import numpy as np

from wayside.record.block import HEAD, QUOTE, SPACE, Block, Mask, Positions, Words
from wayside.record.fields import FieldSpec

OPEN = re.compile(rb"[ \t\r]*\{")
PAIR = re.compile(
    rb'[ \t\r]*"(?P<key>[^"\\\x00-\x1f]*)"[ \t\r]*:[ \t\r]*'
    rb'(?:"(?P<text>[^"\\\x00-\x1f]*)"|(?P<number>-?[0-9][0-9.eE+-]*)|(?P<bool>true|false)|(?P<null>null))'
    rb"[ \t\r]*(?P<then>[,}])"
)
CLOSE = re.compile(rb"[ \t\r]*$")
SlotKind = Literal["text", "number", "bool"]
ValueKind = Literal["text", "number", "bool", "null"]
KINDS: tuple[ValueKind, ...] = ("text", "number", "bool", "null")
FITS: dict[str, set[str]] = {
    "str": {"text"},
    "time": {"text", "number"},
    "float": {"number"},
    "int": {"number"},
    "bool": {"bool"},
}
LONGEST_NUMBER = 32
FEW_BYTES = 2
"""Bytes that are looked at one by one: to take one costs a fourth of what it costs to take sixteen."""
FEW_DIFFER = 16
"""One line in so many may differ before lines are left out at once."""


@dataclass(frozen=True)
class Slot:
    """A place where values differ. `field` is null for a key that the record does not declare.

    `usual` is the length that a text has had, where a text of any other form is read again by the strict decoder.
    """

    kind: SlotKind
    field: FieldSpec | None
    usual: int = of_dataclass(default=0, compare=False)


@dataclass(frozen=True)
class Piece:
    """Fixed bytes between two slots; `quote` is the place of its first quote, null without any."""

    text: bytes
    quote: int | None

    @classmethod
    def of(cls, text: bytes) -> Piece:
        at = text.find(b'"')
        return cls(text, None if at < 0 else at)


@dataclass
class Spans:
    """Lines of one shape, where each of their slots begins and ends, and the first bytes of each.

    `good` says which of the lines have the shape, where a few have not; what is told of those means nothing. Leaving
    them out once, in the end, is cheaper than at every piece.
    """

    rows: Positions
    good: Mask | None = None
    starts: list[Positions] = of_dataclass(default_factory=list)
    ends: list[Positions] = of_dataclass(default_factory=list)
    heads: list[Words] = of_dataclass(default_factory=list)

    def refuse(self, same: Mask) -> Mask | None:
        """Take note of lines that differ. When they are many, they are left out; then returns which were not."""
        self.good = same = same if self.good is None else self.good & same
        if np.count_nonzero(same) * FEW_DIFFER >= len(same) * (FEW_DIFFER - 1):
            return None
        self.keep(same)
        return same

    def keep(self, same: Mask) -> None:
        """Leave out lines."""
        kept = np.flatnonzero(same)
        self.rows, self.good = self.rows.take(kept), None
        for each in (self.starts, self.ends):
            each[:] = [places.take(kept) for places in each]
        # Taken, and not indexed: that costs fifteen times as much where there are two words a row.
        self.heads[:] = [heads.take(kept, axis=0) for heads in self.heads]


@dataclass(frozen=True)
class Shape:
    """Pieces and slots in turn; there is one piece more than there are slots."""

    pieces: tuple[Piece, ...]
    slots: tuple[Slot, ...]
    least: int
    controls: int

    def match(self, block: Block, rows: Positions) -> Spans:
        """Which of these lines have this shape; see `Spans.good`."""
        fits = block.ends[rows] - block.starts[rows] >= self.least
        if block.odd is not None:
            fits &= ~block.odd[rows]
        if block.controls is not None:
            fits &= block.controls[rows] == self.controls
        spans = Spans(rows if fits.all() else rows[fits])
        places = self.compare(block, spans, self.pieces[0], block.starts[spans.rows])
        for slot, piece in zip(self.slots, self.pieces[1:], strict=True):
            spans.starts.append(places)
            spans.heads.append(block.heads(places))
            places = self.after(block, spans, slot, piece)
            spans.ends.append(places)
            places = self.compare(block, spans, piece, places)
        return spans

    def after(self, block: Block, spans: Spans, slot: Slot, piece: Piece) -> Positions:
        """Where the piece after a slot must begin in each line."""
        limits = block.ends[spans.rows]
        if piece.quote is None:
            return limits - len(piece.text)  # only what follows the last value can be without a quote
        places, heads = spans.starts[-1], spans.heads[-1]
        if not slot.usual:
            return block.next_quotes(places, heads, limits) - piece.quote
        found = places + slot.usual
        missed = np.flatnonzero(block.bytes.take(found, mode="clip") != QUOTE)
        if len(missed):
            found[missed] = block.next_quotes(places[missed], heads[missed], limits[missed])
        return found - piece.quote

    def compare(self, block: Block, spans: Spans, piece: Piece, places: Positions) -> Positions:
        """Take note of lines that differ here; returns where the piece ends in the others."""
        if spans.good is not None:  # what is said of lines that differ may be anywhere
            places = np.minimum(places, len(block.pairs) - 1)
        same = equal(block, places, piece.text)
        if spans.ends:
            slot, length = self.slots[len(spans.ends) - 1], places - spans.starts[-1]
            same &= length >= 0 if slot.kind == "text" else (length > 0) & (length <= LONGEST_NUMBER)
        if len(spans.ends) == len(self.slots):
            same &= places + len(piece.text) == block.ends[spans.rows]
        if not same.all():
            kept = spans.refuse(same)
            places = places if kept is None else places[kept]
            return np.minimum(places + len(piece.text), len(block.pairs) - 1)
        return places + len(piece.text)


def equal(block: Block, places: Positions, text: bytes) -> Mask:
    """Whether the bytes at each place are these."""
    same: Mask | None = None
    for offset in range(0, len(text), HEAD):
        at = np.minimum(places + offset, len(block.pairs) - 1) if offset else places
        if len(text) - offset <= FEW_BYTES:
            for number, byte in enumerate(text[offset:]):
                found = block.bytes.take(at + number) == byte
                same = found if same is None else same & found
            break
        heads = block.heads(at)
        for half in range(2):
            part = text[offset + 8 * half : offset + 8 * half + 8]
            if not part:
                break
            words = heads[:, half]
            if len(part) < 8:
                words = words & np.uint64((1 << (8 * len(part))) - 1)
            found = words == np.uint64(int.from_bytes(part, "little"))
            same = found if same is None else same & found
    return np.ones(len(places), np.bool_) if same is None else same


def shape_of(line: bytes, fields: Mapping[str, FieldSpec]) -> Shape | None:
    """The shape of a line, or null when it is not a flat object that fits the fields."""
    opening = OPEN.match(line)
    if opening is None:
        return None
    at, cut, then = opening.end(), 0, b","
    pieces: list[bytes] = []
    slots: list[Slot] = []
    given: set[str] = set()
    while then == b",":
        pair = PAIR.match(line, at)
        if pair is None:
            return None
        key = pair["key"].decode(errors="replace")
        kind = next(kind for kind in KINDS if pair[kind] is not None)
        if key in given or (key in fields and not fits(kind, fields[key])):
            return None
        given.add(key)
        if kind != "null":
            pieces.append(line[cut : pair.start(kind)])
            declared = fields.get(key)
            timed = declared is not None and declared.kind == "time" and kind == "text"
            slots.append(Slot(kind, declared, len(pair[kind]) if timed else 0))
            cut = pair.end(kind)
        at, then = pair.end(), pair["then"]
    if not CLOSE.match(line, at) or not slots:
        return None
    if any(name not in given for name, spec in fields.items() if not spec.optional):
        return None
    return assemble([*pieces, line[cut:]], slots)


def fits(kind: ValueKind, spec: FieldSpec) -> bool:
    """Whether a field can hold a value of this kind."""
    return spec.optional if kind == "null" else kind in FITS[spec.kind]


def assemble(texts: list[bytes], slots: list[Slot]) -> Shape:
    """Pieces with their quotes, and what they ask of a line."""
    controls = sum(byte < SPACE for text in texts for byte in text)
    return Shape(tuple(map(Piece.of, texts)), tuple(slots), sum(map(len, texts)), controls)
