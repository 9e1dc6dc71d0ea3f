"""The log on Kafka; see `wayside.ports.Broker`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Literal

import numpy as np
import polars as pl

from wayside.broker.declared import check, conform, merged
from wayside.broker.errors import beyond_end, no_partition, no_topic
from wayside.broker.kafka.catalog import Catalog, Entry, kafka_name
from wayside.broker.kafka.clients import Clients
from wayside.broker.kafka.ends import Ends
from wayside.broker.kafka.fetching import Fetchers
from wayside.broker.kafka.groups import Groups
from wayside.broker.kafka.offsets import Offsets
from wayside.broker.kafka.places import Places
from wayside.broker.kafka.reading import Reader
from wayside.broker.kafka.seeking import STRETCH, Seeker
from wayside.broker.kafka.sending import Pending, Sender
from wayside.broker.kafka.tail import Tail
from wayside.broker.kafka.topics import Topics, config_of
from wayside.broker.kafka.values import PLAIN, Values
from wayside.clock import SYSTEM, Clock
from wayside.ports import Broker
from wayside.specs import TopicSpec
from wayside.values import Appended, Batch, PartitionInfo, Position
from wayside.wire.json import check as check_json
from wayside.wire.keys import Partitions, key_column, partitions_of


class KafkaBroker:
    """The durable ordered log on Kafka, shared by any number of processes.

    `servers` is what Kafka's clients call `bootstrap.servers`, `config` more of their keys (`wayside.kafkakeys` lists
    them). `prefix` stands before the names of topics and groups, `replication` is the number of copies of new topics
    (null: what Kafka is set to), `topic_config` are settings of Kafka's topics. `queue_bytes` may wait for their
    acknowledgement, `timeout` seconds for any other answer, `stop_within` seconds bound `close`.
    `values` makes what writes and reads the values of messages for this log; they are JSON without it. `clock` tells
    how old ids are; append times are Kafka's own. Raises ConfigError, UnavailableError.
    """

    def __init__(
        self,
        servers: str,
        *,
        config: Mapping[str, Any] | None = None,
        clock: Clock = SYSTEM,
        prefix: str = "",
        replication: int | None = None,
        topic_config: Mapping[str, str] | None = None,
        queue_bytes: int = 64 << 20,
        timeout: float = 10.0,
        stop_within: float = 8.0,
        values: Callable[[Broker], Values] = lambda _: PLAIN,
    ) -> None:
        self._clients = Clients(servers, config or {}, timeout=timeout)
        self._admin = self._clients.admin()
        self._catalog = Catalog(self._clients, SYSTEM, prefix)
        self._topics = Topics(
            self._clients, self._admin, SYSTEM, replication=replication, extra=dict(topic_config or {})
        )
        self._offsets = Offsets(self._clients, self._admin)
        self._groups = Groups(self._clients, self._admin, prefix)
        self._ends = Ends(self._offsets)
        self._fetchers = Fetchers(self._clients)
        self._reader = Reader(self._fetchers, self._offsets)
        self._seeker = Seeker(self._offsets)
        self._places = Places(self._fetchers, self._offsets)
        self._tail = Tail(self._clients, self._entry, self._offsets, clock)
        self._sender = Sender(
            self._clients, self._tail, self._ends.landed, capacity=queue_bytes, stop_within=stop_within
        )
        # A registry of schemas may itself be in this log.
        self._sender.values = self._reader.values = values(self)
        self._closed = False

    def create(self, spec: TopicSpec) -> None:
        """See `Broker.create`. Raises DeclarationError, UnavailableError."""
        check(spec)
        check_json(spec.schema)
        known = self._catalog.entries(now=True).get(spec.name)
        new = spec if known is None else merged(known.spec, spec)
        if known is None:
            self._topics.ensure(self._catalog.topic, 1, {"cleanup.policy": "compact"}, change=False)
        changed = known is None or config_of(known.spec) != config_of(new)
        self._topics.ensure(
            kafka_name(self._catalog.prefix, spec.name), spec.partitions, config_of(new), change=changed
        )
        if known is None or known.spec != new:
            self._catalog.write(spec.name, new)
            self._catalog.entries(now=True)

    def delete(self, topic: str) -> None:
        """See `Broker.delete`."""
        entry = self._entry(topic)
        self._catalog.write(topic, None)
        self._topics.delete(entry.kafka)
        self._catalog.entries(now=True)
        self._tail.forget(topic)
        self._ends.forget(entry.kafka)
        for one in (self._reader, self._seeker, self._places):
            one.forget(entry)

    def topics(self) -> dict[str, TopicSpec]:
        """See `Broker.topics`. Raises UnavailableError."""
        return {name: entry.spec for name, entry in sorted(self._catalog.entries().items())}

    def append(
        self, topic: str, frame: pl.DataFrame, *, ids: pl.Series | None = None, partition: int | None = None
    ) -> Future[Appended]:
        """See `Broker.append`. That Kafka does not answer, or refuses a row, is told by the future."""
        entry = self._entry(topic)
        spec = entry.spec
        frame = conform(spec, frame)
        self._sender.values.prepare(topic)
        homes = _homes(spec, frame, partition)
        size = int(frame.estimated_size()) + 100 * frame.height
        named = None if ids is None else ids.cast(pl.String)
        pending = Pending(topic, entry.kafka, spec.key, frame, named, homes, size)
        pending.future.set_running_or_notify_cancel()
        if frame.is_empty():
            nothing = pl.Series([], dtype=pl.Int64)
            pending.future.set_result(Appended(nothing.alias("partition"), nothing.alias("offset")))
        else:
            self._sender.put(pending)
        return pending.future

    def read(self, topic: str, partition: int, offset: int, *, max_rows: int = 100_000) -> Batch | None:
        """See `Broker.read`. Offsets have holes where a record came twice or a message was no record."""
        return self._reader.read(self._partition(topic, partition), partition, offset, max_rows)

    def partitions(self, topic: str) -> list[PartitionInfo]:
        """See `Broker.partitions`. Bytes are estimated from a sample of messages, uncompressed."""
        return self._places.infos(self._entry(topic))

    def seek(self, topic: str, partition: int, time: datetime, *, by: Literal["append", "event"] = "event") -> int:
        """See `Broker.seek`. Without an event time in the topic, the time of appending counts."""
        entry = self._partition(topic, partition)
        if by == "append" or entry.spec.time is None:
            return self._seeker.by_append(entry, partition, time)
        return self._seeker.by_event(
            entry, partition, time, lambda offset: self._reader.read(entry, partition, offset, STRETCH)
        )

    def commit(self, group: str, positions: Mapping[Position, int]) -> None:
        """See `Broker.commit`. Raises OffsetOutOfRangeError for an offset beyond the end, UnavailableError."""
        places = {(self._partition(*position).kafka, position[1]): position for position in positions}
        for place, end in self._offsets.all_ends(places).items():
            topic, partition = places[place]
            if positions[topic, partition] > end:
                raise beyond_end(group, topic, partition, positions[topic, partition], end)
        self._groups.commit(group, {place: positions[position] for place, position in places.items()})

    def committed(self, group: str) -> dict[Position, int]:
        """See `Broker.committed`. Raises UnavailableError."""
        names = {entry.kafka: name for name, entry in self._catalog.entries().items()}
        return self._groups.committed(group, names.get)

    def wait(self, positions: Mapping[Position, int], timeout: float) -> bool:
        """See `Broker.wait`."""
        places = {(self._partition(*place).kafka, place[1]): offset for place, offset in positions.items()}
        return self._ends.wait(places, timeout)

    def maintain(self) -> None:
        """Nothing to do: Kafka applies retention and compaction by itself, as each topic is set."""

    def close(self) -> None:
        """Answer what was appended, and give all connections back."""
        if self._closed:
            return
        self._closed = True
        self._sender.close()
        self._ends.close()
        self._tail.close()
        self._fetchers.close()
        self._catalog.close()

    def _entry(self, topic: str) -> Entry:
        known = self._catalog.known()
        if topic not in known:
            known = self._catalog.entries(now=True)
        if topic not in known:
            raise no_topic(topic, known)
        return known[topic]

    def _partition(self, topic: str, partition: int) -> Entry:
        entry = self._entry(topic)
        if not 0 <= partition < entry.spec.partitions:
            raise no_partition(topic, partition, entry.spec.partitions)
        return entry


def _homes(spec: TopicSpec, frame: pl.DataFrame, partition: int | None) -> Partitions:
    """The partition of each row: by its key, as Kafka's own clients choose it."""
    if partition is not None and not 0 <= partition < spec.partitions:
        raise no_partition(spec.name, partition, spec.partitions)
    keys = None if partition is not None or spec.partitions == 1 else key_column(frame, spec.key)
    if keys is None:
        return np.full(frame.height, partition or 0, dtype=np.int64)
    return partitions_of(keys, spec.partitions)
