"""Which record ids have been seen within a horizon.

Ids are known by 16 bytes of hash in one open-addressing table of three numpy columns, 20 bytes per slot and at most
half full: 40 to 80 bytes per id, where a Python set takes 150, and a batch is looked up in a few vectorised probes.
The hash is seeded anew in each process, so nobody can craft ids that collide, and the table is rebuilt from the log at
the start. It is bounded: beyond 4 million ids the older half is forgotten, and a warning says so.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import numpy as np
import polars as pl
import structlog

_LOG = structlog.get_logger(__name__)
_SMALLEST: Final = 1 << 10
_LIMIT: Final = 1 << 22
_SECOND: Final = 1_000_000
_EPOCH: Final = 1_577_836_800  # 2020-01-01: seconds since then fit into 32 bits until 2156
_EMPTY: Final = np.uint32(0)

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Times = np.ndarray[Any, np.dtype[np.int64]]
_Words = np.ndarray[Any, np.dtype[np.uint64]]
Stamps = np.ndarray[Any, np.dtype[np.uint32]]


class SeenIds:
    """The ids of one topic; `horizon` and all times in microseconds. Whole seconds are kept, rounded up."""

    def __init__(self, horizon: int, *, limit: int = _LIMIT) -> None:
        self._horizon = horizon // _SECOND
        self._limit = limit
        self._seeds = (secrets.randbits(64), secrets.randbits(64))
        self._count = 0
        self._clear(_SMALLEST)

    def __len__(self) -> int:
        """Ids in the table, those included that have expired since it last grew."""
        return self._count

    def duplicates(self, ids: pl.Series, now: int) -> Mask:
        """True for each id that was seen within the horizon or stands further up in the series; null never is."""
        repeated = ~ids.is_first_distinct().to_numpy()
        high, low = self._hash(ids)
        known = self._found(high, low, self._oldest(now))
        result: Mask = (repeated | known) & ids.is_not_null().to_numpy()
        return result

    def last(self, ids: pl.Series) -> Stamps:
        """When each id was last seen, as `stamps` counts time; 0 for one that is not known."""
        return self._stamps_of(*self._hash(ids))

    def remember(self, ids: pl.Series, at: int) -> None:
        """Note ids that are durable now; nulls are left out."""
        ids = ids.drop_nulls().unique()
        if len(ids):
            self._add(ids, stamps(np.full(len(ids), at)), self._oldest(at))

    def recall(self, ids: pl.Series, times: Times, now: int) -> None:
        """Note ids found in the log, each with the time at which it was appended, in the order of the log."""
        known = pl.DataFrame({"id": ids, "at": stamps(times)}).drop_nulls("id")
        known = known.filter(pl.col("at") >= self._oldest(now)).unique("id", keep="last", maintain_order=True)
        if known.height:
            self._add(known["id"], known["at"].to_numpy(), self._oldest(now))

    def _add(self, ids: pl.Series, stamps: Stamps, oldest: int) -> None:
        if 2 * (self._count + len(ids)) > len(self._high):
            self._grow(len(ids), oldest)
        high, low = self._hash(ids)
        self._put(high, low, stamps)

    def _oldest(self, now: int) -> int:
        return max(now // _SECOND - self._horizon - _EPOCH, 1)

    def _hash(self, ids: pl.Series) -> tuple[_Words, _Words]:
        high, low = (ids.hash(seed).to_numpy() for seed in self._seeds)
        return high, low

    def _clear(self, slots: int) -> None:
        self._high = np.zeros(slots, dtype=np.uint64)
        self._low = np.zeros(slots, dtype=np.uint64)
        self._stamp = np.zeros(slots, dtype=np.uint32)
        self._count = 0

    def _grow(self, more: int, oldest: int) -> None:
        """Leave out what has expired, and make room."""
        live = self._stamp >= oldest
        if int(np.count_nonzero(live)) + more > self._limit:
            oldest = int(np.median(self._stamp[live])) + 1 if live.any() else oldest
            live = self._stamp >= oldest
            _LOG.warning(
                "more record ids than can be remembered: duplicates are recognised for a shorter time",
                ids=self._limit,
                oldest_seconds_since_2020=oldest,
            )
        high, low, stamps = self._high[live], self._low[live], self._stamp[live]
        slots = _SMALLEST
        while slots < 3 * (len(high) + more):
            slots *= 2
        self._clear(slots)
        self._put(high, low, stamps)

    def _found(self, high: _Words, low: _Words, oldest: int) -> Mask:
        found: Mask = self._stamps_of(high, low) >= oldest
        return found

    def _stamps_of(self, high: _Words, low: _Words) -> Stamps:
        mask = len(self._high) - 1
        slots = (low & np.uint64(mask)).astype(np.int64)
        found = np.zeros(len(high), dtype=np.uint32)
        left = np.arange(len(high))
        while len(left):
            here = slots[left]
            seen = self._stamp[here]
            used = seen != _EMPTY
            same = used & (self._high[here] == high[left]) & (self._low[here] == low[left])
            found[left[same]] = seen[same]
            left = left[used & ~same]
            slots[left] = (slots[left] + 1) & mask
        return found

    def _put(self, high: _Words, low: _Words, stamps: Stamps) -> None:
        """Store distinct ids; one that is there already gets the new time."""
        mask = len(self._high) - 1
        slots = (low & np.uint64(mask)).astype(np.int64)
        left = np.arange(len(high))
        while len(left):
            here = slots[left]
            empty = self._stamp[here] == _EMPTY
            free = left[empty]
            # Several may want one slot: the last to write has it, the others see that and go on.
            self._high[slots[free]], self._low[slots[free]] = high[free], low[free]
            self._stamp[slots[free]] = stamps[free]
            mine = (self._high[here] == high[left]) & (self._low[here] == low[left])
            self._stamp[here[mine]] = stamps[left[mine]]
            self._count += int(np.count_nonzero(mine & empty))
            left = left[~mine]
            slots[left] = (slots[left] + 1) & mask


def stamps(times: Times) -> Stamps:
    """Seconds since 2020, rounded up, so that an id is never forgotten too early."""
    return np.maximum(times // _SECOND + 1 - _EPOCH, 1).astype(np.uint32)
