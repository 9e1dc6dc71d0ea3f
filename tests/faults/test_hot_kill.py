"""Twenty kills of a writing process: offsets and rows agree, and nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.hot_writer import THINGS
from tests.unit.hot.samples import TABLE, WINDOW, second
from wayside.hot.sqlite import SqliteStore

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
KILLS = 20


def run_and_kill(path: Path, seconds: float) -> int:
    """Let the writer run; returns the last commit that it was told is durable."""
    command = [sys.executable, "-m", "tests.faults.hot_writer", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("ready"), first
        time.sleep(seconds)
        process.kill()
        lines = process.stdout.read().splitlines()
    return int(lines[-1]) if lines else int(first.split()[1])


@pytest.mark.skipif(os.name != "posix", reason="kills with SIGKILL")
def test_kills(tmp_path: Path) -> None:
    path = tmp_path / "hot.db"
    chance = random.Random(20)
    before = 0
    for _ in range(KILLS):
        acknowledged = run_and_kill(path, chance.uniform(0.02, 0.6))
        assert acknowledged >= before
        store = SqliteStore(path)
        store.ensure([TABLE], [WINDOW])
        assert not store.rebuilt
        before = check(store, acknowledged)
        store.close()
    assert before > KILLS


def check(store: SqliteStore, acknowledged: int) -> int:
    found = store.checkpoint("engine")
    last = found.sequence if found else 0
    assert last in (acknowledged, acknowledged + 1)
    if found:
        assert found.state == {"s": str(last).encode() * 500}
        assert store.table("latest")["value"].unique().to_list() == [float(last)]
    windows = store.windows("rollup", second(0), second(10_000_000))
    assert windows.height == last * len(THINGS)
    assert windows.select("window_start", *WINDOW.by).is_unique().all()
    assert store.late_count("rollup") == last
    _, rows = store.windows_after("rollup", -1, max_rows=10_000_000)
    assert rows.height == windows.height
    return last
