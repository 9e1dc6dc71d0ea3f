"""From messages to rows of a topic: decode, parse, validate; what breaks a rule leaves with its bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import polars as pl

from wayside.domain.feeds import ROW, Feed
from wayside.record.bulk import MANY, BulkDecoder
from wayside.record.cast import Cast, cast, judge
from wayside.record.eager import run
from wayside.record.judge import Decoded, validate
from wayside.values import Rejection

PART = "_part"
"""Which of the rows of one message: 0 for the first."""
COUNTED = 1 << 16
"""Bytes whose lines are counted together."""
Raw = Callable[[int], bytes]


@dataclass
class Refused:
    """What was refused, in four columns: why, the part of the message (0 for the whole), its bytes, and their kind.

    A message that became one row, or none, leaves as it came. Of a message that became several rows only the refused
    ones leave, as rows of the topic (`own` is true): the others are in the topic already, and are not to come twice
    when the refused ones are replayed.
    """

    rejections: list[Rejection] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    own: list[bool] = field(default_factory=list)

    def messages(self, rejections: Sequence[Rejection], raw: Raw) -> None:
        """Add whole messages."""
        self.rejections += rejections
        self.parts += [0] * len(rejections)
        self.raws += [raw(rejection.row) for rejection in rejections]
        self.own += [False] * len(rejections)

    def row(self, rejection: Rejection, part: int, cells: dict[str, Any]) -> None:
        """Add a row of the topic."""
        self.rejections.append(rejection)
        self.parts.append(part)
        self.raws.append(encoded(cells))
        self.own.append(True)


@dataclass(frozen=True)
class Converted:
    """Accepted rows in message order; `messages` and `parts` tell which message each came from.

    `dropped` counts messages that the feed's parse function left out on purpose.
    """

    frame: pl.DataFrame
    messages: pl.Series
    parts: pl.Series | None
    refused: Refused
    dropped: int = 0

    @property
    def rejections(self) -> list[Rejection]:
        """Why rows were refused, with the numbers of their messages."""
        return self.refused.rejections


class Converter:
    """The pure half of an intake: the same messages at the same instant give the same rows."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.decoder = BulkDecoder(feed.wire)
        self.schema = feed.record.schema()
        self.with_row = pl.Schema({**self.schema, ROW: pl.UInt32()})

    def lines(self, lines: Sequence[bytes], received: datetime) -> Converted:
        """Rows of JSON messages, one object per element."""
        return self.parsed(self.decoder.decode(lines, received), lines.__getitem__, received)

    def block(self, content: bytes, received: datetime) -> tuple[Converted, int]:
        """Rows of the lines of a block, and how many messages it held."""
        converted, counts = self.blocks([content], received)
        return converted, counts[0]

    def blocks(self, contents: Sequence[bytes], received: datetime) -> tuple[Converted, list[int]]:
        """Rows of the lines of several blocks, and how many messages each held."""
        if not many(contents):
            split = [[line for line in content.split(b"\n") if line and not line.isspace()] for content in contents]
            return self.lines(list(chain.from_iterable(split)), received), list(map(len, split))
        ended = contents
        if len(contents) > 1:
            ended = [content if content.endswith(b"\n") else content + b"\n" for content in contents]
        decoded, blocks = self.decoder.decode_bytes(b"".join(ended), received)
        counts = blocks.counts(list(map(len, ended))) if len(ended) > 1 else [len(blocks)]
        return self.parsed(decoded, blocks.line, received), counts

    def frame(self, frame: pl.DataFrame, received: datetime) -> Converted:
        """Rows of a frame of the wire record, whose columns may be text."""
        typed = cast(self.feed.wire, frame)
        return self.parsed(judge(self.feed.wire, typed, received), lambda row: as_json(frame, typed, row), received)

    def parsed(self, decoded: Decoded, raw: Raw, received: datetime) -> Converted:
        """Rows of decoded messages, by the feed's own parse function where it has one."""
        refused = Refused()
        refused.messages(decoded.rejections, raw)
        if self.feed.parse is None:
            return Converted(decoded.frame, decoded.rows, None, refused)
        if decoded.frame.is_empty():
            return Converted(pl.DataFrame(schema=self.schema), decoded.rows, None, refused)
        rows, failed = self.parse(decoded.frame.hstack([decoded.rows.alias(ROW)]))
        refused.messages(failed, raw)
        messages = rows[ROW]
        if messages.equals(decoded.rows):
            return self.judged(rows, messages, None, received, refused=refused, raw=raw)
        rows = rows.sort(ROW, maintain_order=True).with_columns(pl.int_range(pl.len()).over(ROW).alias(PART))
        dropped = len(decoded.rows) - rows[ROW].n_unique() - len(failed)
        judged = self.judged(rows, rows[ROW], rows[PART], received, refused=refused, raw=raw)
        return Converted(judged.frame, judged.messages, judged.parts, refused, dropped)

    def judged(
        self,
        rows: pl.DataFrame,
        messages: pl.Series,
        parts: pl.Series | None,
        received: datetime,
        *,
        refused: Refused,
        raw: Raw,
    ) -> Converted:
        """Apply the rules of the topic's record."""
        frame = rows[self.schema.names()]
        numbers = pl.Series(np.arange(rows.height, dtype=np.uint32))
        found = validate(self.feed.record, frame, numbers, received)
        if not found.rejections:
            return Converted(frame, messages, parts, refused)
        bad = [rejection.row for rejection in found.rejections]
        of = messages.gather(bad)
        rejections = [Rejection(row, r.rule, r.message) for row, r in zip(of, found.rejections, strict=True)]
        several = messages.is_duplicated() if parts is not None else None
        for index, rejection in zip(bad, rejections, strict=True):
            if parts is None or several is None or not several[index]:
                refused.messages([rejection], raw)
            else:
                refused.row(rejection, parts[index], frame.row(index, named=True))
        kept = found.rows
        return Converted(found.frame, messages.gather(kept), parts.gather(kept) if parts is not None else None, refused)

    def parse(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Rejection]]:
        """Apply the parse function. When it fails, halve the rows until only the guilty ones are left."""
        try:
            return self.parse_once(frame), []
        except Exception as error:  # a domain's code may raise anything, and must not stop the stream
            if frame.height <= 1:
                message = f"{type(error).__name__}: {error}"
                rejections = [Rejection(row, "parse.error", " ".join(message.split())[:300]) for row in frame[ROW]]
                return pl.DataFrame(schema=self.with_row), rejections
        half = frame.height // 2
        first, first_failed = self.parse(frame[:half])
        second, second_failed = self.parse(frame[half:])
        return pl.concat([first, second]), first_failed + second_failed

    def parse_once(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of the topic's record and `_row`. A parse without `_row` must keep one row per message."""
        assert self.feed.parse is not None
        result = run(self.feed.parse, frame)
        if ROW not in result.columns:
            if result.height != frame.height:
                raise ValueError(f"{frame.height} messages became {result.height} rows without a {ROW!r} column")
            result = result.hstack([frame[ROW]])
        if result.schema == self.with_row:
            return result
        return result.select(self.with_row.names()).cast(self.with_row)


def many(contents: Sequence[bytes]) -> bool:
    """Whether there are lines enough to be read in columns; no more are counted than it takes to know."""
    lines = 0
    for content in contents:
        for start in range(0, len(content), COUNTED):
            lines += content.count(b"\n", start, start + COUNTED)
            if lines >= MANY:
                return True
    return False


def as_json(frame: pl.DataFrame, typed: Cast, row: int) -> bytes:
    """A row as the JSON message that it stands for; a cell that could not be read stays as it came."""
    given: dict[str, Any] = frame.row(row, named=True)
    read = typed.frame.row(row, named=True)
    return encoded({name: given.get(name) if value is None else value for name, value in read.items()})


def encoded(cells: dict[str, Any]) -> bytes:
    """A JSON object of the cells that hold something."""
    return msgspec.json.encode({name: value for name, value in cells.items() if value is not None}, enc_hook=str)
