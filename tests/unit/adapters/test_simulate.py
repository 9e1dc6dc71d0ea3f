from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.adapters.world import START, Log, levels
from wayside.adapters import Simulator
from wayside.adapters.intake import FeedIntake
from wayside.adapters.simulate import SimulatorRunner
from wayside.clock import ManualClock
from wayside.errors import ConfigError, DeclarationError


class Gauges:
    """Gauges that tell a random level; the third also talks nonsense."""

    def __init__(self, things: int, chance: random.Random) -> None:
        self.count, self.chance = things, chance

    def things(self) -> list[dict[str, Any]]:
        return [{"gauge": f"g{n}"} for n in range(self.count)]

    def messages(self, thing: int, at: datetime) -> Iterable[Mapping[str, Any] | bytes]:
        if thing == 99:
            raise RuntimeError("the simulation broke")
        yield {"gauge": f"g{thing}", "at": at.timestamp(), "level": self.chance.randint(0, 100)}
        if thing == 2:
            yield b"nonsense"


source = Simulator(Gauges, things=4, rate=2.0)
feed = levels.feed("gauges", source)


def runner(log: Log) -> SimulatorRunner:
    return SimulatorRunner(source, FeedIntake(feed, log), clock=ManualClock(START))


def test_the_schedule_has_no_drift_and_no_bursts() -> None:
    made = runner(Log())
    made.prepare(4)
    began = START
    turns: list[tuple[datetime, int]] = []
    at, chance = began - timedelta(microseconds=1), random.Random(1)
    while at < began + timedelta(seconds=30):
        then = at + timedelta(seconds=chance.uniform(0.001, 0.7))
        turns += made.due(began, 2.0, at, then)
        at = then
    assert turns == made.due(began, 2.0, began - timedelta(microseconds=1), at)
    assert [thing for _, thing in turns[:8]] == [0, 1, 2, 3, 0, 1, 2, 3]
    distances = {later - earlier for (earlier, _), (later, _) in pairwise(turns)}
    assert distances == {timedelta(seconds=0.125)}
    first = [moment for moment, thing in turns if thing == 1]
    assert first[0] == began + timedelta(seconds=0.125)
    assert len([m for m in first if m <= began + timedelta(seconds=30)]) == 60


def test_the_same_seed_says_the_same() -> None:
    said = []
    for _ in range(2):
        made = runner(Log())
        made.prepare(3)
        said.append(made.speak(made.due(START, 1.0, START - timedelta(microseconds=1), START + timedelta(seconds=10))))
    assert said[0] == said[1]
    assert b"nonsense" in said[0]


def test_it_speaks_through_the_door_until_it_is_stopped() -> None:
    log = Log()
    made = SimulatorRunner(source, intake := FeedIntake(feed, log))
    assert not made.running
    assert made.things() == []
    made.start(3, rate=50)
    made.start(7)
    assert made.running
    assert made.things() == [{"gauge": "g0"}, {"gauge": "g1"}, {"gauge": "g2"}]
    deadline = time.monotonic() + 10
    while made.status().accepted < 30:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    made.stop()
    made.stop()
    intake.close()
    status = made.status()
    assert (status.state, made.running, made.things()) == ("stopped", False, [])
    assert status.accepted == log.rows().height
    assert status.rejected == log.refused().height > 0
    assert status.messages == status.accepted + status.rejected
    made = SimulatorRunner(source, FeedIntake(feed, log))
    made.start()
    assert len(made.things()) == 4
    made.stop()


def test_a_simulation_that_breaks_is_seen() -> None:
    made = SimulatorRunner(source, intake := FeedIntake(feed, Log()))
    made.start(100, rate=100)
    deadline = time.monotonic() + 10
    while made.running:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert made.status().last_error == "the simulation broke"
    made.stop()
    intake.close()


@pytest.mark.parametrize(("things", "rate"), [(-1, 1.0), (3, -1.0), (3, 1e9), (3, float("nan"))])
def test_impossible_numbers_are_refused(things: int, rate: float) -> None:
    with pytest.raises(ConfigError):
        runner(Log()).start(things, rate=rate)
    if things > 0:
        with pytest.raises(DeclarationError):
            Simulator(Gauges, things=things, rate=rate)
