"""PostgreSQL goes away under load and comes back: nothing is lost, nothing is there twice."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.unit.runtime.world import world
from wayside.broker import EmbeddedBroker
from wayside.clock import SYSTEM
from wayside.dataflow import EmbeddedEngine
from wayside.dataflow.replica import ReplicaEngine
from wayside.domain import Plan
from wayside.errors import UnavailableError
from wayside.hot.memory import MemoryStore
from wayside.hot.postgres.store import PostgresStore
from wayside.ports import Broker, HotStore
from wayside.quarantine import SPEC
from wayside.specs import TIME
from wayside.values import Commit

if TYPE_CHECKING:
    from cluster.postgres import Postgres

pytestmark = pytest.mark.servers
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
TOPIC = "wells_readings"
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
FULL = 100
"""Rows of a micro-batch, so few that several wait after an outage: then one is written while the next is computed."""


@pytest.fixture
def own() -> Iterator[Postgres]:
    """A server that only this test uses, because it is stopped."""
    from cluster.postgres import Postgres, missing

    if (reason := missing()) is not None:
        pytest.skip(reason)
    server = Postgres.create()
    yield server
    server.remove()


class Load:
    """Appends readings until it is told to stop; event time runs fast, so that windows close and some rows are late."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.rows = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        chance = random.Random(5)
        while not self.stopping.is_set():
            at = [START + timedelta(seconds=(self.rows + n) / 20 - chance.choice([0, 0, 0, 40])) for n in range(50)]
            frame = pl.DataFrame(
                {
                    "station": [f"s{chance.randrange(20)}" for _ in at],
                    "at": pl.Series(at, dtype=TIME),
                    "level": [chance.uniform(-10, 100) for _ in at],
                }
            )
            self.broker.append(TOPIC, frame).result()
            self.rows += frame.height
            self.stopping.wait(0.02)

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()


def prepared(store: HotStore, plan: Plan) -> HotStore:
    store.ensure([t.spec for t in plan.tables.values()], [w.spec for w in plan.windows.values()])
    return store


def until(found: object, *, seconds: float = 60) -> float:
    """Wait for it; returns how long that took."""
    began = SYSTEM.monotonic()
    while True:
        try:
            if found():  # type: ignore[operator]  # a function
                return SYSTEM.monotonic() - began
        except UnavailableError:
            pass
        assert SYSTEM.monotonic() - began < seconds, "waited in vain"
        SYSTEM.sleep(0.02)


def same(store: HotStore, other: HotStore, plan: Plan) -> None:
    for name in plan.tables:
        assert_frame_equal(store.table(name, limit=100_000), other.table(name, limit=100_000))
    for name in plan.windows:
        mine, theirs = (one.windows(name, *EVER) for one in (store, other))
        assert_frame_equal(mine, theirs)
        assert not mine.select("window_start", *plan.windows[name].spec.by).is_duplicated().any()
        place = ["_topic", "_partition", "_offset"]
        assert_frame_equal(store.late(name, limit=100_000).sort(place), other.late(name, limit=100_000).sort(place))


def stopped_under_load(own: Postgres, folder: Path, away: list[tuple[signal.Signals, float]]) -> list[float]:
    """Stop the server in each of these ways for so many seconds; returns how long commits took to come again."""
    plan = Plan.of([world()])
    broker = EmbeddedBroker(folder / "log")
    for spec in (*(topic.spec for topic in plan.topics.values()), SPEC):
        broker.create(spec)
    store = prepared(PostgresStore(own.dsn), plan)
    followed = PostgresStore(own.dsn)
    prepared(followed, plan)
    engine, replica = EmbeddedEngine(plan, broker, store, max_rows=FULL), ReplicaEngine(plan, broker, followed)
    told: list[Commit] = []
    replica.subscribe(told.append)
    engine.start()
    replica.start()
    load = Load(broker)
    took = []
    for how, seconds in away:
        before = load.rows
        until(lambda before=before: told and load.rows > before + 500)
        own.stop(using=how)
        SYSTEM.sleep(seconds)
        assert engine.failure is None
        known = told[-1].sequence
        own.start()
        took.append(until(lambda known=known: told[-1].sequence > known + 1))
    load.stop()
    until(lambda: (at := store.checkpoint("engine")) is not None and sum(at.positions.values()) >= load.rows)
    engine.stop()
    until(lambda: told[-1].sequence == engine.sequence)
    replica.stop()
    straight = prepared(MemoryStore(), plan)
    EmbeddedEngine(plan, broker, straight).drain()
    same(store, straight, plan)
    assert [commit.sequence for commit in told] == list(range(told[0].sequence, engine.sequence + 1))
    closed = sum(commit.windows["wells_rollup"].height for commit in told if "wells_rollup" in commit.windows)
    assert closed == store.windows("wells_rollup", *EVER).height > 0
    store.close()
    followed.close()
    broker.close()
    return took


def test_stopped_and_killed_under_load(own: Postgres, tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    took = stopped_under_load(own, tmp_path, [(signal.SIGINT, 1.0), (signal.SIGKILL, 0.5)])
    record_property("seconds until the next commits", str(took))


def frozen_under_load(own: Postgres, folder: Path, seconds: float, within: float) -> float:
    """Let the server stand still under load; returns how long commits took to come again after it."""
    plan = Plan.of([world()])
    broker = EmbeddedBroker(folder / "log")
    for spec in (*(topic.spec for topic in plan.topics.values()), SPEC):
        broker.create(spec)
    store = prepared(PostgresStore(own.dsn, timeout=1.0, write_timeout=within), plan)
    engine = EmbeddedEngine(plan, broker, store, max_rows=FULL)
    engine.start()
    load = Load(broker)
    until(lambda: engine.sequence > 3)
    own.freeze()
    try:
        frozen = SYSTEM.monotonic()
        for _ in range(2):
            with pytest.raises(UnavailableError, match="does not answer"):
                store.table("wells_latest")
        assert SYSTEM.monotonic() - frozen < 60, "a question waits for a server that stands still"
        with pytest.raises(UnavailableError, match="does not answer"), store.transaction():
            raise AssertionError("must not be entered")
        while SYSTEM.monotonic() - frozen < seconds:
            SYSTEM.sleep(0.1)
        assert engine.failure is None
        before = engine.sequence
    finally:
        own.thaw()
    took = until(lambda: engine.sequence > before + 1)
    load.stop()
    until(lambda: (at := store.checkpoint("engine")) is not None and sum(at.positions.values()) >= load.rows)
    engine.stop()
    straight = prepared(MemoryStore(), plan)
    EmbeddedEngine(plan, broker, straight).drain()
    same(store, straight, plan)
    store.close()
    broker.close()
    return took


def test_a_server_that_stands_still_is_given_up_and_loses_nothing(own: Postgres, tmp_path: Path) -> None:
    frozen_under_load(own, tmp_path, 6.0, within=2.0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_that_stands_still_for_a_minute(own: Postgres, tmp_path: Path) -> None:
    print(f"seconds until the next commits: {frozen_under_load(own, tmp_path, 60.0, within=20.0):.2f}")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_away_for_a_minute_and_killed_again_and_again(own: Postgres, tmp_path: Path) -> None:
    chance = random.Random(1)
    ways = [(chance.choice([signal.SIGKILL, signal.SIGQUIT, signal.SIGINT]), chance.uniform(0, 2)) for _ in range(20)]
    took = stopped_under_load(own, tmp_path, [(signal.SIGINT, 60.0), *ways])
    print(f"seconds until the next commits: after a minute {took[0]:.2f}, else at most {max(took[1:]):.2f}")
