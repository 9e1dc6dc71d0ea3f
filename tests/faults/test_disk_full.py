"""T-C6: a full disk refuses records in plain words; reading goes on, and so does writing once there is room."""

from __future__ import annotations

import itertools
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.faults.checks import check_results, eventually, log_rows
from tests.faults.process import Reply, Wayside, running

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
QUICK = {"lake_every": "500ms", "maintain_every": "500ms"}
READS = (
    "/livez",
    "/v1/status",
    "/v1/topics",
    "/v1/topics/processed_messages/records?limit=10",
    "/v1/tables/device_latest",
    "/v1/windows/device_rollup",
    "/v1/quarantine",
    "/metrics",
)


class Disk(Protocol):
    """Where a data folder lies, and a way to fill it up and to make room again."""

    folder: Path

    def fill(self, wayside: Wayside) -> None: ...

    def free(self, wayside: Wayside) -> None: ...


class SmallDisk:
    """A file system in memory of 48 MB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], check=True)

    @property
    def ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, wayside: Wayside) -> None:
        with self.ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self, wayside: Wayside) -> None:
        self.ballast.unlink()

    def end(self) -> None:
        subprocess.run(["umount", "-l", self.folder], check=True)


class SmallFiles:
    """A limit of the size of the process's files: needs no rights, and looks to it like a full disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def fill(self, wayside: Wayside) -> None:
        self.limit(wayside, 300_000)

    def free(self, wayside: Wayside) -> None:
        self.limit(wayside, resource.RLIM_INFINITY)

    def limit(self, wayside: Wayside, size: int) -> None:
        assert wayside.process is not None
        resource.prlimit(wayside.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def end(self) -> None:
        """Nothing to undo: the limit ends with the process."""


@cache
def can_mount() -> bool:
    """Whether this machine lets us make a small disk."""
    folder = Path(tempfile.mkdtemp())
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    except OSError:
        return False
    if done.returncode == 0:
        subprocess.run(["umount", folder], check=True)
    folder.rmdir()
    return done.returncode == 0


NO_MOUNT = "mounting a small disk needs more rights than this machine gives"
FILES_MARKS = [pytest.mark.slow] if can_mount() else []


@pytest.fixture(
    params=[
        pytest.param(SmallDisk, marks=pytest.mark.skipif(not can_mount(), reason=NO_MOUNT)),
        pytest.param(SmallFiles, marks=FILES_MARKS),
    ]
)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    made = request.param(tmp_path / "disk")
    try:
        yield made
    finally:
        made.end()


@dataclass
class Offered:
    """What was posted, by its answer."""

    taken: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    slowest: float = 0.0
    numbers: Iterator[int] = field(default_factory=itertools.count)
    began: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2))

    def post(self, wayside: Wayside, count: int = 200) -> Reply:
        numbers = list(itertools.islice(self.numbers, count))
        began = time.monotonic()
        reply = wayside.post([self.row(number) for number in numbers])
        if reply.status == 202:
            self.taken |= set(numbers)
        else:
            assert reply.status == 507, reply.body
            self.refused |= set(numbers)
            self.slowest = max(self.slowest, time.monotonic() - began)
        return reply

    def row(self, number: int) -> dict[str, Any]:
        at = (self.began + timedelta(milliseconds=20 * number)).isoformat(timespec="milliseconds")
        return {"device_id": f"c0-{number % 7}", "timestamp": at, "sensor": "count", "value": number, "unit": "1"}

    def check(self, wayside: Wayside) -> None:
        """Everything that was taken is there, nothing that was refused, and the results are right."""
        rows = log_rows(wayside)
        values = [int(value) for value in rows["value"]]
        assert len(values) == len(set(values))
        assert set(values) == self.taken
        eventually(lambda: check_results(wayside, rows))


def until_full(wayside: Wayside, offered: Offered) -> Reply:
    """Post until the answer is no."""
    for _ in range(2_000):
        reply = offered.post(wayside)
        if reply.status != 202:
            return reply
    raise AssertionError("the disk never got full")


def test_full_and_free_again(disk: Disk, tmp_path: Path) -> None:
    with running(disk.folder / "data", settings=QUICK, aside=tmp_path) as wayside:
        offered = Offered()
        for _ in range(20):
            assert offered.post(wayside).status == 202
        offered.check(wayside)
        disk.fill(wayside)
        told(until_full(wayside, offered))
        while_full(wayside, offered, seconds=4.0)
        disk.free(wayside)
        began = time.monotonic()
        eventually(lambda: taken_again(wayside, offered), 15)
        resumed = time.monotonic() - began
        offered.check(wayside)
        assert wayside.get("/v1/status").json()["data_dir_problem"] is None
        code, seconds = wayside.stop()
        print(
            f"{len(offered.taken):,} taken, {len(offered.refused):,} refused, the slowest refusal after "
            f"{offered.slowest * 1000:.0f} ms; writing again {resumed:.2f} s after there was room; stop {seconds:.1f} s"
        )
        assert code == 0
        assert resumed < 10
        wayside.start()
        offered.check(wayside)


def told(reply: Reply) -> None:
    """A problem that says what is wrong and what to do."""
    problem = reply.json()
    assert reply.headers["content-type"] == "application/problem+json"
    assert "retry-after" in reply.headers
    assert problem["status"] == 507
    assert "full" in problem["detail"]
    assert problem["next"]


def while_full(wayside: Wayside, offered: Offered, *, seconds: float) -> None:
    """Keep offering: the process lives, reads are answered, and the trouble is named."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        offered.post(wayside)
        for path in READS:
            assert wayside.get(path).status == 200, path
    status = wayside.get("/v1/status").json()
    assert "full" in status["data_dir_problem"]
    assert any("full" in problem["what"] for problem in status["problems"])
    assert wayside.alive()


def taken_again(wayside: Wayside, offered: Offered) -> None:
    assert offered.post(wayside).status == 202


@pytest.mark.skipif(not can_mount(), reason=NO_MOUNT)
@pytest.mark.parametrize("end", ["killed", pytest.param("stopped", marks=pytest.mark.slow)])
def test_started_while_full(tmp_path: Path, end: str) -> None:
    """A full disk does not hold up the end; a start without a free byte works, or says plainly what is missing."""
    disk = SmallDisk(tmp_path / "disk")
    try:
        with running(disk.folder / "data", settings=QUICK, aside=tmp_path) as wayside:
            offered = Offered()
            for _ in range(5):
                offered.post(wayside)
            disk.fill(wayside)
            until_full(wayside, offered)
            if end == "killed":
                wayside.kill()
            else:
                code, seconds = wayside.stop()
                assert seconds < 10
                assert code == 0, wayside.tail()
            disk.fill(wayside)
            start_full(wayside, offered)
            disk.free(wayside)
            if not wayside.alive():
                wayside.start()
            eventually(lambda: taken_again(wayside, offered), 15)
            offered.check(wayside)
    finally:
        disk.end()


def start_full(wayside: Wayside, offered: Offered) -> None:
    """Start on a full disk: either it serves what there is, or it ends with the reason."""
    wayside.spawn()
    if wayside.wait_ready() is None:
        assert wayside.code() == 1
        assert "disk" in wayside.tail(6)
        assert "full" in wayside.tail(6), wayside.tail()
    else:
        assert {int(value) for value in log_rows(wayside)["value"]} == offered.taken
        until_full(wayside, offered)  # the start has used the reserve, and may have left some of it
        while_full(wayside, offered, seconds=1.0)
