"""T-C8: a data folder has one writer; the second says who has it, and a dead one never stands in the way."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.faults.process import Wayside, free_port, running

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
TAKEN = 73
PROGRAM = (str(Path(sys.executable).with_name("wayside")),)
"""The installed command: how fast it refuses is a part of the promise."""
SECONDS = 2.0
BUSY_SECONDS = 10.0
"""What is asserted: CI may be slow. The processor time must be below `SECONDS` all the same."""


def reading(number: int) -> dict[str, object]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"device_id": f"c0-{number}", "timestamp": at, "sensor": "count", "value": number, "unit": "1"}


def refused(second: Wayside) -> tuple[float, float]:
    """Start the second process; returns how long it took to refuse, by the clock and by the processor."""
    before = os.times()
    second.spawn()
    assert second.process is not None
    code = second.process.wait(60)
    seconds, after = time.monotonic() - second.began, os.times()
    assert code == TAKEN, second.tail()
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.parametrize("same_port", [pytest.param(False, id="another port", marks=pytest.mark.slow), True])
def test_the_second_process_names_the_first(tmp_path: Path, same_port: bool) -> None:
    with running(tmp_path / "data", command=PROGRAM) as first:
        assert first.process is not None
        second = Wayside(tmp_path / "data", port=first.port if same_port else free_port(), command=PROGRAM)
        seconds, processor = refused(second)
        print(f"refused after {seconds:.2f} s, {processor:.2f} s of processor time")
        assert f"process {first.process.pid}" in second.tail()
        assert str(tmp_path / "data") in second.tail()
        assert processor < SECONDS
        assert seconds < BUSY_SECONDS
        assert first.post(reading(1)).status == 202, "the first one must not mind"


def test_a_stale_lock_blocks_nobody(tmp_path: Path) -> None:
    """Whatever is written in it: only a living process holds a folder."""
    with running(tmp_path / "data") as wayside:
        for number, words in enumerate([b"process 1 on elsewhere\n", b"\xff\x00"]):
            assert wayside.post(reading(number)).status == 202
            wayside.kill()
            locks = list((tmp_path / "data").rglob("lock"))
            assert locks, "there is a lock file to be stale"
            for lock in locks:
                lock.write_bytes(words)
            wayside.start()
        listed = wayside.get("/v1/topics").json()
        assert sum(info["end"] for each in listed if each["name"][0] != "_" for info in each["partitions"]) == 2
