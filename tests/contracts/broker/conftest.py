"""Every implementation of the Broker port, under the same tests.

An implementation is added by a line in MAKERS. Tests ask for nothing that the port does not say, so that a broker
over a network can pass: files, segments and moments of removal are tested where they belong.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contracts.broker.rows import NOON
from wayside.broker import EmbeddedBroker, MemoryBroker
from wayside.clock import SYSTEM, ManualClock
from wayside.ports import Broker


class SeenFromOutside(EmbeddedBroker):
    """Written by one broker, read through a reader that shares nothing with it but the files."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        super().__init__(folder, clock=clock, segment_bytes=4096)
        reader = EmbeddedBroker.reader(folder, clock=SYSTEM)
        for name in ("topics", "read", "partitions", "seek", "committed", "wait"):
            setattr(self, name, getattr(reader, name))


MAKERS: dict[str, Callable[[Path, ManualClock], Broker]] = {
    "memory": lambda folder, clock: MemoryBroker(clock=clock),
    "embedded": lambda folder, clock: EmbeddedBroker(folder / "log", clock=clock, segment_bytes=4096),
    "reader": lambda folder, clock: SeenFromOutside(folder / "log", clock),
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


KAFKA = pytest.param("kafka", marks=pytest.mark.servers)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kafka_cannot(reason): fails on Kafka, and must, until Kafka can")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker("kafka_cannot")
        if marker is not None and "kafka" in item.name:
            item.add_marker(pytest.mark.xfail(strict=True, reason=marker.args[0]))


@pytest.fixture(params=[*sorted(MAKERS), KAFKA])
def broker(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Broker]:
    if request.param == "kafka":
        from wayside.broker.kafka import KafkaBroker

        servers = request.getfixturevalue("kafka").servers
        made: Broker = KafkaBroker(servers, clock=clock, prefix=f"{uuid.uuid4().hex}-")
    else:
        made = MAKERS[request.param](tmp_path, clock)
    yield made
    made.close()
