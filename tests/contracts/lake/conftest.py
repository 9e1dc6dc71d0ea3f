"""What every lake promises: these suites run over each of `LAKES`. A new implementation joins by a line there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wayside.clock import ManualClock
from wayside.lake.delta import DeltaLake
from wayside.lake.memory import MemoryLake
from wayside.ports import Lake

Open = Callable[[Path, ManualClock], Lake]

LAKES: dict[str, Open] = {
    "memory": lambda folder, clock: MemoryLake(clock=clock),
    "delta": lambda folder, clock: DeltaLake(folder / "lake", clock=clock),
}


@pytest.fixture
def clock() -> ManualClock:
    """At the machine's time: what Delta stores with its files is the machine's."""
    return ManualClock(datetime.now(UTC))


@pytest.fixture(params=LAKES)
def lake(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Lake:
    return LAKES[request.param](tmp_path, clock)
