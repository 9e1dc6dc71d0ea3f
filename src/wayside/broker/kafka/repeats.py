"""Records that two replicas let through: readers drop all but the first.

The rule looks at one partition and at nothing else, so every reader on every replica and engine agrees: a record is a
repeat when a record with the same id stands before it in its partition and was appended at most `WINDOW` (or the
topic's deduplication horizon, if that is shorter) before it, in whole seconds of Kafka's append time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl

from wayside.broker.dedup import SeenIds, stamps

WINDOW: Final = 180
"""Seconds: what a replica may be behind (30) plus how long a record may be on its way (120), and some more."""
_INTERVALS: Final = 16


@dataclass(frozen=True)
class Rows:
    """Ids (null where there is none), offsets and append times in microseconds of some rows; `next` follows them."""

    ids: pl.Series
    offsets: np.ndarray[Any, np.dtype[np.int64]]
    times: np.ndarray[Any, np.dtype[np.int64]]
    next: int


LookBack = Callable[[int, int], list[Rows]]
"""The rows before an offset that were appended since a time: `look_back(time, offset)`."""


@dataclass
class _Interval:
    """Offsets `low` to `high` have been judged; `recent` are the ids at its end."""

    low: int
    high: int
    recent: SeenIds
    dropped: set[int] = field(default_factory=set)

    def extend(self, rows: Rows, window: int) -> None:
        """Judge the rows at or after `high`."""
        new = rows.offsets >= self.high
        if new.any():
            at = stamps(rows.times[new]).astype(np.int64)
            frame = pl.DataFrame({"id": rows.ids.filter(pl.Series(new)), "offset": rows.offsets[new], "at": at})
            frame = frame.drop_nulls("id")
            if frame.height:
                before = pl.Series("known", self.recent.last(frame["id"])).cast(pl.Int64)
                last = pl.col("at").shift(1).over("id").fill_null(pl.col("known"))
                judged = frame.with_columns(before).filter((last > 0) & (pl.col("at") - last <= window))
                self.dropped.update(judged["offset"].to_list())
                now = int(rows.times[new].max())
                self.recent.recall(frame["id"], rows.times[new][rows.ids.filter(pl.Series(new)).is_not_null()], now)
        self.high = max(self.high, rows.next)


class Repeats:
    """The judgement about one partition, kept as far as it has been read."""

    def __init__(self, window: int) -> None:
        self._window = min(window, WINDOW)
        self._lock = threading.Lock()
        self._intervals: list[_Interval] = []

    def judge(self, first: int, rows: Rows, look_back: LookBack) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows of those from offset `first` on to keep."""
        keep = np.ones(len(rows.offsets), dtype=np.bool_)
        if not len(rows.offsets):
            return keep
        with self._lock:
            interval = next((one for one in self._intervals if one.low <= first <= one.high), None)
            if interval is None:
                if rows.ids.null_count() == len(rows.ids):
                    return keep
                interval = self._new(rows, first, look_back)
            elif interval is not self._intervals[0]:
                self._intervals.remove(interval)
                self._intervals.insert(0, interval)
            interval.extend(rows, self._window)
            if interval.dropped:
                keep = np.fromiter((int(o) not in interval.dropped for o in rows.offsets), np.bool_, len(keep))
        return keep

    def _new(self, rows: Rows, first: int, look_back: LookBack) -> _Interval:
        since = int(rows.times[0]) - (self._window + 1) * 1_000_000
        before = look_back(since, first)
        low = int(before[0].offsets[0]) if before and len(before[0].offsets) else first
        # What was judged on the way is not complete: its own past was not looked at.
        interval = _Interval(low, low, SeenIds((self._window + 2) * 1_000_000))
        for part in before:
            interval.extend(part, self._window)
        interval.low = first
        interval.high = max(interval.high, first)
        interval.dropped = {offset for offset in interval.dropped if offset >= first}
        self._intervals.insert(0, interval)
        del self._intervals[_INTERVALS:]
        return interval
