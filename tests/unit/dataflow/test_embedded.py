"""The engine around its operators: joins, quarantine, idle partitions, lost records, listeners."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from wayside.broker import MemoryBroker
from wayside.clock import SYSTEM, ManualClock
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Domain, Plan, Topic, count, mean
from wayside.errors import NotFoundError, UnavailableError
from wayside.hot.memory import MemoryStore, MemoryTransaction
from wayside.quarantine import QUARANTINE, SPEC
from wayside.record import Record, field
from wayside.specs import TIME
from wayside.values import Checkpoint, Commit

START = datetime(2026, 3, 1, tzinfo=UTC)


class Reading(Record, key="thing", time="at"):
    """A number of a thing."""

    thing: str
    at: datetime
    value: float


class Place(Record, key="thing", time="since"):
    """Where a thing is from a moment on."""

    thing: str
    since: datetime
    region: str | None


class Placed(Record, key="thing", time="at"):
    """A number with its region."""

    thing: str
    region: str | None
    at: datetime
    value: float = field(le=100)


class World:
    """A running engine over memory, with two topics, a join and a window per region."""

    def __init__(self, *, partitions: int = 1, transform: object = None, how: str = "inner") -> None:
        self.clock = ManualClock(START + timedelta(hours=1))
        self.broker, self.store = MemoryBroker(clock=self.clock), MemoryStore()
        readings = Topic("readings", Reading, partitions=partitions)
        table = Topic("places", Place).table("place_now", deleted=pl.col("region") == "gone")
        flow = readings if transform is None else readings.stream("cleaned", into=Reading, transform=transform)  # type: ignore[arg-type]  # a test passes what it likes
        placed = flow.join("placed", table, on=["thing"], into=Placed, how=how)  # type: ignore[arg-type]  # inner or left
        window = placed.window("by_region", by=["region"], every="10s", idle="30s", n=count(), average=mean("value"))
        newest = placed.table("newest", by=["thing"])
        self.plan = Plan.of([Domain("world", "World", [window, newest])])
        for spec in (*(topic.spec for topic in self.plan.topics.values()), SPEC):
            self.broker.create(spec)
        self.store.ensure([t.spec for t in self.plan.tables.values()], [w.spec for w in self.plan.windows.values()])
        self.engine = self.start()

    def start(self) -> EmbeddedEngine:
        engine = EmbeddedEngine(self.plan, self.broker, self.store, clock=self.clock)
        engine.recover()
        return engine

    def read(self, *rows: tuple[str, float, float], partition: int = 0) -> None:
        """Append readings: thing, seconds after the start, value."""
        frame = pl.DataFrame(
            {
                "thing": [r[0] for r in rows],
                "at": [START + timedelta(seconds=r[1]) for r in rows],
                "value": [float(r[2]) for r in rows],
            }
        ).with_columns(pl.col("at").cast(TIME))
        self.broker.append("readings", frame, partition=partition).result()

    def place(self, *rows: tuple[str, float, str | None]) -> None:
        """Append places: thing, seconds after the start, region."""
        frame = pl.DataFrame(
            {
                "thing": [r[0] for r in rows],
                "since": [START + timedelta(seconds=r[1]) for r in rows],
                "region": [r[2] for r in rows],
            },
            schema_overrides={"region": pl.String},
        ).with_columns(pl.col("since").cast(TIME))
        self.broker.append("places", frame).result()

    def closed(self) -> list[tuple[str, int]]:
        rows = self.store.windows("by_region", START - timedelta(days=1), START + timedelta(days=1))
        return list(zip(rows["region"], rows["rows"], strict=True))

    def quarantine(self) -> list[tuple[str, str]]:
        batch = self.broker.read(QUARANTINE, 0, 0)
        return [] if batch is None else list(zip(batch.frame["feed"], batch.frame["rule"], strict=True))


def test_join_is_as_of_event_time() -> None:
    world = World()
    world.place(("a", 0, "north"), ("a", 20, "south"), ("b", 0, "north"), ("b", 15, "gone"))
    world.read(("a", 1, 1), ("c", 1, 1), ("b", 14, 1), ("b", 16, 1), ("a", 19, 1), ("a", 20, 1), ("a", 100, 1))
    world.engine.drain()
    assert sorted(world.closed()) == [("north", 1), ("north", 2), ("south", 1)]


def test_left_join_keeps_rows_without_a_match() -> None:
    world = World(how="left")
    world.place(("b", 0, "north"), ("b", 15, "gone"))
    world.read(("a", 1, 5), ("b", 14, 5), ("b", 16, 5), ("a", 100, 1))
    world.engine.drain()
    table = world.store.table("newest")
    assert dict(zip(table["thing"], table["region"], strict=True)) == {"a": None, "b": None}
    assert sorted(world.closed(), key=str) == [("north", 1), (None, 1), (None, 1)]


def test_versions_survive_a_restart() -> None:
    world = World()
    world.place(("a", 0, "north"))
    world.engine.drain()
    world.engine = world.start()
    world.read(("a", 1, 1), ("a", 100, 1))
    world.engine.drain()
    assert world.closed() == [("north", 1)]


def test_rows_that_break_the_records_rule_are_quarantined_once() -> None:
    world = World()
    world.place(("a", 0, "north"))
    world.read(("a", 1, 1), ("a", 2, 1000), ("a", 100, 1))
    world.engine.drain()
    assert world.closed() == [("north", 1)]
    assert world.quarantine() == [("placed", "value.range")]
    node = {node.name: node for node in world.engine.status()}["placed"]
    assert node.rejected == 1
    assert "at most 100" in node.last_error


def test_a_failing_transform_loses_only_the_guilty_rows() -> None:
    def picky(rows: pl.LazyFrame) -> pl.LazyFrame:
        def refuse(frame: pl.DataFrame) -> pl.DataFrame:
            if (frame["value"] == 13).any():
                raise ValueError("thirteen")
            return frame

        return rows.map_batches(refuse)

    world = World(transform=picky)
    world.place(("a", 0, "north"))
    world.read(*[("a", 1, float(value)) for value in range(10, 20)], ("a", 100, 1))
    world.engine.drain()
    assert world.closed() == [("north", 9)]
    assert world.quarantine() == [("cleaned", "transform.error")]
    world.engine = world.start()
    world.engine.drain()
    assert len(world.quarantine()) == 1


def test_an_idle_partition_holds_windows_back_only_for_a_while() -> None:
    world = World(partitions=2)
    world.place(("a", 0, "north"))
    world.read(("a", 1, 1), partition=0)
    world.read(("a", 2, 1), partition=1)
    world.read(("a", 50, 1), partition=0)
    world.engine.drain()
    assert world.closed() == []
    world.clock.advance(20)
    world.read(("a", 55, 1), partition=0)
    world.engine.drain()
    assert world.closed() == []
    world.clock.advance(20)
    world.engine.drain()
    world.engine.step()
    assert world.closed() == [("north", 2)]
    world.read(("a", 3, 1), partition=1)
    world.engine.drain()
    assert world.closed() == [("north", 2)]
    assert world.store.late("by_region").height == 1


def test_listeners_hear_each_commit_in_order_and_one_that_fails_stops_nothing() -> None:
    world = World()
    heard: list[Commit] = []

    def fails(commit: Commit) -> None:
        raise RuntimeError("deaf")

    world.engine.subscribe(fails)
    end = world.engine.subscribe(heard.append)
    world.place(("a", 0, "north"))
    world.engine.drain()
    world.read(("a", 1, 1), ("a", 3, 2))
    world.engine.drain()
    end()
    world.read(("a", 4, 1))
    world.engine.drain()
    assert [commit.sequence for commit in heard] == [1, 2]
    assert heard[1].tables["newest"]["value"].to_list() == [2.0]


@pytest.mark.parametrize("listens", [True, False])
def test_the_store_and_those_who_listen_have_the_same_newest_rows(listens: bool) -> None:
    world = World()
    heard: list[Commit] = []
    if listens:
        world.engine.subscribe(heard.append)
    world.place(("a", 0, "north"), ("b", 0, "south"), ("c", 0, "west"))
    world.read(("b", 5, 1), ("a", 3, 2), ("a", 1, 3), ("b", 5, 4), ("c", 2, 5), ("a", 2, 6))
    world.engine.drain()
    stored = world.store.table("newest").select("thing", "value").rows()
    assert stored == [("a", 2.0), ("b", 4.0), ("c", 5.0)]
    told = [commit.tables["newest"] for commit in heard if "newest" in commit.tables]
    assert [rows.select("thing", "value").rows() for rows in told] == ([stored] if listens else [])
    assert all("_offset" not in rows.columns for rows in told)


def test_open_windows_are_seen_and_unknown_ones_named() -> None:
    world = World()
    world.place(("a", 0, "north"))
    world.read(("a", 1, 2), ("a", 3, 4))
    world.engine.drain()
    seen = world.engine.open_windows("by_region")
    assert seen.select("region", "rows", "value__sum").rows() == [("north", 2, 6.0)]
    with pytest.raises(NotFoundError, match="by_region"):
        world.engine.open_windows("by_regoin")


def test_the_thread_runs_stops_and_resumes_without_counting_twice() -> None:
    world = World()
    world.place(("a", 0, "north"))
    engine = EmbeddedEngine(world.plan, world.broker, world.store, clock=world.clock)
    engine.start()
    world.read(("a", 1, 1), ("a", 2, 1))
    for _ in range(200):
        if world.store.count("newest"):
            break
        engine.stopping.wait(0.01)
    engine.stop()
    engine = EmbeddedEngine(world.plan, world.broker, world.store, clock=world.clock)
    engine.recover()
    world.read(("a", 100, 1))
    engine.drain()
    assert world.closed() == [("north", 2)]
    assert {node.name: node.records for node in engine.status()}["by_region"] == 3


def test_state_that_cannot_be_read_is_made_again_from_the_log() -> None:
    world = World()
    world.place(("a", 0, "north"))
    world.read(("a", 1, 1), ("a", 2, 1))
    engine = EmbeddedEngine(world.plan, world.broker, world.store, clock=world.clock)
    engine.drain()
    engine.stop()
    saved = world.store.checkpoint("engine")
    assert saved is not None
    assert saved.state
    for damaged in (b"", b"\x00" * 40, next(iter(saved.state.values()))[:50]):
        state = dict.fromkeys(saved.state, damaged)
        with world.store.transaction() as transaction:
            transaction.save("engine", replace(saved, state=state))
        again = EmbeddedEngine(world.plan, world.broker, world.store, clock=world.clock)
        again.recover()
        assert again.open_windows("by_region")["rows"].to_list() == [2]
    world.read(("a", 100, 1))
    again.drain()
    assert world.closed() == [("north", 2)]


def test_nothing_runs_between_a_failed_step_and_the_return_to_the_checkpoint() -> None:
    """A store that is away for the step, and for the reading of the checkpoint too, and is back for the next step."""
    world = World()
    world.place(("a", 0, "north"))
    world.engine.drain()
    away = 2

    class Away(MemoryStore):
        def __init__(self, there: MemoryStore) -> None:
            self.__dict__ = there.__dict__

        def asked(self) -> None:
            nonlocal away
            if away:
                away -= 1
                raise UnavailableError("The hot store does not answer.")

        def transaction(self) -> AbstractContextManager[MemoryTransaction]:
            self.asked()
            return super().transaction()

        def checkpoint(self, group: str) -> Checkpoint | None:
            self.asked()
            return super().checkpoint(group)

    world.engine.store = Away(world.store)
    world.read(("a", 1, 1), ("a", 2, 1), ("a", 100, 1))
    world.engine.pause = 0.0
    thread = threading.Thread(target=world.engine._loop, daemon=True)
    thread.start()
    until = SYSTEM.monotonic() + 30
    while (at := world.store.checkpoint("engine")) is None or at.positions["readings", 0] < 3:
        assert SYSTEM.monotonic() < until
        SYSTEM.sleep(0.01)
    world.engine.stopping.set()
    thread.join()
    assert away == 0
    assert world.closed() == [("north", 2)]
    assert {node.last_error for node in world.engine.status()} == {""}
