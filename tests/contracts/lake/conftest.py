"""What every lake promises: these suites run over each of `LAKES`. A new implementation joins by a line there."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wayside.clock import ManualClock
from wayside.lake.bucket import Bucket
from wayside.lake.delta import DeltaLake
from wayside.lake.memory import MemoryLake
from wayside.ports import Lake

if TYPE_CHECKING:
    from cluster.objects import ObjectStore

Open = Callable[[Path, ManualClock, pytest.FixtureRequest], Lake]


def in_a_bucket(folder: Path, clock: ManualClock, request: pytest.FixtureRequest) -> Lake:
    """A lake below a path of a bucket."""
    store: ObjectStore = request.getfixturevalue("objects")
    return DeltaLake(Bucket(f"{store.make('lake')}/of/{uuid.uuid4().hex}", store.config), clock=clock)


LAKES: dict[str, Open] = {
    "memory": lambda folder, clock, request: MemoryLake(clock=clock),
    "delta": lambda folder, clock, request: DeltaLake(folder / "lake", clock=clock),
    "bucket": in_a_bucket,
}


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """Storage that speaks S3."""
    from cluster.objects import ObjectStore, missing

    if reason := missing():
        pytest.skip(f"tier servers: {reason}")
    store = ObjectStore.start(tmp_path_factory.mktemp("objects"))
    yield store
    store.stop()


@pytest.fixture
def clock() -> ManualClock:
    """At the machine's time: what Delta stores with its files is the machine's."""
    return ManualClock(datetime.now(UTC))


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.servers] * (name == "bucket")) for name in LAKES])
def lake(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Lake:
    return LAKES[request.param](tmp_path, clock, request)
