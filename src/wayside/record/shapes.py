"""The shape of a line: what all messages of one sender have in common, byte for byte.

A sender writes its keys in one order, with the same spaces. Of such a line only the values change, so it is a row of
fixed pieces with slots between them. A line that has the quotes of a shape in number, and its fixed pieces where the
quotes say that they must be, is that message with other values: no need to parse it again. The pieces are compared
in full, eight bytes at a time, for all lines at once; whatever differs in any way is left to the strict decoder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wayside.record.block import Block, Mask, Positions
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


@dataclass(frozen=True)
class Slot:
    """A place where values differ. `field` is null for a key that the record does not declare."""

    kind: SlotKind
    field: FieldSpec | None


@dataclass(frozen=True)
class Piece:
    """Fixed bytes between two slots. `quote` is the number of its first quote in the line, `at` that quote's place."""

    text: bytes
    quote: int | None
    at: int

    @classmethod
    def after(cls, text: bytes, quotes_before: int) -> Piece:
        at = text.find(b'"')
        return cls(text, None if at < 0 else quotes_before, max(at, 0))


@dataclass(frozen=True)
class Spans:
    """Lines of one shape, and where each of their slots begins and ends."""

    rows: Positions
    starts: list[Positions]
    ends: list[Positions]


@dataclass(frozen=True)
class Shape:
    """Pieces and slots in turn; there is one piece more than there are slots."""

    pieces: tuple[Piece, ...]
    slots: tuple[Slot, ...]
    quotes: int
    least: int
    controls: int

    def match(self, block: Block, rows: Positions) -> Spans:
        """Which of these lines have this shape."""
        fits = (block.quotes[rows] == self.quotes) & (block.ends[rows] - block.starts[rows] >= self.least)
        if block.odd is not None:
            fits &= ~block.odd[rows]
        if block.controls is not None:
            fits &= block.controls[rows] == self.controls
        rows = rows if fits.all() else rows[fits]
        places = [self.place(piece, block, rows, last=piece is self.pieces[-1]) for piece in self.pieces]
        starts = [place + len(piece.text) for place, piece in zip(places, self.pieces, strict=True)]
        same = starts[-1] == block.ends[rows]
        for place, piece in zip(places, self.pieces, strict=True):
            same &= equal(block, place, piece.text)
        for slot, start, end in zip(self.slots, starts, places[1:], strict=False):
            length = end - start
            same &= length >= 0 if slot.kind == "text" else (length > 0) & (length <= LONGEST_NUMBER)
        if same.all():
            return Spans(rows, starts[:-1], places[1:])
        return Spans(rows[same], [start[same] for start in starts[:-1]], [place[same] for place in places[1:]])

    def place(self, piece: Piece, block: Block, rows: Positions, *, last: bool) -> Positions:
        """Where a piece must begin in each line."""
        if piece is self.pieces[0]:
            return block.starts[rows]
        if piece.quote is None:
            assert last  # only what follows the last value can be without a quote
            return block.ends[rows] - len(piece.text)
        return block.marks[block.first_mark[rows] + piece.quote] - piece.at


def equal(block: Block, places: Positions, text: bytes) -> Mask:
    """Whether the bytes at each place are these."""
    size = len(text)
    if size < 8:
        mask = np.uint64((1 << (8 * size)) - 1)
        short: Mask = (block.words[places] & mask) == np.uint64(int.from_bytes(text, "little"))
        return short
    same: Mask | None = None
    for offset in [*range(0, size - 7, 8), *([size - 8] if size % 8 else [])]:
        wanted = np.uint64(int.from_bytes(text[offset : offset + 8], "little"))
        found = block.words[places + offset if offset else places] == wanted
        same = found if same is None else same & found
    assert same is not None
    return same


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
            slots.append(Slot(kind, fields.get(key)))
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
    """Number the quotes of the pieces."""
    pieces: list[Piece] = []
    quotes = 0
    for text in texts:
        pieces.append(Piece.after(text, quotes))
        quotes += text.count(b'"')
    controls = sum(byte < 0x20 for text in texts for byte in text)
    return Shape(tuple(pieces), tuple(slots), quotes, sum(map(len, texts)), controls)
