"""Gathering the entries of one read into one batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from wayside.broker import columns, entry
from wayside.broker.entry import Header
from wayside.specs import TIME
from wayside.values import Batch

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def instant(microseconds: int) -> datetime:
    """The instant of a count of microseconds since 1970 in UTC."""
    return _EPOCH + microseconds * _MICROSECOND


def microseconds(time: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (time - _EPOCH) // _MICROSECOND


def offsets_of(header: Header, batch: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The offset of each row of an entry."""
    if header.flags & entry.WITH_OFFSETS:
        column: np.ndarray[Any, np.dtype[np.int64]] = batch.column(columns.OFFSET).to_numpy()
        return column
    return np.arange(header.first, header.first + header.rows, dtype=np.int64)


@dataclass
class _Piece:
    """Rows `low` to `high` of one entry."""

    batch: Any
    schema: int
    flags: int
    first: int
    appended: int
    rows: int


@dataclass
class Collected:
    """What a read has found so far: `next` is the offset after it, holes and damage included."""

    next: int
    max_rows: int
    rows: int = 0
    pieces: list[_Piece] = field(default_factory=list)

    def wants(self, header: Header) -> bool:
        """Whether another entry still fits."""
        return self.rows == 0 or self.rows + header.rows <= self.max_rows

    def take(self, header: Header, batch: Any) -> None:
        """Add the rows of an entry from `next` on, at most as many as fit."""
        first = max(header.first, self.next)
        if header.flags & entry.WITH_OFFSETS:
            offsets = batch.column(columns.OFFSET).to_numpy()
            low = int(np.searchsorted(offsets, first))
            high = min(len(offsets), low + self.max_rows - self.rows)
            self.next = header.next if high == len(offsets) else int(offsets[high])
        else:
            low = first - header.first
            high = min(header.rows, low + self.max_rows - self.rows)
            self.next = header.first + high
        if high > low:
            whole = low == 0 and high == header.rows
            part = batch if whole else batch.slice(low, high - low)
            self.pieces.append(_Piece(part, header.schema_crc, header.flags, first, header.appended, high - low))
            self.rows += high - low

    def batch(self, topic: str, partition: int, offset: int, layout: columns.Layout) -> Batch:
        """The batch of everything taken; without rows when only holes were found."""
        if not self.pieces:
            empty = pl.DataFrame(schema=layout.schema)
            return Batch(topic, partition, offset, self.next, empty, _EPOCH)
        offsets = self._offsets()
        times = [piece.appended for piece in self.pieces]
        return Batch(
            topic,
            partition,
            self.pieces[0].first if offsets is None else int(offsets[0]),
            self.next,
            self._frame(layout),
            instant(min(times)),
            offsets,
            None if min(times) == max(times) else self._appends(times),
        )

    def _frame(self, layout: columns.Layout) -> pl.DataFrame:
        frames = []
        start = 0
        for at in range(1, len(self.pieces) + 1):
            kind = (self.pieces[start].schema, self.pieces[start].flags)
            if at == len(self.pieces) or (self.pieces[at].schema, self.pieces[at].flags) != kind:
                stored = columns.to_frame([piece.batch for piece in self.pieces[start:at]])
                extras = [name for name in (columns.ID, columns.OFFSET) if name in stored.columns]
                frames.append(layout.restore(stored.drop(extras) if extras else stored))
                start = at
        return frames[0] if len(frames) == 1 else pl.concat(frames, rechunk=False)

    def _offsets(self) -> pl.Series | None:
        """Offsets of the rows, unless they simply count up."""
        pieces = self.pieces
        plain = all(not piece.flags & entry.WITH_OFFSETS for piece in pieces)
        if plain and pieces[-1].first + pieces[-1].rows - pieces[0].first == self.rows:
            return None
        arrays = [
            piece.batch.column(columns.OFFSET).to_numpy()
            if piece.flags & entry.WITH_OFFSETS
            else np.arange(piece.first, piece.first + piece.rows, dtype=np.int64)
            for piece in pieces
        ]
        return pl.Series("offset", np.concatenate(arrays))

    def _appends(self, times: list[int]) -> pl.Series:
        each = np.repeat(np.array(times, dtype=np.int64), [piece.rows for piece in self.pieces])
        return pl.Series("appended", each).cast(TIME)
