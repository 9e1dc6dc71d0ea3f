"""Where partitions start and end, and which offset a time has: each question is one request for all partitions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from wayside.broker.kafka.clients import Clients


class Offsets:
    """Looks offsets up; everything raises UnavailableError when Kafka does not answer."""

    def __init__(self, clients: Clients, admin: AdminClient) -> None:
        self._clients = clients
        self._admin = admin

    def starts(self, kafka: str, partitions: Iterable[int]) -> dict[int, int]:
        """The first offset of each partition."""
        return {number: found.offset for number, found in self._ask(kafka, partitions, OffsetSpec.earliest()).items()}

    def ends(self, kafka: str, partitions: Iterable[int]) -> dict[int, int]:
        """The offset after the last record of each partition."""
        return {number: found.offset for number, found in self._ask(kafka, partitions, OffsetSpec.latest()).items()}

    def all_ends(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The same for partitions of several topics at once."""
        found = self._request({place: OffsetSpec.latest() for place in places})
        return {place: answer.offset for place, answer in found.items()}

    def at_time(self, kafka: str, partitions: Iterable[int], milliseconds: int) -> dict[int, int]:
        """The first offset appended at or after a time, else the end."""
        numbers = list(partitions)
        found = self._ask(kafka, numbers, OffsetSpec.for_timestamp(max(milliseconds, 0)))
        beyond = [number for number in numbers if found[number].offset < 0]
        ends = self.ends(kafka, beyond) if beyond else {}
        return {number: ends[number] if number in ends else found[number].offset for number in numbers}

    def oldest(self, kafka: str, partitions: Iterable[int]) -> dict[int, int]:
        """When the first record of each partition was appended, in milliseconds; -1 for an empty one."""
        found = self._ask(kafka, partitions, OffsetSpec.for_timestamp(0))
        return {number: answer.timestamp for number, answer in found.items()}

    def newest(self, kafka: str, partitions: Iterable[int]) -> dict[int, int]:
        """When the last record of each partition was appended, in milliseconds; -1 for an empty one."""
        found = self._ask(kafka, partitions, OffsetSpec.max_timestamp())
        return {number: answer.timestamp for number, answer in found.items()}

    def _ask(self, kafka: str, partitions: Iterable[int], spec: OffsetSpec) -> dict[int, Any]:
        return {number: found for (_, number), found in self._request({(kafka, n): spec for n in partitions}).items()}

    def _request(self, wanted: dict[tuple[str, int], OffsetSpec]) -> dict[tuple[str, int], Any]:
        if not wanted:
            return {}
        futures = self._admin.list_offsets(
            {TopicPartition(*place): spec for place, spec in wanted.items()},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=self._clients.timeout,
        )
        return {
            (place.topic, place.partition): self._clients.result(future, "offsets could not be looked up")
            for place, future in futures.items()
        }
