"""T-C1 and T-O1: the end of the process under load: `kill -9` of its whole group at any moment, and a clean stop."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.faults.launch import POINTS
from tests.faults.storm import Storm

pytestmark = pytest.mark.faults
READY_SECONDS = 20.0
"""Generous, because CI shares its processors; the figure itself is printed, and must be below 5 s when alone."""


def chosen_seed() -> int:
    """A fresh seed in each run; FAULTS_SEED repeats one."""
    return int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1_000_000))


def all_points(seed: int) -> list[tuple[str, int]]:
    """Before each point at its first call, which even rare ones come to; after it at its first, second or seventh."""
    chooser = random.Random(seed)
    return [point for name in POINTS for point in ((f"before:{name}", 1), (f"after:{name}", chooser.choice([1, 2, 7])))]


@pytest.mark.timeout(600)
def test_twenty_kills(tmp_path: Path) -> None:
    seed = chosen_seed()
    points = random.Random(seed).sample(all_points(seed), 6)
    report = Storm(tmp_path, seed).run(20, points)
    print(report.lines())
    assert report.kills == 20
    assert report.acknowledged > 500
    assert max(report.ready) < READY_SECONDS


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_stops_under_load(tmp_path: Path, number: int) -> None:
    """What is under way is answered or refused; the end takes its time and no more; the next start redoes nothing."""
    storm = Storm(tmp_path, chosen_seed())
    seconds = storm.stops(number)
    print(
        f"{number} stops, the longest {max(seconds):.1f} s; {storm.report.acknowledged:,} records acknowledged, 0 lost"
    )
    assert max(seconds) < 10


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_hundred_kills(tmp_path: Path) -> None:
    seed = chosen_seed()
    report = Storm(tmp_path, seed).run(100, all_points(seed))
    print(report.lines())
    assert report.kills == 100
    assert report.hit >= 20, "too few kills during checkpoint, compaction or lake writing"
    assert {point.split(":")[1] for point in report.points} == set(POINTS), f"not reached: {report.unreached}"
    assert report.replayed < 20_000
    assert max(report.ready) < READY_SECONDS
