"""The log in memory: for tests and throw-away runs. Same promises, except that nothing outlives the process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
import polars as pl

from wayside.broker.collect import instant, microseconds
from wayside.broker.columns import Layout
from wayside.broker.declared import check, chosen, conform, event_bounds, merged
from wayside.broker.dedup import SeenIds
from wayside.broker.errors import beyond_end, expired, no_partition, no_topic
from wayside.broker.keys import key_text
from wayside.clock import SYSTEM, Clock
from wayside.specs import TIME, TopicSpec
from wayside.values import Appended, Batch, PartitionInfo, Position

_SECOND = 1_000_000


@dataclass
class _Entry:
    """Rows of one append with their offsets; together they account for `first` to `next`."""

    first: int
    next: int
    frame: pl.DataFrame
    offsets: pl.Series
    appended: int
    max_event: int
    size: int


@dataclass
class _Partition:
    entries: list[_Entry] = field(default_factory=list)
    start: int = 0
    end: int = 0


@dataclass
class _Topic:
    spec: TopicSpec
    partitions: list[_Partition]
    seen: SeenIds


class MemoryBroker:
    """See `wayside.ports.Broker`. An append is a segment of its own."""

    def __init__(self, *, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._topics: dict[str, _Topic] = {}
        self._groups: dict[str, dict[Position, int]] = {}
        self._changed = threading.Condition(threading.RLock())

    def create(self, spec: TopicSpec) -> None:
        """See `Broker.create`."""
        check(spec)
        with self._changed:
            existing = self._topics.get(spec.name)
            if existing is not None:
                existing.spec = merged(existing.spec, spec)
                return
            horizon = int(spec.dedup_horizon.total_seconds() * _SECOND)
            partitions = [_Partition() for _ in range(spec.partitions)]
            self._topics[spec.name] = _Topic(spec, partitions, SeenIds(horizon))

    def delete(self, topic: str) -> None:
        """See `Broker.delete`."""
        with self._changed:
            self._topic(topic)
            del self._topics[topic]
            for offsets in self._groups.values():
                for position in [position for position in offsets if position[0] == topic]:
                    del offsets[position]

    def topics(self) -> dict[str, TopicSpec]:
        """See `Broker.topics`."""
        with self._changed:
            return {name: topic.spec for name, topic in sorted(self._topics.items())}

    def append(
        self, topic: str, frame: pl.DataFrame, *, ids: pl.Series | None = None, partition: int | None = None
    ) -> Future[Appended]:
        """See `Broker.append`."""
        future: Future[Appended] = Future()
        with self._changed:
            found = self._topic(topic)
            frame = conform(found.spec, frame)
            where = chosen(found.spec, frame, partition)
            rows = np.full(frame.height, where) if isinstance(where, int) else where
            at = microseconds(self._clock.now())
            keep = np.ones(frame.height, dtype=np.bool_)
            if ids is not None:
                ids = ids.cast(pl.String)
                keep = ~found.seen.duplicates(ids, at)
                found.seen.remember(ids, at)
            offsets = np.full(frame.height, -1, dtype=np.int64)
            for number in np.unique(rows[keep]).tolist():
                mine = (rows == number) & keep
                part = found.partitions[number]
                offsets[mine] = np.arange(part.end, part.end + int(mine.sum()))
                self._store(found.spec, part, frame.filter(pl.Series(mine)), at)
            self._changed.notify_all()
        future.set_result(Appended(pl.Series("partition", rows), pl.Series("offset", offsets), int((~keep).sum())))
        return future

    def read(self, topic: str, partition: int, offset: int, *, max_rows: int = 100_000) -> Batch | None:
        """See `Broker.read`."""
        with self._changed:
            part = self._partition(topic, partition)
            if offset < part.start:
                raise expired(topic, partition, offset, part.start)
            taken: list[_Entry] = []
            rows = 0
            for entry in part.entries:
                if entry.next <= offset:
                    continue
                if taken and rows + entry.frame.height > max_rows:
                    break
                taken.append(entry)
                rows += entry.frame.height
            if not taken:
                return None
            layout = Layout(self._topics[topic].spec.schema)
            return _batch((topic, partition), offset, taken, layout=layout, max_rows=max_rows)

    def partitions(self, topic: str) -> list[PartitionInfo]:
        """See `Broker.partitions`."""
        with self._changed:
            return [
                PartitionInfo(
                    partition=number,
                    start=part.start,
                    end=part.end,
                    bytes=sum(entry.size for entry in part.entries),
                    oldest=instant(min(e.appended for e in part.entries)) if part.entries else None,
                    newest=instant(max(e.appended for e in part.entries)) if part.entries else None,
                )
                for number, part in enumerate(self._topic(topic).partitions)
            ]

    def seek(self, topic: str, partition: int, time: datetime, *, by: Literal["append", "event"] = "event") -> int:
        """See `Broker.seek`."""
        wanted = microseconds(time)
        with self._changed:
            part = self._partition(topic, partition)
            by_event = by == "event" and self._topics[topic].spec.time is not None
            for entry in part.entries:
                if (entry.max_event if by_event else entry.appended) >= wanted:
                    return entry.first
            return part.end

    def commit(self, group: str, positions: Mapping[Position, int]) -> None:
        """See `Broker.commit`."""
        with self._changed:
            for (topic, partition), offset in positions.items():
                end = self._partition(topic, partition).end
                if offset > end:
                    raise beyond_end(group, topic, partition, offset, end)
            self._groups.setdefault(group, {}).update(positions)

    def committed(self, group: str) -> dict[Position, int]:
        """See `Broker.committed`."""
        with self._changed:
            return dict(self._groups.get(group, {}))

    def wait(self, positions: Mapping[Position, int], timeout: float) -> bool:
        """See `Broker.wait`."""
        with self._changed:
            parts = [(self._partition(*position), offset) for position, offset in positions.items()]
            return self._changed.wait_for(lambda: any(part.end > offset for part, offset in parts), timeout)

    def maintain(self) -> None:
        """See `Broker.maintain`."""
        now = microseconds(self._clock.now())
        with self._changed:
            for topic in self._topics.values():
                for part in topic.partitions:
                    if topic.spec.compact:
                        _compact(topic.spec, part)
                    else:
                        _expire(topic.spec, part, now)

    def close(self) -> None:
        """Nothing to give back."""

    def _store(self, spec: TopicSpec, part: _Partition, frame: pl.DataFrame, at: int) -> None:
        offsets = pl.Series("offset", np.arange(part.end, part.end + frame.height))
        _, latest = event_bounds(frame, spec.time)
        size = int(frame.estimated_size())
        part.entries.append(_Entry(part.end, part.end + frame.height, frame, offsets, at, latest, size))
        part.end += frame.height

    def _topic(self, name: str) -> _Topic:
        if name not in self._topics:
            raise no_topic(name, self._topics)
        return self._topics[name]

    def _partition(self, topic: str, partition: int) -> _Partition:
        parts = self._topic(topic).partitions
        if not 0 <= partition < len(parts):
            raise no_partition(topic, partition, len(parts))
        return parts[partition]


def _batch(position: Position, offset: int, taken: list[_Entry], *, layout: Layout, max_rows: int) -> Batch:
    offsets = pl.concat([entry.offsets for entry in taken])
    low = int(offsets.search_sorted(offset))
    high = min(len(offsets), low + max_rows)
    following = taken[-1].next if high == len(offsets) else int(offsets[high])
    frame = pl.concat([layout.restore(entry.frame) for entry in taken], rechunk=False)[low:high]
    times = np.repeat([e.appended for e in taken], [e.frame.height for e in taken])[low:high]
    offsets = offsets[low:high]
    if not len(offsets):
        return Batch(*position, offset, following, frame, instant(taken[0].appended))
    plain = int(offsets[-1]) - int(offsets[0]) + 1 == len(offsets)
    return Batch(
        *position,
        int(offsets[0]),
        following,
        frame,
        instant(int(times.min())),
        None if plain else offsets,
        None if times.min() == times.max() else pl.Series("appended", times).cast(TIME),
    )


def _expire(spec: TopicSpec, part: _Partition, now: int) -> None:
    age = None if spec.retention_age is None else int(spec.retention_age.total_seconds() * _SECOND)
    size = sum(entry.size for entry in part.entries)
    while part.entries:
        old = age is not None and part.entries[0].appended < now - age
        large = spec.retention_bytes is not None and size > spec.retention_bytes and len(part.entries) > 1
        if not old and not large:
            break
        gone = part.entries.pop(0)
        size -= gone.size
        part.start = gone.next


def _compact(spec: TopicSpec, part: _Partition) -> None:
    """Keep the newest row per key: by event time where there is one, then by offset."""
    if not part.entries:
        return
    layout = Layout(spec.schema)
    rows = pl.concat([layout.restore(e.frame).with_columns(e.offsets.alias("__offset")) for e in part.entries])
    order = [*([spec.time] if spec.time else []), "__offset"]
    keyed = rows.with_columns(key_text(rows, spec.key).alias("__key"))
    newest = keyed.sort(order, nulls_last=False).unique("__key", keep="last").get_column("__offset")
    for entry in part.entries:
        mine = entry.offsets.is_in(newest.implode())
        entry.frame, entry.offsets = entry.frame.filter(mine), entry.offsets.filter(mine)
