"""Rows of a partition: what its messages mean, without those that mean nothing and those that came twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np
import polars as pl
import structlog
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE

from wayside import metrics
from wayside.broker.collect import instant
from wayside.broker.errors import expired
from wayside.broker.kafka.catalog import Entry
from wayside.broker.kafka.fetching import Fetchers
from wayside.broker.kafka.messages import id_of
from wayside.broker.kafka.offsets import Offsets
from wayside.broker.kafka.repeats import Repeats, Rows
from wayside.broker.kafka.values import PLAIN, Values
from wayside.specs import TIME
from wayside.values import Batch

_LOG = structlog.get_logger(__name__)
_BACK: Final = 20_000


class Reader:
    """Reads batches. May be used by several threads."""

    def __init__(self, fetchers: Fetchers, offsets: Offsets) -> None:
        self.values: Values = PLAIN
        self._fetchers = fetchers
        self._offsets = offsets
        self._lock = threading.Lock()
        self._repeats: dict[tuple[str, int], Repeats] = {}

    def read(self, entry: Entry, partition: int, offset: int, max_rows: int) -> Batch | None:
        """See `Broker.read`. Raises OffsetOutOfRangeError, UnavailableError."""
        place = (entry.kafka, partition)
        start, end = self._fetchers.bounds(place)
        if start == end:
            start = self._offsets.starts(entry.kafka, [partition])[partition]
            end = self._offsets.ends(entry.kafka, [partition])[partition]
        if offset < start:
            raise expired(entry.spec.name, partition, offset, start)
        if offset >= end:
            return None
        with self._fetchers.at(place, offset) as fetcher:
            messages = fetcher.read(end, max_rows)
            following = fetcher.next
        return self._batch(entry, partition, offset, messages, following)

    def forget(self, entry: Entry) -> None:
        """Drop what is known about a topic that is no more."""
        with self._lock:
            for number in range(entry.spec.partitions):
                self._repeats.pop((entry.kafka, number), None)

    def _batch(self, entry: Entry, partition: int, offset: int, messages: list[Any], following: int) -> Batch:
        spec = entry.spec
        rows = _rows(messages, following)
        keep = self._judge(entry, partition, offset, rows)
        decoded = self.values.decode(spec.name, [message.value() for message in messages], spec.schema)
        frame = decoded.frame
        readable = np.ones(len(messages), dtype=np.bool_)
        if decoded.undecodable:
            readable[decoded.undecodable] = False
            self._complain(spec.name, partition, rows.offsets[~readable])
        if not keep.all():
            frame = frame.filter(pl.Series(keep[readable]))
        keep &= readable
        offsets, times = rows.offsets[keep], rows.times[keep]
        if not len(offsets):
            oldest = instant(int(rows.times.min())) if len(rows.times) else instant(0)
            return Batch(spec.name, partition, offset, following, pl.DataFrame(schema=spec.schema), oldest)
        plain = int(offsets[-1]) - int(offsets[0]) + 1 == len(offsets)
        same = times.min() == times.max()
        return Batch(
            spec.name,
            partition,
            int(offsets[0]),
            following,
            frame,
            instant(int(times.min())),
            None if plain else pl.Series("offset", offsets),
            None if same else pl.Series("appended", times).cast(TIME),
        )

    def _judge(self, entry: Entry, partition: int, offset: int, rows: Rows) -> Any:
        with self._lock:
            window = entry.spec.dedup_horizon // timedelta(seconds=1)
            repeats = self._repeats.setdefault((entry.kafka, partition), Repeats(window))
        return repeats.judge(offset, rows, lambda since, first: self._before(entry, partition, since, first))

    def _before(self, entry: Entry, partition: int, since: int, first: int) -> list[Rows]:
        """The rows before an offset that were appended since a time."""
        place = (entry.kafka, partition)
        at = self._offsets.at_time(entry.kafka, [partition], since // 1000)[partition]
        found = []
        with self._fetchers.at(place, at) as fetcher:
            while at < first:
                messages = fetcher.read(first, _BACK)
                found.append(_rows(messages, fetcher.next))
                at = fetcher.next
        return found

    @staticmethod
    def _complain(topic: str, partition: int, offsets: Any) -> None:
        metrics.damaged("log", len(offsets))
        _LOG.error(
            "messages of the topic are no records of it and are left out",
            topic=topic,
            partition=partition,
            messages=len(offsets),
            first=int(offsets[0]),
            last=int(offsets[-1]),
        )


def _rows(messages: Sequence[Any], following: int) -> Rows:
    ids = pl.Series("id", [id_of(message.headers()) for message in messages], dtype=pl.String)
    offsets = np.fromiter((message.offset() for message in messages), np.int64, len(messages))
    stamped = [message.timestamp() for message in messages]
    times = np.fromiter(
        (0 if kind == TIMESTAMP_NOT_AVAILABLE else at * 1000 for kind, at in stamped), np.int64, len(messages)
    )
    return Rows(ids, offsets, times, following)
