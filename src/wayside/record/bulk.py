"""Decoding blocks of lines at several times the speed of the strict decoder, and with its verdicts.

Lines of a known shape are read in columns; all others go to the strict decoder. On the messages of `bench/` this
takes a quarter of a microsecond per line, and almost all of it without the interpreter's lock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import polars as pl

from wayside.record.base import Record
from wayside.record.block import Block, Positions, pieces
from wayside.record.decode import Decoder
from wayside.record.judge import Decoded, judge_of
from wayside.record.shapes import Shape, shape_of
from wayside.record.slots import fill
from wayside.values import Rejection

SHAPES = 16
"""Shapes that are remembered; the least used is forgotten first."""
TRIES = 4
"""New shapes that are looked for in one block."""
WORTHWHILE = 64
"""Fewer lines than this are not worth looking for their shape."""
MANY = 700
"""Fewer lines than this are not worth making a block of: measured, the strict decoder is as fast up to about here."""


class Part(NamedTuple):
    """What one shape has read: rows, the numbers of their lines, and the sizes of their texts (see `Filled`)."""

    frame: pl.DataFrame
    rows: Positions
    sizes: dict[str, tuple[int, int]]


class Blocks:
    """The lines of several blocks, numbered through."""

    def __init__(self, blocks: list[Block]) -> None:
        self.blocks = blocks
        self.starts = [0, *accumulate(len(block) for block in blocks)][:-1]

    def __len__(self) -> int:
        return sum(len(block) for block in self.blocks)

    def counts(self, sizes: Sequence[int]) -> list[int]:
        """How many lines begin in each of these stretches of bytes, which together are all of it."""
        places = np.cumsum([0, *(len(block.content) for block in self.blocks)])
        starts = np.concatenate([block.starts + place for block, place in zip(self.blocks, places, strict=False)])
        edges = np.searchsorted(starts, np.cumsum(sizes))
        numbers: list[int] = np.diff(edges, prepend=0).tolist()
        return numbers

    def line(self, row: int) -> bytes:
        """The bytes of one line, without its newline."""
        number = bisect_right(self.starts, row) - 1
        return self.blocks[number].line(row - self.starts[number])


class BulkDecoder:
    """Decodes blocks and long lists of lines. One instance serves one thread at a time."""

    def __init__(self, record: type[Record]) -> None:
        self.record = record
        self.strict = Decoder(record)
        self.shapes: list[Shape] = []

    def decode(self, lines: Sequence[bytes], received: datetime) -> Decoded:
        """Decode one JSON object per element."""
        if len(lines) < MANY:
            return self.strict.decode(lines, received)
        content = b"\n".join(lines)
        if content.count(b"\n") != len(lines) - 1:
            return self.strict.decode(lines, received)
        return self.decode_block(Block(content, keep_blank=True), received)

    def decode_bytes(self, content: bytes, received: datetime) -> tuple[Decoded, Blocks]:
        """Decode lines of JSON that are separated by newlines; blank ones are no messages."""
        blocks = Blocks([Block(piece) for piece in pieces(content)])
        found = [self.decode_block(block, received) for block in blocks.blocks]
        if len(found) == 1:
            return found[0], blocks
        rows = [each.rows + start for each, start in zip(found, blocks.starts, strict=True)]
        rejections = [
            Rejection(rejection.row + start, rejection.rule, rejection.message)
            for each, start in zip(found, blocks.starts, strict=True)
            for rejection in each.rejections
        ]
        frame = pl.concat([each.frame for each in found])
        return Decoded(frame, pl.concat(rows).cast(pl.UInt32).alias("row"), rejections), blocks

    def decode_block(self, block: Block, received: datetime) -> Decoded:
        """Decode the lines of a block; row numbers are those of `Block.line`."""
        parts: list[Part] = []
        rest: Positions = np.arange(len(block))
        for shape in list(self.shapes):
            rest = self.take(block, shape, rest, parts)
        for attempt in range(TRIES):
            if len(rest) < WORTHWHILE:
                break
            found = shape_of(block.line(int(rest[attempt * len(rest) // TRIES])), self.record.fields)
            if found is not None and found not in self.shapes:
                self.shapes = [*self.shapes, found][-SHAPES:]
                rest = self.take(block, found, rest, parts)
        fast = self.judged(parts, received, clean=block.plain)
        if not len(rest):
            return fast
        return merged(fast, self.strictly(block, rest, received))

    def take(self, block: Block, shape: Shape, rest: Positions, parts: list[Part]) -> Positions:
        """Read the lines of one shape, and return those that are left."""
        if not len(rest):
            return rest
        spans = shape.match(block, rest)
        if not len(spans.rows):
            return rest
        filled = fill(block, shape, spans, self.record.fields)
        rows = filled.rows
        if not len(rows):
            return rest
        parts.append(Part(filled.frame, rows, filled.sizes))
        if len(rows) == len(rest):
            return rest[:0]
        left = np.ones(len(block), np.bool_)
        left[rows] = False
        return rest[left[rest]]

    def judged(self, parts: list[Part], received: datetime, *, clean: bool) -> Decoded:
        """Apply the record's rules to what the shapes have read, in the order of the lines."""
        if not parts:
            return Decoded(self.record.empty(), pl.Series("row", [], dtype=pl.UInt32), [])
        frame = parts[0].frame if len(parts) == 1 else pl.concat([part.frame for part in parts])
        rows = np.concatenate([part.rows for part in parts])
        if len(parts) > 1:
            order = np.argsort(rows, kind="stable")
            frame, rows = frame[order], rows[order]
        numbers = pl.Series("row", rows.astype(np.uint32))
        sizes = parts[0].sizes if len(parts) == 1 else {}
        return judge_of(self.record).judge(frame, numbers, received, clean=clean, sizes=sizes)

    def strictly(self, block: Block, rest: Positions, received: datetime) -> Decoded:
        """Decode what no shape fits."""
        decoded = self.strict.decode(block.lines(rest), received)
        numbers = rest.astype(np.uint32)
        rows = pl.Series("row", numbers[decoded.rows.to_numpy()])
        rejections = [Rejection(int(numbers[r.row]), r.rule, r.message) for r in decoded.rejections]
        return Decoded(decoded.frame, rows, rejections)


def merged(first: Decoded, second: Decoded) -> Decoded:
    """Both, in the order of the lines."""
    rejections = sorted(first.rejections + second.rejections, key=lambda rejection: rejection.row)
    if second.frame.is_empty():
        return Decoded(first.frame, first.rows, rejections)
    rows = pl.concat([first.rows, second.rows])
    order = rows.arg_sort()
    return Decoded(pl.concat([first.frame, second.frame])[order], rows[order], rejections)
