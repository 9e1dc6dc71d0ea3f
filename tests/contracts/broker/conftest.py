"""Every implementation of the Broker port, under the same tests.

An implementation is added by a line in MAKERS. Tests ask for nothing that the port does not say, so that a broker
over a network can pass: files, segments and moments of removal are tested where they belong.
"""

from __future__ import annotations

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


@pytest.fixture(params=sorted(MAKERS))
def broker(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Broker]:
    made = MAKERS[request.param](tmp_path, clock)
    yield made
    made.close()
