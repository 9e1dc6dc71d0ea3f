"""A declared window as a running step: its operator, its watermark and what it has counted."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from wayside.dataflow.partials import micros
from wayside.dataflow.rows import Rows
from wayside.dataflow.sessions import SessionOperator
from wayside.dataflow.spans import SpanOperator
from wayside.dataflow.watermark import END_OF_TIME, Watermark
from wayside.domain import Window

Frames = tuple[list[pl.DataFrame], list[pl.DataFrame]]


class WindowStep:
    """One window of the plan."""

    def __init__(self, window: Window) -> None:
        spec = window.spec
        self.window = window
        self.operator = SessionOperator(spec) if spec.kind == "session" else SpanOperator(spec)
        self.watermark = Watermark(micros(spec.lateness), window.idle.total_seconds())

    def feed(self, rows: Rows, now: float) -> pl.DataFrame | None:
        """Take the rows of a batch in; returns those that were late, with where they came from."""
        times = rows.times(self.window.spec.time)
        judged = self.watermark.judge(rows.source, times, rows.appended, now)
        late = self.operator.add(rows.frame, times, judged)
        if late is None:
            return None
        place = [pl.lit(rows.topic).alias("_topic"), pl.lit(rows.partition, dtype=pl.Int64).alias("_partition")]
        return rows.frame.with_columns(*place, pl.Series("_offset", rows.offsets)).filter(late)

    def close(self, now: float, partitions: int) -> pl.DataFrame | None:
        """Advance the watermark and take out the windows that it closes."""
        return self.operator.close(self.watermark.advance(now, partitions))

    def finish(self) -> pl.DataFrame | None:
        """Close everything: the source has ended."""
        self.watermark.closed = END_OF_TIME
        return self.operator.close(END_OF_TIME)

    def forget(self, ended: int) -> None:
        """While replaying, drop windows that had closed by `ended`; sessions may still grow and wait for the end."""
        if isinstance(self.operator, SpanOperator):
            self.operator.close(ended)

    def saved(self) -> bytes:
        """The operator's state."""
        return packed(self.operator.save())

    def load(self, state: bytes | None, progress: dict[str, Any], now: float) -> None:
        """State and progress from a checkpoint."""
        self.watermark.load(progress, now)
        if state is not None:
            self.operator.load(unpacked(state))


@dataclass
class Effects:
    """What one micro-batch changes, gathered before it is committed."""

    upserts: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    late: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    closed: dict[str, pl.DataFrame] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    settled: bool = False
    """Whether `upserts` hold one row per table and key."""

    def upsert(self, table: str, rows: pl.DataFrame) -> None:
        self.upserts.setdefault(table, []).append(rows)

    def came_late(self, window: str, rows: pl.DataFrame) -> None:
        self.late.setdefault(window, []).append(rows)

    def count(self, node: str, records: int, newest: int | None = None) -> None:
        """Note that a node has handled records, the newest with this event time in microseconds."""
        self.records[node] = self.records.get(node, 0) + records
        if newest is not None:
            self.newest[node] = max(newest, self.newest.get(node, newest))


def packed(frame: pl.DataFrame) -> bytes:
    """A frame as bytes."""
    sink = io.BytesIO()
    # The stream format, because the file format goes through the engine for large files: 1 ms and threads of its own.
    frame.rechunk().write_ipc_stream(sink, compression="lz4")
    return sink.getvalue()


def unpacked(data: bytes) -> pl.DataFrame:
    """The frame that `packed` wrote."""
    return pl.read_ipc_stream(io.BytesIO(data))
