"""Clients of one Kafka: made alike, limited alike, and their errors in the words of the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from wayside.errors import ConfigError, UnavailableError, WaysideError
from wayside.kafkakeys import refused

LARGEST: Final = 8 << 20
"""Bytes of the largest message; our topics are made for it."""
_LOGGER = logging.getLogger("wayside.kafka")
_ALL: Final = {
    "log_level": 3,
    "log.connection.close": False,
    "socket.keepalive.enable": True,
    # Who asks a node that has just started may hear that a partition has no leader, and would believe it for minutes.
    "topic.metadata.refresh.interval.ms": 5_000,
}
_CONSUMER: Final = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "fetch.error.backoff.ms": 50,
    "queued.max.messages.kbytes": 8 << 10,
}
_PRODUCER: Final = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 5,
    "compression.type": "gzip",  # the one that every client can read without more packages
    "compression.level": 1,
    "message.max.bytes": LARGEST,
    "queue.buffering.max.messages": 10_000_000,
    "queue.buffering.max.kbytes": 1 << 20,  # the limit that counts is that of our own queue
    "delivery.timeout.ms": 120_000,
}
_FETCHING: Final = ("fetch.", "max.partition.", "receive.")
_SENDING: Final = ("compression.", "linger.", "batch.", "message.", "delivery.", "request.")


class Clients:
    """Makes clients with one configuration. Raises ConfigError for a key that is not allowed."""

    def __init__(self, servers: str, config: Mapping[str, Any], *, timeout: float) -> None:
        reason = refused(config)
        if reason is not None:
            raise ConfigError("Kafka's client cannot be configured like this.", where="kafka", why=f"{reason}.")
        self.servers = servers
        self.timeout = timeout
        self._config = dict(config)

    def admin(self) -> AdminClient:
        """A client for topics, offsets and groups."""
        return self._made(AdminClient, {"log_level": 0}, (*_FETCHING, *_SENDING))

    def consumer(self) -> Consumer:
        """A client that reads what it is assigned, commits nothing, and tells the end of a partition."""
        group = {"group.id": "wayside-reader"}  # librdkafka wants one, and we never join it
        return self._made(Consumer, {**_CONSUMER, **group, "log_level": 0}, _SENDING)

    def producer(self, on_error: Callable[[KafkaError], None]) -> Producer:
        """An idempotent client; its deliveries are told when it is polled."""
        return self._made(Producer, {**_PRODUCER, "error_cb": on_error, "logger": _LOGGER}, _FETCHING)

    def result(self, future: Future[Any], what: str) -> Any:
        """What an administrative request answered. Raises UnavailableError, WaysideError."""
        try:
            return future.result(self.timeout + 5)
        except (KafkaException, LateError) as error:
            raise self.explained(what, error) from error

    def explained(self, what: str, error: Exception) -> WaysideError:
        """An error of Kafka's client: that nobody answers, or what the broker has against it."""
        cause = error.args[0] if error.args else error
        if isinstance(error, LateError) or not isinstance(cause, KafkaError) or is_absence(cause):
            return self.unavailable(what, str(cause) or "no answer in time")
        return WaysideError(f"Kafka refused: {what}.", where=self.servers, why=cause.str())

    def unavailable(self, what: str, why: str) -> UnavailableError:
        """The error for a Kafka that does not answer."""
        return UnavailableError(
            f"Kafka does not answer: {what}.",
            where=self.servers,
            why=why,
            next="Try again; nothing was acknowledged. If it lasts, check that the broker runs and can be reached.",
        )

    def _made(self, kind: Any, defaults: Mapping[str, Any], foreign: tuple[str, ...]) -> Any:
        own = {name: value for name, value in self._config.items() if not name.startswith(foreign)}
        try:
            return kind({**_ALL, **defaults, **own, "bootstrap.servers": self.servers})
        except KafkaException as error:
            raise ConfigError(
                "Kafka's client cannot be configured like this.", where="kafka", why=f"{error.args[0].str()}."
            ) from error


def is_absence(error: KafkaError) -> bool:
    """Whether an error says that a broker is away, slow or restarting, so that trying again makes sense."""
    return error.retriable() or error.code() in _ABSENCES


def passes(error: KafkaError) -> bool:
    """Whether a reader can wait for an error to go by: brokers forget topics for a moment when leaders change."""
    return is_absence(error) or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


_ABSENCES: Final = {
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._NOENT,  # "no leaders found", while there is no broker
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError._PURGE_INFLIGHT,
    KafkaError._PURGE_QUEUE,
    KafkaError._FATAL,
    KafkaError._DESTROY,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.KAFKA_STORAGE_ERROR,
}
"""Errors after which the same request may succeed."""
