"""Which record ids are in the log already, whoever appended them.

The ids of a topic are read back from its end when the first record with an id is appended, as far as the topic's
horizon goes, and from then on as other replicas append. Before an append is judged, what is known must be younger than
`LAG`; so two replicas can let the same id through only when they append within `WINDOW` of each other, which is what
readers look back (see `repeats.py`).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import numpy as np
import polars as pl
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from wayside.broker.collect import microseconds
from wayside.broker.dedup import Mask, SeenIds
from wayside.broker.kafka.catalog import Lookup
from wayside.broker.kafka.clients import Clients
from wayside.broker.kafka.messages import id_of
from wayside.broker.kafka.offsets import Offsets
from wayside.clock import SYSTEM, Clock

_LOG = structlog.get_logger(__name__)
LAG: Final = 30.0
"""Seconds that what is known may be behind the log when an append is judged."""
_LOOK: Final = 2.0
_MANY: Final = 10_000


@dataclass
class _Followed:
    """The ids of one topic, the next offset to read of each partition, and when there was nothing more to read."""

    kafka: str
    seen: SeenIds
    next: dict[int, int]
    complete: float | None = None
    targets: dict[int, int] = field(default_factory=dict)
    asked: float = 0.0


class Tail:
    """A thread that reads the ends of the topics that records with ids are appended to."""

    def __init__(self, clients: Clients, lookup: Lookup, offsets: Offsets, clock: Clock) -> None:
        self._clients = clients
        self._lookup = lookup
        self._offsets = offsets
        self._clock = clock
        self._changed = threading.Condition()
        self._topics: dict[str, _Followed] = {}
        self._names: dict[str, str] = {}
        self._consumer: Consumer | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def known(self, topic: str, ids: pl.Series) -> Mask:
        """True for each id that is in the log within the horizon, or stands further up. Raises UnavailableError."""
        followed = self._follow(topic)
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._young(followed), self._clients.timeout + LAG):
                raise self._clients.unavailable(f"what topic {topic} holds could not be read back", "no answer in time")
            return followed.seen.duplicates(ids, microseconds(self._clock.now()))

    def remember(self, topic: str, ids: pl.Series, at: int) -> None:
        """Note ids that are durable now; `at` in microseconds by the clock of the log."""
        with self._changed:
            self._topics[topic].seen.remember(ids, at)

    def forget(self, topic: str) -> None:
        """Follow a topic no more."""
        with self._changed:
            gone = self._topics.pop(topic, None)
            if gone is not None:
                del self._names[gone.kafka]
                self._assign([TopicPartition(gone.kafka, number) for number in gone.next], add=False)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        if self._consumer is not None:
            self._consumer.close()

    def _young(self, followed: _Followed) -> bool:
        return followed.complete is not None and SYSTEM.monotonic() - followed.complete < LAG

    def _follow(self, topic: str) -> _Followed:
        with self._changed:
            if topic in self._topics:
                return self._topics[topic]
        entry = self._lookup(topic)
        spec = entry.spec
        horizon = spec.dedup_horizon // timedelta(microseconds=1)
        since = microseconds(self._clock.now()) - horizon
        starts = self._offsets.at_time(entry.kafka, range(spec.partitions), since // 1000)
        followed = _Followed(entry.kafka, SeenIds(horizon), starts)
        with self._changed:
            self._topics[topic], self._names[entry.kafka] = followed, topic
            self._assign([TopicPartition(entry.kafka, number, offset) for number, offset in starts.items()], add=True)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="wayside-kafka-tail", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return followed

    def _assign(self, places: list[TopicPartition], *, add: bool) -> None:
        if self._consumer is None:
            self._consumer = self._clients.consumer()
        if add:
            self._consumer.incremental_assign(places)
        else:
            self._consumer.incremental_unassign(places)

    def _run(self) -> None:
        assert self._consumer is not None
        while not self._closed:
            try:
                self._look()
                self._take(self._consumer.consume(_MANY, timeout=0.02 if self._behind() else 0.2))
            except Exception as error:  # the broker is away: appends wait, and then say so
                _LOG.warning("the end of the log cannot be read", why=str(error).splitlines()[0])
                SYSTEM.sleep(0.5)

    def _behind(self) -> bool:
        with self._changed:
            return any(followed.complete is None for followed in self._topics.values())

    def _look(self) -> None:
        """Ask now and then where the partitions end, so that it is known up to when all is known."""
        now = SYSTEM.monotonic()
        with self._changed:
            due = [one for one in self._topics.values() if not one.targets and now - one.asked > _LOOK]
            due += [one for one in self._topics.values() if one.asked == 0.0]
        for followed in due:
            targets = self._offsets.ends(followed.kafka, range(len(followed.next)))
            with self._changed:
                followed.targets, followed.asked = targets, now
        self._settle()

    def _take(self, messages: list[Any]) -> None:
        found: dict[str, list[tuple[str, int]]] = defaultdict(list)
        with self._changed:
            for message in messages:
                topic = self._names.get(message.topic())
                error = message.error()
                if topic is None or (error is not None and error.code() != KafkaError._PARTITION_EOF):
                    self._repair(topic, message, error)
                    continue
                followed = self._topics[topic]
                followed.next[message.partition()] = message.offset() + (error is None)
                if error is None and (name := id_of(message.headers())) is not None:
                    found[topic].append((name, message.timestamp()[1] * 1000))
            now = microseconds(self._clock.now())
            for topic, rows in found.items():
                names, times = zip(*rows, strict=True)
                self._topics[topic].seen.recall(pl.Series(names), np.array(times, dtype=np.int64), now)
        self._settle()

    def _repair(self, topic: str | None, message: Any, error: KafkaError | None) -> None:
        """Retention has passed us: go on where the partition starts now."""
        if topic is None or error is None or error.code() != KafkaError._AUTO_OFFSET_RESET:
            if error is not None and not error.retriable():
                raise KafkaException(error)
            return
        followed, number = self._topics[topic], message.partition()
        start = self._offsets.starts(followed.kafka, [number])[number]
        self._assign([TopicPartition(followed.kafka, number)], add=False)
        self._assign([TopicPartition(followed.kafka, number, start)], add=True)
        followed.next[number] = start

    def _settle(self) -> None:
        with self._changed:
            for followed in self._topics.values():
                reached = all(followed.next[number] >= end for number, end in followed.targets.items())
                if followed.targets and reached:
                    followed.complete, followed.targets = followed.asked, {}
            self._changed.notify_all()
