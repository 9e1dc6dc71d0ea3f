"""Which topics there are and what their rows look like: a compacted topic, so that every replica knows the same.

Its messages have the topic's name as key and the spec as JSON for value; a null value is a deleted topic. A topic's
name on Kafka is its own name behind the installation's prefix; characters that Kafka does not take are replaced, and a
hash of the true name tells such names apart.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from wayside.broker.dtypes import spec_from_object, spec_to_object
from wayside.broker.kafka.clients import Clients
from wayside.clock import Clock
from wayside.specs import TopicSpec

TOPIC: Final = "_wayside_topics"
_LOG = structlog.get_logger(__name__)
_FRESH: Final = 1.0
_ABSENT: Final = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}


@dataclass(frozen=True)
class Entry:
    """A topic and its name on Kafka."""

    spec: TopicSpec
    kafka: str


def kafka_name(prefix: str, name: str) -> str:
    """The name of a topic on Kafka."""
    plain = re.sub(r"[^a-zA-Z0-9._-]", "_", name)[:180]
    if plain != name or name in (".", ".."):
        plain = f"{plain}-{hashlib.blake2b(name.encode(), digest_size=6).hexdigest()}"
    return prefix + plain


class Catalog:
    """What the topic of topics says; looked up again when a second has passed."""

    def __init__(self, clients: Clients, clock: Clock, prefix: str) -> None:
        self._clients = clients
        self._clock = clock
        self.prefix = prefix
        self.topic = prefix + TOPIC
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}  # replaced and never changed, so that it can be read without the lock
        self._consumer: Consumer | None = None
        self._next = 0
        self._at: float | None = None

    def entries(self, *, now: bool = False) -> dict[str, Entry]:
        """All topics by name; with `now`, what was declared up to this moment. Raises UnavailableError."""
        with self._lock:
            fresh = self._at is not None and self._clock.monotonic() - self._at < _FRESH
            if now or not fresh:
                at = self._clock.monotonic()
                self._catch_up()
                self._at = at
            return dict(self._entries)

    def known(self) -> dict[str, Entry]:
        """The topics as they were when they were last looked up."""
        return self._entries

    def write(self, name: str, spec: TopicSpec | None) -> None:
        """Declare a topic durably; null takes it back. Raises UnavailableError."""
        value = None if spec is None else json.dumps(spec_to_object(spec), ensure_ascii=False).encode()
        failed: list[KafkaError] = []

        def told(error: KafkaError | None, _: object) -> None:
            if error is not None:
                failed.append(error)

        what = f"topic {name} could not be written down"
        producer = self._clients.producer(lambda _: None)
        try:
            producer.produce(self.topic, key=name.encode(), value=value, on_delivery=told)
            late = producer.flush(self._clients.timeout)
        except KafkaException as error:  # one that ends the producer
            raise self._clients.explained(what, error) from error
        if late or failed:
            producer.purge()
            producer.flush(1)
            raise self._clients.unavailable(what, failed[0].str() if failed else "no answer in time")

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None

    def _catch_up(self) -> None:
        try:
            if self._consumer is None:
                self._consumer = self._clients.consumer()
                self._consumer.assign([TopicPartition(self.topic, 0, 0)])
                self._next = 0
            place = TopicPartition(self.topic, 0)
            _, end = self._consumer.get_watermark_offsets(place, timeout=self._clients.timeout)
            self._read(self._consumer, end)
        except KafkaException as error:
            told = error.args[0].code() in _ABSENT
            absent = told and self._is_absent()
            self._forget()
            if absent:
                self._entries = {}
                return
            what = "the topics could not be looked up"
            if told:
                raise self._clients.unavailable(what, str(error.args[0])) from error
            raise self._clients.explained(what, error) from error

    def _is_absent(self) -> bool:
        """Whether the brokers say that there is no such topic: the client says so by itself while they are away."""
        try:
            found = self._consumer.list_topics(timeout=self._clients.timeout) if self._consumer else None
        except KafkaException:
            return False
        return found is not None and self.topic not in found.topics

    def _read(self, consumer: Consumer, end: int) -> None:
        until = self._clock.monotonic() + self._clients.timeout
        while self._next < end:
            for message in consumer.consume(1000, timeout=0.1):
                error = message.error()
                if error is None:
                    self._take(message.key(), message.value())
                    self._next = message.offset() + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    self._next = message.offset()
                elif not error.retriable():
                    raise KafkaException(error)
            if self._clock.monotonic() > until:
                raise self._clients.unavailable("the topics could not be looked up", "no answer in time")

    def _take(self, key: bytes | None, value: bytes | None) -> None:
        name = (key or b"").decode(errors="replace")
        if value is None:
            self._entries = {known: entry for known, entry in self._entries.items() if known != name}
            return
        try:
            spec = spec_from_object(json.loads(value))
        except (ValueError, KeyError, TypeError) as error:
            _LOG.error("a topic's declaration cannot be read and is left out", topic=name, why=repr(error))
            return
        self._entries = {**self._entries, spec.name: Entry(spec, kafka_name(self.prefix, spec.name))}

    def _forget(self) -> None:
        """Start over with a new connection next time: what a topic is may have changed under this one."""
        if self._consumer is not None:
            self._consumer.close()
        self._consumer, self._next, self._at = None, 0, None


Lookup = Callable[[str], Entry]
"""The entry of a topic by its name. Raises TopicNotFoundError, UnavailableError."""
