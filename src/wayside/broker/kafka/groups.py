"""Committed offsets of consumer groups, kept by Kafka itself: any tool for Kafka shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from wayside.broker.kafka.clients import Clients
from wayside.values import Position


class Groups:
    """Groups of one installation; its prefix stands before their names."""

    def __init__(self, clients: Clients, admin: AdminClient, prefix: str) -> None:
        self._clients = clients
        self._admin = admin
        self._prefix = prefix

    def commit(self, group: str, places: Mapping[tuple[str, int], int]) -> None:
        """Set offsets by name on Kafka and partition. Raises UnavailableError, after which the old ones may stand."""
        if not places:
            return
        wanted = [TopicPartition(*place, offset) for place, offset in places.items()]
        request = ConsumerGroupTopicPartitions(self._prefix + group, wanted)
        futures = self._admin.alter_consumer_group_offsets([request], request_timeout=self._clients.timeout)
        what = f"the offsets of group {group} were not committed"
        answer = self._clients.result(futures[self._prefix + group], what)
        for place in answer.topic_partitions:
            if place.error is not None:
                raise self._clients.explained(what, KafkaException(place.error))

    def committed(self, group: str, name_of: Callable[[str], str | None]) -> dict[Position, int]:
        """The offsets of a group; `name_of` gives a topic's name from its name on Kafka. Raises UnavailableError."""
        request = ConsumerGroupTopicPartitions(self._prefix + group)
        futures = self._admin.list_consumer_group_offsets([request], request_timeout=self._clients.timeout)
        answer = self._clients.result(
            futures[self._prefix + group], f"the offsets of group {group} could not be looked up"
        )
        return {
            (name, place.partition): place.offset
            for place in answer.topic_partitions
            if place.offset >= 0 and (name := name_of(place.topic)) is not None
        }
