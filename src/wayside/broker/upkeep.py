"""Retention and compaction of a whole log, with or without room on the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import structlog

from wayside.broker.collect import microseconds
from wayside.broker.compaction import Compaction
from wayside.broker.errors import not_written
from wayside.broker.log import PartitionLog
from wayside.broker.reserve import Reserve
from wayside.broker.retention import expire
from wayside.broker.segment import Segment
from wayside.broker.topic import Topic
from wayside.clock import Clock

_LOG = structlog.get_logger(__name__)


class Upkeep:
    """`ask` runs something in the writer thread, which alone changes segments, and waits for it."""

    def __init__(
        self, topics: Mapping[str, Topic], clock: Clock, reserve: Reserve, ask: Callable[[Callable[[], None]], None]
    ) -> None:
        self._topics = topics
        self._clock = clock
        self._reserve = reserve
        self._ask = ask
        self._running = threading.Lock()

    def run(self, *, disk_full: bool) -> None:
        """Retention first, because it only frees space; then compaction. Raises StorageFailedError."""
        with self._running:
            try:
                self._ask(self.expire)
                if disk_full:
                    with self._reserve.open():
                        self._compact()
                else:
                    self._compact()
                    self._reserve.take()
            except OSError as error:
                raise not_written("maintenance was not finished", error) from error

    def paused(self) -> AbstractContextManager[bool]:
        """While held, no maintenance runs."""
        return self._running

    def expire(self) -> None:
        """Retention of all topics; runs in the writer thread. Raises OSError."""
        now = microseconds(self._clock.now())
        for topic in list(self._topics.values()):
            if topic.spec.compact:
                continue
            for log in topic.logs:
                count = expire(log, topic.spec, now)
                if count:
                    _LOG.info("old segments were removed", topic=log.topic, partition=log.partition, segments=count)

    def _compact(self) -> None:
        now = microseconds(self._clock.now())
        for topic in list(self._topics.values()):
            if not topic.spec.compact:
                continue
            for log in topic.logs:
                count = Compaction(log, topic.spec, topic.layout, now).run(self._swap(log))
                if count:
                    _LOG.info("segments were compacted", topic=log.topic, partition=log.partition, segments=count)

    def _swap(self, log: PartitionLog) -> Callable[[Sequence[Segment], Segment], None]:
        return lambda old, new: self._ask(lambda: log.swap(old, new))
