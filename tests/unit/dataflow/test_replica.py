"""The engine as a process without one sees it, beside the engine that it follows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from tests.unit.dataflow.test_embedded import World
from wayside.clock import SYSTEM
from wayside.dataflow.replica import ReplicaEngine
from wayside.errors import NotFoundError, UnavailableError
from wayside.hot.memory import MemoryStore
from wayside.values import Checkpoint, Commit


class Followed(World):
    """An engine and those who follow it."""

    def __init__(self) -> None:
        super().__init__()
        self.place(("a", 0, "north"))

    def replica(self) -> ReplicaEngine:
        made = ReplicaEngine(self.plan, self.broker, self.store, clock=self.clock)
        made._begin()
        return made


def heard(engine: Any) -> list[Commit]:
    commits: list[Commit] = []
    engine.subscribe(commits.append)
    return commits


def same(one: Commit, other: Commit) -> None:
    assert one.sequence == other.sequence
    assert one.late == other.late
    for left, right in ((one.tables, other.tables), (one.windows, other.windows)):
        left, right = ({n: rows for n, rows in part.items() if rows.height} for part in (left, right))
        assert left.keys() == right.keys()
        for name in left:
            columns = left[name].columns
            assert_frame_equal(left[name].sort(columns), right[name].select(columns).sort(columns))


def test_what_is_open_comes_with_the_offsets_that_it_counts() -> None:
    world = Followed()
    assert world.engine.standing("by_region").rows.is_empty()
    world.read(*[("a", second, 1.0) for second in range(5)])
    world.engine.drain()
    world.read(("a", 6, 1.0))  # not counted yet
    for engine in (world.engine, world.replica()):
        standing = engine.standing("by_region")
        counted = sum(offset for (topic, _), offset in standing.positions.items() if topic == "readings")
        assert (standing.rows["rows"].sum(), counted) == (5, 5)
    with pytest.raises(NotFoundError):
        world.engine.standing("nothing")


def test_a_replica_hears_what_the_engine_commits() -> None:
    world = Followed()
    engine, replica = heard(world.engine), world.replica()
    copies = heard(replica)
    for second in range(0, 60, 3):
        world.read(("a", second, second), ("a", second + 1, -1.0))
        world.engine.drain()
        if second % 2:
            replica.follow()
    while replica.follow():
        pass
    assert len(engine) == len(copies) > 5
    for one, other in zip(engine, copies, strict=True):
        same(one, other)


def test_open_windows_and_status_are_those_of_the_engine() -> None:
    world = Followed()
    world.engine.snapshot_seconds = 0.0  # open windows of a replica are as new as the state that was saved last
    replica = world.replica()
    for second in (1, 5, 12, 13, 27, 31, 2):
        world.read(("a", second, second))
        world.engine.drain()
        replica.follow()
        assert_frame_equal(replica.open_windows("by_region"), world.engine.open_windows("by_region"))
    mine, theirs = ({node.name: node for node in engine.status()} for engine in (replica, world.engine))
    for name, node in theirs.items():
        found = mine[name]
        assert (found.kind, found.inputs, found.records, found.late) == (
            node.kind,
            node.inputs,
            node.records,
            node.late,
        )
        assert (found.lag, found.watermark, found.last_record) == (node.lag, node.watermark, node.last_record)
    assert any(node.late for node in mine.values())
    with pytest.raises(NotFoundError, match="by_region"):
        replica.open_windows("nothing")


def test_windows_that_have_closed_since_the_state_was_saved_are_not_open_too() -> None:
    world = Followed()
    world.engine.snapshot_seconds = 1e9
    for second in (1, 2):
        world.read(("a", second, second))
        world.engine.drain()
    state = world.store.checkpoint("engine")
    assert state is not None
    world.read(("a", 40, 1.0))
    world.engine.drain()
    now = world.store.checkpoint("engine")
    assert now is not None
    world.store._state.checkpoints["engine"] = Checkpoint(
        now.positions, now.sequence, now.progress, state.state, state.state_positions
    )
    replica = world.replica()
    assert replica.open_windows("by_region").is_empty()
    assert world.store.windows("by_region", *EVER)["rows"].to_list() == [2]


def test_a_replica_that_starts_later_knows_what_others_have_told() -> None:
    world = Followed()
    for second in range(20):
        world.read(("a", second, second))
        world.engine.drain()
    replica = world.replica()
    copies = heard(replica)
    while replica.follow():
        pass
    assert [commit.sequence for commit in copies][-1] == world.engine.sequence
    assert len(copies) > 10


def test_what_was_missed_is_not_made_up() -> None:
    world = Followed()
    world.read(("a", 1, 1))
    world.engine.drain()
    replica = world.replica()
    while replica.follow():
        pass
    copies = heard(replica)
    world.read(("a", 2, 1))
    world.engine.drain()
    world.store._state.commits.clear()
    assert not replica.follow()
    assert replica.sequence == world.engine.sequence
    world.read(("a", 3, 1))
    world.engine.drain()
    replica.follow()
    assert [commit.sequence for commit in copies] == [world.engine.sequence]


def test_a_store_that_is_away_is_shown_and_followed_again() -> None:
    world = Followed()
    world.read(("a", 1, 1))
    world.engine.drain()

    class Away(MemoryStore):
        def checkpoint(self, group: str) -> Checkpoint | None:
            raise UnavailableError("The hot store does not answer.")

    replica = world.replica()
    replica.follow()
    replica.status()
    there, replica.store = replica.store, Away()
    assert {node.last_error for node in replica.status()} == {"The hot store does not answer."}
    with pytest.raises(UnavailableError):
        replica.open_windows("by_region")
    replica.store = there
    assert {node.last_error for node in replica.status()} == {""}


def test_in_a_thread_of_its_own() -> None:
    world = Followed()
    replica = ReplicaEngine(world.plan, world.broker, world.store, every=0.01)
    copies = heard(replica)
    replica.start()
    for second in range(5):
        world.read(("a", second, second))
        world.engine.drain()
    until = SYSTEM.monotonic() + 30
    while not copies or copies[-1].sequence < world.engine.sequence:
        assert SYSTEM.monotonic() < until
        SYSTEM.sleep(0.01)
    replica.stop()
    assert [commit.sequence for commit in copies] == list(range(1, world.engine.sequence + 1))


EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def test_rows_run_again_after_a_crash_get_into_a_saved_state_though_nothing_follows() -> None:
    world = Followed()
    replica = world.replica()
    world.read(("a", 1, 1))
    world.engine.drain()
    world.clock.advance(0.1)  # sooner than a state is saved again
    world.read(("a", 2, 2))
    world.engine.drain()
    before = world.store.checkpoint("engine")
    assert before is not None
    assert before.state_positions != before.positions
    world.engine = world.start()  # the first is gone without a word
    world.clock.advance(10.0)
    assert world.engine.step() == 0
    after = world.store.checkpoint("engine")
    assert after is not None
    assert after.state_positions == after.positions == before.positions
    while replica.follow():
        pass
    assert replica.open_windows("by_region")["rows"].to_list() == [2]
