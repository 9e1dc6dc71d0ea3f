"""The Spark engine where no Spark is needed: when Spark itself is gone, between micro-batches, and around it."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

pytest.importorskip("pyspark", reason="the extra 'spark' is not installed")

from wayside.broker import MemoryBroker
from wayside.clock import SYSTEM, Clock, ManualClock
from wayside.dataflow.spark import KafkaSource, SparkEngine, ledger
from wayside.dataflow.spark.decoding import Messages
from wayside.dataflow.spark.partition import PartitionRun, Past
from wayside.dataflow.spark.session import inside
from wayside.dataflow.steps import Effects
from wayside.domain import Domain, Plan, Topic, count
from wayside.errors import NotFoundError
from wayside.hot.memory import MemoryStore
from wayside.quarantine import SPEC
from wayside.record import Record

START = datetime(2026, 3, 1, tzinfo=UTC)


class Reading(Record, key="thing", time="at"):
    """A number of a thing."""

    thing: str
    at: datetime
    value: float


def engine(folder: Path, error: Exception, clock: Clock = SYSTEM) -> SparkEngine:
    readings = Topic("readings", Reading)
    plan = Plan.of([Domain("test", "Test", [readings.window("spans", by=["thing"], every="10s", n=count())])])
    broker, store = MemoryBroker(), MemoryStore()
    for spec in (readings.spec, SPEC):
        broker.create(spec)
    store.ensure([], [window.spec for window in plan.windows.values()])

    def sessions() -> Any:
        raise error

    return SparkEngine(
        plan, broker, store, source=KafkaSource("127.0.0.1:1"), sessions=sessions, checkpoints=folder, clock=clock
    )


def wait_for_error(made: SparkEngine) -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if made.failure is not None:
            return f"failure: {made.failure}"
        if errors := {node.last_error for node in made.status() if node.last_error}:
            return str(errors.pop())
        time.sleep(0.01)
    raise AssertionError("nothing was said")


def test_it_ends_when_sparks_process_is_gone(tmp_path: Path) -> None:
    made = engine(tmp_path, ConnectionRefusedError("no JVM answers"))
    made.start()
    assert wait_for_error(made) == "failure: no JVM answers"
    made.stop()


def test_it_tries_again_after_any_other_error_and_says_so(tmp_path: Path) -> None:
    made = engine(tmp_path, ValueError("no such topic\nand a long trace"))
    made.start()
    assert wait_for_error(made) == "no such topic"
    made.stop()
    assert made.failure is None


def test_before_the_first_record_all_is_empty(tmp_path: Path) -> None:
    made = engine(tmp_path, ValueError("never asked"))
    made.recover()
    assert made.open_windows("spans").is_empty()
    assert [node.lag for node in made.status()] == [0, 0]
    with pytest.raises(NotFoundError, match="No window is named 'others'"):
        made.open_windows("others")


def test_a_large_state_is_saved_once_nothing_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas show open windows from the saved state: what came last must not wait for more to come."""
    monkeypatch.setattr(ledger, "SMALL_STATE", -1)
    clock = ManualClock(START)
    made = engine(tmp_path, ValueError("never asked"), clock)
    made.recover()

    def batch(first: int) -> None:
        run = PartitionRun(made.plan, Past({"readings/0": first}), "readings", 0)
        lines = [b'{"thing": "x", "at": "2026-03-01T00:00:01Z", "value": 1.5}'] * 3
        offsets = np.arange(first, first + 3, dtype=np.int64)
        moments = np.full(3, int(START.timestamp()) * 1_000_000)
        run.take(Messages("readings", 0, offsets, moments, list(lines), pl.Series([None] * 3, dtype=pl.String)))
        effects = Effects()
        made.ledger.absorb(run.finish(), effects)
        made.ledger.close(effects, clock.monotonic())
        made.ledger.commit(effects)

    def saved() -> int:
        checkpoint = made.ledger.store.checkpoint("engine")
        return 0 if checkpoint is None or not checkpoint.state else sum(checkpoint.state_positions.values())

    for first in range(0, 12, 3):  # while more keeps coming, it is saved at its interval only
        batch(first)
        clock.advance(1.0)
        assert not made.tick()
        assert saved() == 0
    clock.advance(1.0)
    assert made.tick()
    assert saved() == 12
    assert made.open_windows("spans")["rows"].to_list() == [12]
    clock.advance(60.0)
    assert not made.tick(), "there is nothing new to save"

    again = SparkEngine(
        made.plan, made.broker, made.ledger.store, source=made.source, sessions=made.sessions, checkpoints=tmp_path
    )
    again.recover()  # asks for no session: there is nothing to run again
    assert again.open_windows("spans")["rows"].to_list() == [12]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "12345" / "blockmgr-1").mkdir(parents=True)
    (tmp_path / "12345" / "blockmgr-1" / "part").write_bytes(b"x")
    chosen = inside(tmp_path, {"spark.driver.extraJavaOptions": "-Dmine=1"})
    own = tmp_path / str(os.getpid())
    assert list(tmp_path.iterdir()) == [own]
    assert chosen == {
        "spark.local.dir": str(own),
        "spark.driver.extraJavaOptions": f'-Dmine=1 "-Djava.io.tmpdir={own}"',
    }
    (own / "in use").touch()
    assert inside(tmp_path, {"spark.local.dir": "/fast"})["spark.local.dir"] == "/fast"
    assert (own / "in use").exists(), "a second session of this process takes nothing from the first"
