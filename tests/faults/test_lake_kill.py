"""Kills in the middle of appends, compactions and checkpoints: no version is lost, none is there twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.faults.lake_writer import ROWS, batch
from wayside.lake.delta import DeltaLake

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
KILLS = 15


def run_and_kill(root: Path, seconds: float) -> int:
    command = [sys.executable, "-m", "tests.faults.lake_writer", str(root)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("ready"), first
        time.sleep(seconds)
        process.kill()
        lines = process.stdout.read().splitlines()
    return int(lines[-1]) if lines else int(first.split()[1])


def test_kills(tmp_path: Path) -> None:
    chance = random.Random(15)
    last = -1
    for _ in range(KILLS):
        acknowledged = run_and_kill(tmp_path, chance.uniform(0.05, 0.8))
        assert acknowledged >= last
        lake = DeltaLake(tmp_path)
        last = lake.version("silver", "numbers", "writer")
        assert last in (acknowledged, acknowledged + 1)
        if last < 0:
            continue
        lake.append("silver", "numbers", batch(last), app="writer", version=last)  # again: nothing happens
        counts = lake.scan("silver", "numbers").group_by("number").len().collect()
        assert sorted(counts["number"].to_list()) == list(range(last + 1))
        assert counts.filter(pl.col("len") != ROWS).is_empty()
    assert last > KILLS
