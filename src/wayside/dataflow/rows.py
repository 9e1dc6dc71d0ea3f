"""Rows on their way through the plan, with where in the log they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from wayside.dataflow.tracing import ROW
from wayside.dataflow.watermark import Micros
from wayside.values import Batch, partition_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rows:
    """Rows of one flow out of one batch. `offsets` and `appended` (microseconds) belong to the rows one by one."""

    topic: str
    partition: int
    frame: pl.DataFrame
    offsets: Micros
    appended: Micros | int

    @property
    def source(self) -> str:
        """The partition's name in watermarks."""
        return partition_name(self.topic, self.partition)

    @classmethod
    def of(cls, batch: Batch) -> Rows:
        """The rows of a batch as read from the log."""
        if batch.offsets is None:
            offsets = np.arange(batch.first, batch.first + batch.frame.height, dtype=np.int64)
        else:
            offsets = batch.offsets.to_numpy().astype(np.int64)
        appended: Micros | int = since_epoch(batch.appended)
        if batch.appends is not None:
            appended = batch.appends.cast(pl.Int64).to_numpy()
        return cls(batch.topic, batch.partition, batch.frame, offsets, appended)

    def made(self, frame: pl.DataFrame) -> Rows:
        """Rows that a step has made of these; `_row` says of which, and so gives them their places in the log."""
        return self.at(frame.drop(ROW), frame[ROW].to_numpy())

    def filter(self, keeps: pl.Series) -> Rows:
        """The rows for which `keeps` is true."""
        return self.at(self.frame.filter(keeps), np.flatnonzero(keeps.fill_null(False).to_numpy()))

    def at(self, frame: pl.DataFrame, numbers: npt.NDArray[Any]) -> Rows:
        """Other rows at the places of some of these."""
        appended = self.appended if isinstance(self.appended, int) else self.appended[numbers]
        return Rows(self.topic, self.partition, frame, self.offsets[numbers], appended)

    def part(self, start: int, end: int) -> Rows:
        """A slice of the rows."""
        appended = self.appended if isinstance(self.appended, int) else self.appended[start:end]
        return Rows(self.topic, self.partition, self.frame[start:end], self.offsets[start:end], appended)

    def times(self, column: str) -> Micros:
        """Event times in microseconds since 1970."""
        # A cast: `to_physical` is an expression, and those go through the threads of Polars.
        found: Micros = self.frame[column].cast(pl.Int64).to_numpy()
        return found


def since_epoch(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


Refuse = Callable[[Rows, str, str], None]
"""Sets rows aside with the name of the rule and a sentence."""


def guarded(rows: Rows, step: Callable[[pl.DataFrame], pl.DataFrame], refuse: Refuse) -> pl.DataFrame | None:
    """Run a step over rows; when it fails, halve until the rows that make it fail are found and set aside.

    A step adds the column `_row`, the number of the row that each of its rows comes from. Returns the result for the
    good rows, or null when none is left.
    """
    try:
        return step(rows.frame)
    except Exception as error:  # user code may raise anything; the row that made it is quarantined
        height = rows.frame.height
        if height <= 1:
            refuse(rows, "transform.error", f"{type(error).__name__}: {str(error).splitlines()[0][:200]}")
            return None
        middle = height // 2
        cuts = ((0, middle), (middle, height))
        halves = [(start, guarded(rows.part(start, end), step, refuse)) for start, end in cuts]
        good = [half.with_columns(pl.col(ROW) + start) for start, half in halves if half is not None]
        return pl.concat(good) if good else None
