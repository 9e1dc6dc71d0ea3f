"""What there is in each partition of a topic."""

from __future__ import annotations

import threading
from typing import Final

from wayside.broker.collect import instant
from wayside.broker.kafka.catalog import Entry
from wayside.broker.kafka.fetching import Fetchers
from wayside.broker.kafka.offsets import Offsets
from wayside.values import PartitionInfo

_SAMPLE: Final = 100


class Places:
    """Describes partitions. May be used by several threads."""

    def __init__(self, fetchers: Fetchers, offsets: Offsets) -> None:
        self._fetchers = fetchers
        self._offsets = offsets
        self._lock = threading.Lock()
        self._sizes: dict[tuple[str, int], tuple[int, float]] = {}

    def infos(self, entry: Entry) -> list[PartitionInfo]:
        """All partitions of a topic. Raises UnavailableError."""
        numbers = range(entry.spec.partitions)
        starts, ends = self._offsets.starts(entry.kafka, numbers), self._offsets.ends(entry.kafka, numbers)
        oldest, newest = self._offsets.oldest(entry.kafka, numbers), self._offsets.newest(entry.kafka, numbers)
        return [
            PartitionInfo(
                partition=number,
                start=starts[number],
                end=ends[number],
                bytes=round((ends[number] - starts[number]) * self._size(entry, number, starts[number], ends[number])),
                oldest=None if oldest[number] < 0 else instant(oldest[number] * 1000),
                newest=None if newest[number] < 0 else instant(newest[number] * 1000),
            )
            for number in numbers
        ]

    def forget(self, entry: Entry) -> None:
        """Drop what is known about a topic that is no more."""
        with self._lock:
            for number in range(entry.spec.partitions):
                self._sizes.pop((entry.kafka, number), None)

    def _size(self, entry: Entry, partition: int, start: int, end: int) -> float:
        """Mean bytes of a message, from a sample that is taken again when the partition has doubled."""
        if end <= start:
            return 0.0
        place = (entry.kafka, partition)
        with self._lock:
            at, size = self._sizes.get(place, (0, 0.0))
        if end < 2 * at:
            return size
        first = max(start, end - _SAMPLE)
        with self._fetchers.at(place, first) as fetcher:
            messages = fetcher.read(end, _SAMPLE)
        size = sum(len(message) + len(message.key() or b"") for message in messages) / max(len(messages), 1)
        with self._lock:
            self._sizes[place] = (end, size)
        return size
