"""Finding a place by event time, on a broker that knows append times only.

A record's event time is at most `AHEAD` later than its appending (the door refuses others), so nothing at or after a
time can have been appended earlier than that much before it. From there on the records are looked through; how far
the event times of a stretch go is remembered, so that the next search skips it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from wayside.broker.collect import microseconds
from wayside.broker.kafka.catalog import Entry
from wayside.broker.kafka.offsets import Offsets
from wayside.values import Batch

AHEAD: Final = timedelta(hours=24)
STRETCH: Final = 20_000
"""Rows that are looked at together."""
Read = Callable[[int], Batch | None]


class Seeker:
    """Finds offsets. May be used by several threads."""

    def __init__(self, offsets: Offsets) -> None:
        self._offsets = offsets
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], dict[int, tuple[int, datetime | None]]] = {}

    def by_append(self, entry: Entry, partition: int, time: datetime) -> int:
        """The first offset appended at or after a time, else the end."""
        return self._offsets.at_time(entry.kafka, [partition], microseconds(time) // 1000)[partition]

    def by_event(self, entry: Entry, partition: int, time: datetime, read: Read) -> int:
        """The first offset with a record at or after a time, else the end; `read(offset)` gives a stretch of rows."""
        column = entry.spec.time
        assert column is not None
        with self._lock:
            known = self._known.setdefault((entry.kafka, partition), {})
        at = self.by_append(entry, partition, time - AHEAD)
        while True:
            if at in known and ((greatest := known[at][1]) is None or greatest < time):
                at = known[at][0]
                continue
            batch = read(at)
            if batch is None:
                return at
            times = batch.frame.get_column(column)
            if len(hits := (times >= time).arg_true()):
                row = int(hits[0])
                return batch.first + row if batch.offsets is None else int(batch.offsets[row])
            if batch.next - at >= STRETCH:  # a stretch that cannot grow any more
                latest = times.max()
                known[at] = (batch.next, latest if isinstance(latest, datetime) else None)
            at = batch.next

    def forget(self, entry: Entry) -> None:
        """Drop what is known about a topic that is no more."""
        with self._lock:
            for number in range(entry.spec.partitions):
                self._known.pop((entry.kafka, number), None)
