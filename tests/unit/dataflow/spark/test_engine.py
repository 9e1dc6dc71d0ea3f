"""The Spark engine where no Spark is needed: what it does when Spark itself is gone."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyspark", reason="the extra 'spark' is not installed")

from wayside.broker import MemoryBroker
from wayside.dataflow.spark import KafkaSource, SparkEngine
from wayside.domain import Domain, Plan, Topic, count
from wayside.errors import NotFoundError
from wayside.hot.memory import MemoryStore
from wayside.quarantine import SPEC
from wayside.record import Record


class Reading(Record, key="thing", time="at"):
    """A number of a thing."""

    thing: str
    at: datetime
    value: float


def engine(folder: Path, error: Exception) -> SparkEngine:
    readings = Topic("readings", Reading)
    plan = Plan.of([Domain("test", "Test", [readings.window("spans", by=["thing"], every="10s", n=count())])])
    broker, store = MemoryBroker(), MemoryStore()
    for spec in (readings.spec, SPEC):
        broker.create(spec)
    store.ensure([], [window.spec for window in plan.windows.values()])

    def sessions() -> Any:
        raise error

    return SparkEngine(plan, broker, store, source=KafkaSource("127.0.0.1:1"), sessions=sessions, checkpoints=folder)


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
