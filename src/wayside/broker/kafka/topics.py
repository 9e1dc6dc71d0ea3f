"""Making, changing and deleting topics on Kafka as their specs say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from wayside.broker.kafka.clients import LARGEST, Clients
from wayside.clock import Clock
from wayside.errors import DeclarationError
from wayside.specs import TopicSpec

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_MILLISECOND: Final = timedelta(milliseconds=1)


def config_of(spec: TopicSpec) -> dict[str, str]:
    """Kafka's settings for a topic. Retention drops whole segments, so these are an eighth of it long."""
    age = spec.retention_age
    roll = min(max(age / 8, _MINUTE), _DAY) if age is not None and not spec.compact else _DAY
    return {
        "cleanup.policy": "compact" if spec.compact else "delete",
        "retention.ms": str(-1 if age is None or spec.compact else age // _MILLISECOND),
        "retention.bytes": str(-1 if spec.retention_bytes is None or spec.compact else spec.retention_bytes),
        "segment.ms": str(roll // _MILLISECOND),
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(LARGEST),
        "min.cleanable.dirty.ratio": "0.1",
    }


class Topics:
    """The administrator of topics. `extra` are settings of Kafka's topics that win over ours."""

    def __init__(
        self, clients: Clients, admin: AdminClient, clock: Clock, *, replication: int | None, extra: dict[str, str]
    ) -> None:
        self._clients = clients
        self._admin = admin
        self._clock = clock
        self._replication = replication
        self._extra = dict(extra)
        if replication is not None and replication > 2:
            self._extra.setdefault("min.insync.replicas", str(replication - 1))

    def ensure(self, kafka: str, partitions: int, config: dict[str, str], *, change: bool) -> None:
        """Create a topic, or adopt one that is there; with `change`, give that one these settings.

        Raises DeclarationError when it is there with another number of partitions, UnavailableError.
        """
        config = {**config, **self._extra}
        made = self._admin.create_topics(
            [NewTopic(kafka, partitions, self._replication or -1, config=config)],
            request_timeout=self._clients.timeout,
            operation_timeout=self._clients.timeout,
        )[kafka]
        try:
            made.result(self._clients.timeout + 5)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise self._clients.explained(f"topic {kafka} was not created", error) from error
            self._adopt(kafka, partitions, config if change else None)
            return
        self._await(kafka, partitions)

    def delete(self, kafka: str) -> None:
        """Delete a topic with its records; one that is gone already is fine. Raises UnavailableError."""
        gone = self._admin.delete_topics(
            [kafka], request_timeout=self._clients.timeout, operation_timeout=self._clients.timeout
        )[kafka]
        try:
            gone.result(self._clients.timeout + 5)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise self._clients.explained(f"topic {kafka} was not deleted", error) from error

    def _adopt(self, kafka: str, partitions: int, config: dict[str, str] | None) -> None:
        found = self._await(kafka, partitions)
        if found != partitions:
            raise DeclarationError(
                f"Topic {kafka} exists on Kafka with another number of partitions.",
                where=self._clients.servers,
                why=f"There are {found} and {partitions} are declared; a key's records would not stay together.",
                next="Declare the number that there is, or give the topic another name.",
            )
        if config is not None:
            entries = [
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()
            ]
            resource = ConfigResource(ResourceType.TOPIC, kafka, incremental_configs=entries)
            futures = self._admin.incremental_alter_configs([resource], request_timeout=self._clients.timeout)
            self._clients.result(futures[resource], f"the settings of topic {kafka} were not changed")

    def _await(self, kafka: str, partitions: int) -> int:
        """Wait until every partition has a leader; returns how many there are."""
        until = self._clock.monotonic() + self._clients.timeout
        while True:
            try:
                topic: Any = self._admin.list_topics(kafka, timeout=self._clients.timeout).topics[kafka]
            except KafkaException as error:
                raise self._clients.explained(f"topic {kafka} could not be looked up", error) from error
            led = [one for one in topic.partitions.values() if one.leader >= 0]
            if topic.error is None and led and (len(led) == len(topic.partitions) or len(led) >= partitions):
                return len(topic.partitions)
            if self._clock.monotonic() > until:
                raise self._clients.unavailable(f"topic {kafka} has no leader", "no answer in time")
            self._clock.sleep(0.02)
