"""Reading the log for people: the newest rows, rows that match, rows from an offset, with their places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from wayside.ports import Broker
from wayside.server.problems import ProblemError
from wayside.specs import TIME
from wayside.values import Batch

PLACE = {"_partition": pl.Int64(), "_offset": pl.Int64(), "_appended": TIME}
Keeps = Callable[[pl.DataFrame], pl.DataFrame]
CHUNK = 10_000
SCANNED = 500_000
"""Rows that one request may look through before it answers with what it has."""


@dataclass(frozen=True)
class Page:
    """Rows in log order, and where to go on: forwards the next offset, backwards the end of what is left."""

    frame: pl.DataFrame
    next: int | None


def everything(rows: pl.DataFrame) -> pl.DataFrame:
    """Keeps all rows."""
    return rows


def placed(batch: Batch) -> pl.DataFrame:
    """The rows of a batch behind the columns that say where each one lies."""
    height = batch.frame.height
    offsets = (
        batch.offsets if batch.offsets is not None else pl.int_range(batch.first, batch.first + height, eager=True)
    )
    appends = batch.appends if batch.appends is not None else pl.repeat(batch.appended, height, dtype=TIME, eager=True)
    place = [
        pl.repeat(batch.partition, height, dtype=pl.Int64, eager=True).alias("_partition"),
        offsets.cast(pl.Int64).alias("_offset"),
        appends.cast(TIME).alias("_appended"),
    ]
    return pl.DataFrame(place).hstack(batch.frame.get_columns())


class LogReader:
    """One partition of a topic, as it was when the reader was made. Raises ProblemError 404 without it."""

    def __init__(self, broker: Broker, topic: str, partition: int) -> None:
        self._broker = broker
        self._topic = topic
        self._partition = partition
        known = {info.partition: info for info in broker.partitions(topic)}
        if partition not in known:
            raise ProblemError(
                404, f"The topic {topic!r} has no partition {partition}.", why=f"Partitions: 0 to {len(known) - 1}."
            )
        self.start = known[partition].start
        self.end = known[partition].end

    def read(self, offset: int, end: int) -> tuple[int, pl.DataFrame | None]:
        """Rows from `offset` on, none of them at or behind `end`, and the next offset to read."""
        batch = self._broker.read(self._topic, self._partition, offset, max_rows=min(CHUNK, max(1, end - offset)))
        if batch is None:
            return end, None
        rows = placed(batch)
        if batch.first < offset or batch.next > end:
            rows = rows.filter(pl.col("_offset").is_between(offset, end - 1))
        return max(batch.next, offset + 1), rows

    def forward(self, offset: int, limit: int, keeps: Keeps = everything) -> Page:
        """The first `limit` matching rows from `offset` on."""
        found: list[pl.DataFrame] = []
        count, scanned, position = 0, 0, max(offset, self.start)
        while position < self.end and count < limit and scanned < SCANNED:
            after, rows = self.read(position, self.end)
            if rows is not None:
                scanned += rows.height
                rows = keeps(rows)
                if count + rows.height > limit:
                    rows = rows.head(limit - count)
                    after = int(rows["_offset"][-1]) + 1
                count += rows.height
                found.append(rows)
            position = after
        return Page(joined(found), position if position < self.end else None)

    def backward(self, end: int, limit: int, keeps: Keeps = everything) -> Page:
        """The last `limit` matching rows before `end`, in log order; `next` is where to go on further back."""
        found: list[pl.DataFrame] = []
        count, scanned, position = 0, 0, min(end, self.end)
        size = limit
        while position > self.start and count < limit and scanned < SCANNED:
            first = max(self.start, position - size)
            chunk = self.between(first, position)
            scanned += position - first
            if chunk.width > len(PLACE):
                chunk = keeps(chunk).tail(limit - count)
                count += chunk.height
                found.insert(0, chunk)
            position, size = first, min(size * 4, CHUNK)
        frame = joined(found)
        if count >= limit and frame.height:
            position = int(frame["_offset"][0])
        return Page(frame, position if position > self.start else None)

    def between(self, first: int, end: int) -> pl.DataFrame:
        """All rows of [first, end)."""
        found: list[pl.DataFrame] = []
        position = first
        while position < end:
            position, rows = self.read(position, end)
            if rows is not None:
                found.append(rows)
        return joined(found)


def joined(found: list[pl.DataFrame]) -> pl.DataFrame:
    """One frame of all the pieces; without any, a frame that has only the columns of places."""
    return pl.concat(found, how="diagonal") if found else pl.DataFrame(schema=PLACE)
