"""A domain that does not run this time: the others do, and it goes on later where it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wayside.broker import MemoryBroker
from wayside.clock import ManualClock
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Domain, Plan, Topic, count
from wayside.hot.memory import MemoryStore
from wayside.quarantine import SPEC
from wayside.record import Record
from wayside.specs import TIME

START = datetime(2026, 3, 1, tzinfo=UTC)


class Reading(Record, key="thing", time="at"):
    """A number of a thing."""

    thing: str
    at: datetime
    value: float


def domain(name: str) -> Domain:
    topic = Topic(f"{name}_readings", Reading)
    return Domain(name, name.title(), [topic.window(f"{name}_minutes", by=["thing"], every="1m", n=count())])


class World:
    """Two domains over one log and one store."""

    def __init__(self) -> None:
        self.clock = ManualClock(START + timedelta(hours=1))
        self.broker, self.store = MemoryBroker(clock=self.clock), MemoryStore()
        plan = Plan.of([domain("north"), domain("south")])
        for spec in (*(topic.spec for topic in plan.topics.values()), SPEC):
            self.broker.create(spec)
        self.store.ensure([], [window.spec for window in plan.windows.values()])

    def run(self, *names: str) -> EmbeddedEngine:
        """An engine of these domains that has read all."""
        plan = Plan.of([domain(name) for name in names])
        engine = EmbeddedEngine(plan, self.broker, self.store, clock=self.clock, snapshot_seconds=0)
        engine.recover()
        engine.drain()
        return engine

    def read(self, *seconds: float) -> None:
        """A reading of each domain at each of these seconds."""
        frame = pl.DataFrame({"thing": ["a"] * len(seconds), "at": [START + timedelta(seconds=s) for s in seconds]})
        frame = frame.with_columns(pl.col("at").cast(TIME), value=pl.lit(1.0))
        for name in ("north", "south"):
            self.broker.append(f"{name}_readings", frame).result()

    def minutes(self, name: str) -> list[int]:
        rows = self.store.windows(f"{name}_minutes", START, START + timedelta(hours=1)).sort("window_start")
        return list(rows["rows"])


@pytest.mark.parametrize("rounds", [1, 2])
def test_it_goes_on_where_it_was(rounds: int) -> None:
    world = World()
    world.read(1, 2, 61, 62, 63)
    world.run("north", "south")
    assert world.minutes("south") == world.minutes("north") == [2]
    for turn in range(rounds):
        world.read(64 + turn)
        engine = world.run("north")
        assert engine.failure is None
        assert set(engine.positions) == {("north_readings", 0)}
    world.read(125)
    world.run("north", "south")
    assert world.minutes("north") == [2, 3 + rounds]
    assert world.minutes("south") == [2, 3 + rounds], "what was open, what came meanwhile, and nothing twice"
