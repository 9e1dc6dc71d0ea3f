"""What Spark cannot do is refused when the plan is built; docs/reference/spark.md lists it beside these tests."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wayside.broker import MemoryBroker
from wayside.clock import ManualClock
from wayside.dataflow.spark import KafkaSource, SparkEngine
from wayside.dataflow.spark.decoding import Messages
from wayside.dataflow.spark.ledger import Ledger
from wayside.dataflow.spark.partition import PartitionRun, Past
from wayside.dataflow.steps import Effects
from wayside.domain import Domain, Flow, Plan, Topic, count
from wayside.errors import ConfigError, DeclarationError, WaysideError
from wayside.hot.memory import MemoryStore
from wayside.record import Record

START = datetime(2026, 3, 1, tzinfo=UTC)


class Reading(Record, key="thing", time="at"):
    """A number of a thing."""

    thing: str
    at: datetime
    value: float


class Placed(Record, key="thing", time="at"):
    """A number with the newest number of its thing."""

    thing: str
    at: datetime
    value: float


def plan_of(flow: Flow) -> Plan:
    return Plan.of([Domain("test", "Test", [flow.window("spans", by=["thing"], every="10s", n=count())])])


def engine(plan: Plan) -> SparkEngine:
    return SparkEngine(
        plan,
        MemoryBroker(),
        MemoryStore(),
        source=KafkaSource("127.0.0.1:1"),
        sessions=lambda: pytest.fail("no session is needed to refuse"),
        checkpoints=Path("nowhere"),
    )


def test_a_join_with_a_table_of_the_same_topic_is_refused() -> None:
    readings = Topic("readings", Reading, partitions=2)
    joined = readings.join("placed", readings.table("newest"), on=["thing"], into=Placed)
    with pytest.raises(DeclarationError, match="On Spark the join 'placed' cannot look into the table 'newest'"):
        engine(plan_of(joined))
    with pytest.raises(DeclarationError, match="run the plan on the embedded engine"):
        engine(plan_of(joined))


def test_a_plan_that_cannot_travel_to_the_workers_is_refused() -> None:
    pytest.importorskip("pyspark", reason="the extra 'spark' is not installed")
    lock = threading.Lock()

    def guarded(rows: pl.LazyFrame) -> pl.LazyFrame:
        with lock:
            return rows

    plan = plan_of(Topic("readings", Reading).stream("guarded", into=Reading, transform=guarded))
    with pytest.raises(DeclarationError, match="The plan cannot be sent to Spark's workers"):
        engine(plan)


@pytest.mark.parametrize("option", ["minPartitions", "maxRecordsPerPartition", "startingOffsets", "subscribe"])
def test_options_that_would_break_the_order_or_the_positions_are_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=f"The option '{option}' of Spark's Kafka source cannot be set"):
        KafkaSource("127.0.0.1:1", options={option: "4"})


def run() -> PartitionRun:
    return PartitionRun(plan_of(Topic("readings", Reading)), Past(), "readings", 0)


def messages(*offsets: int) -> Messages:
    values = [b'{"thing":"a","at":"2026-03-01T00:00:00Z","value":1}'] * len(offsets)
    moments = np.full(len(offsets), 2**55, dtype=np.int64)
    ids = pl.Series("id", [None] * len(offsets), dtype=pl.String)
    return Messages("readings", 0, np.array(offsets, dtype=np.int64), moments, list(values), ids)


@pytest.mark.parametrize("cuts", [[(1, 0)], [(0, 1, 1)], [(3, 4), (2,)], [(3, 4), (4, 5)]])
def test_messages_out_of_order_end_the_query(cuts: list[tuple[int, ...]]) -> None:
    task = run()
    for cut in cuts[:-1]:
        task.take(messages(*cut))
    with pytest.raises(WaysideError, match="out of order"):
        task.take(messages(*cuts[-1]))


def test_holes_and_messages_that_were_applied_before_are_fine() -> None:
    task = run()
    task.position = 4
    for cut in ((1, 2), (3, 4, 7), (9,)):
        task.take(messages(*cut))
    assert (task.position, task.rows) == (10, 3)


def test_two_tasks_for_one_partition_end_the_query() -> None:
    ledger = Ledger(
        plan_of(Topic("readings", Reading)), MemoryBroker(), MemoryStore(), clock=ManualClock(START), group="engine"
    )
    pieces = [*run().finish(), *run().finish()]
    with pytest.raises(WaysideError, match="Two tasks of Spark have read readings/0"):
        ledger.absorb(pieces, Effects())
