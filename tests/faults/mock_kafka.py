"""librdkafka's mock cluster: brokers in this process that answer as they are told, errors included.

confluent-kafka does not offer it by name, and its package carries the library that has it.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import confluent_kafka

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 0, 1, 2, 3, 8, 9, 10
INIT_PRODUCER_ID = 22
"""Numbers of requests in Kafka's protocol."""
_PRODUCER = 0


def library() -> ctypes.CDLL:
    """The library that confluent-kafka has loaded."""
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    found = ctypes.CDLL(str(next(folder.glob("librdkafka-*"))))
    for name in ("rd_kafka_new", "rd_kafka_conf_new", "rd_kafka_mock_cluster_new"):
        getattr(found, name).restype = ctypes.c_void_p
    found.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return found


class MockKafka:
    """A cluster of so many brokers."""

    def __init__(self, brokers: int = 3) -> None:
        self._library = library()
        said = ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        made = self._library.rd_kafka_new(_PRODUCER, conf, said, ctypes.c_size_t(512))
        assert made, said.value
        self._handle = ctypes.c_void_p(made)
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_mock_cluster_new(self._handle, brokers))
        self.servers: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic; a mock takes no request for that."""
        copies = 3
        assert self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, copies) == 0

    def fail(self, request: int, *errors: int) -> None:
        """Let the next requests of this kind fail with these errors, one each, whichever broker gets them."""
        array = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(errors)), array
        )

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Make a broker the leader of a partition; brokers are numbered from 1."""
        assert not self._library.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), partition, broker)

    def down(self, broker: int) -> None:
        """Cut a broker off."""
        assert self._library.rd_kafka_mock_broker_set_down(self._cluster, broker) == 0

    def up(self, broker: int) -> None:
        """Let it answer again."""
        assert self._library.rd_kafka_mock_broker_set_up(self._cluster, broker) == 0

    def slow(self, broker: int, milliseconds: int) -> None:
        """Let a broker take so long for each answer."""
        assert self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, milliseconds) == 0

    def close(self) -> None:
        """End the cluster."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)
