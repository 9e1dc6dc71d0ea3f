"""What every hot store promises: these suites run over each of `STORES`. A new implementation joins by a line there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.hot.samples import TABLE, WINDOW
from wayside.clock import ManualClock
from wayside.hot.memory import MemoryStore
from wayside.hot.sqlite import SqliteStore
from wayside.ports import HotStore

Open = Callable[[Path, ManualClock], HotStore]

STORES: dict[str, Open] = {
    "memory": lambda folder, clock: MemoryStore(clock=clock),
    "sqlite": lambda folder, clock: SqliteStore(folder / "hot.db", clock=clock),
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[HotStore]:
    opened = STORES[request.param](tmp_path, clock)
    opened.ensure([TABLE], [WINDOW])
    yield opened
    opened.close()
