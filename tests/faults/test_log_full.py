"""A disk that is full: appends are refused at once, reads go on, and writing goes on as soon as there is room."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import structlog

from tests.contracts.broker.rows import NOON, SPEC, everything, put, rows
from tests.unit.broker.logs import opened, partition
from wayside.broker import EmbeddedBroker
from wayside.clock import SYSTEM, ManualClock
from wayside.errors import DiskFullError

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "wayside-test", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here (it needs root)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(broker: EmbeddedBroker, step: int = 500) -> int:
    """Append until the disk is full; returns the number of rows taken."""
    taken = 0
    with suppress(DiskFullError):
        while taken < 1_000_000:
            put(broker, rows(taken, step))
            taken += step
    assert broker.disk_full
    return taken


def test_a_full_disk_refuses_and_recovers(small: Path) -> None:
    ballast = small / "ballast"
    ballast.write_bytes(bytes(2_000_000))
    broker = opened(small / "log", segment_bytes=200_000)
    broker.create(SPEC)
    taken = fill(broker)
    assert taken > 5000
    for _ in range(5):
        began = SYSTEM.monotonic()
        with pytest.raises(DiskFullError, match="disk is full"):
            put(broker, rows(taken, 500))
        assert SYSTEM.monotonic() - began < 1  # 100 ms on a quiet machine
    assert everything(broker).equals(rows(0, taken))
    assert broker.partitions("readings")[0].end == taken
    assert broker.failure is None
    broker.commit("group", {("readings", 0): taken})
    ballast.unlink()
    assert put(broker, rows(taken, 500)).offsets[0] == taken
    assert not broker.disk_full
    broker.close()
    broker = opened(small / "log")
    assert everything(broker).equals(rows(0, taken + 500))
    assert broker.damage.entries() == []
    assert broker.committed("group") == {("readings", 0): taken}
    broker.close()


def test_offsets_compaction_and_the_end_have_their_reserve(small: Path) -> None:
    broker = opened(small / "log", segment_bytes=200_000)
    broker.create(replace(SPEC, compact=True))
    taken = fill(broker)
    with suppress(DiskFullError):
        while True:  # the last bytes too
            put(broker, rows(taken, 1))
            taken += 1
    broker.commit("group", {("readings", 0): 1})
    broker.commit("group", {("readings", 0): 2})
    broker.maintain()
    assert put(broker, rows(taken, 500)).offsets[0] == taken
    broker.close()
    broker = opened(small / "log")
    assert broker.committed("group") == {("readings", 0): 2}
    newest = everything(broker).group_by("thing").agg(pl.col("value").max()).sort("thing")
    assert newest.equals(rows(0, taken + 500).group_by("thing").agg(pl.col("value").max()).sort("thing"))
    broker.close()


def test_retention_makes_room_by_itself(small: Path) -> None:
    clock = ManualClock(NOON)
    broker = opened(small / "log", clock, segment_bytes=200_000)
    broker.create(replace(SPEC, retention_age=timedelta(hours=1)))
    taken = fill(broker)
    clock.advance(2 * 3600)
    with suppress(DiskFullError):
        put(broker, rows(taken, 500))
    answer = put(broker, rows(taken, 500))
    assert answer.offsets[0] in (taken, taken + 500)
    assert broker.partitions("readings")[0].start > 0
    broker.close()


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path) -> None:
    """Works without root; the kernel cuts the write that crosses the limit short."""
    broker = opened(tmp_path, segment_bytes=1 << 30)
    broker.create(SPEC)
    put(broker, rows(0, 100))
    (path,) = partition(tmp_path).glob("*.log")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 1000, before[1]))
    try:
        for _ in range(3):
            with pytest.raises(DiskFullError):
                put(broker, rows(100, 100))
        size = path.stat().st_size
        assert everything(broker).equals(rows(0, 100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    put(broker, rows(100, 100))
    assert path.stat().st_size > size
    broker.close()
    broker = opened(tmp_path)
    assert everything(broker).equals(rows(0, 200))
    assert broker.damage.entries() == []
    broker.close()
