"""Random small plans and logs on Spark: the oracle's answer, whatever the cut into batches, crashes and repeats."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from tests.properties.harness import Case, cases, check, run
from tests.properties.tasks import arrow_of, read, starts_of
from wayside.clock import Clock
from wayside.dataflow.spark import SparkEngine
from wayside.domain import Plan
from wayside.ports import Broker, HotStore
from wayside.values import Position

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]
CASES = 50


class MemorySource:
    """Messages of a broker of this process, as Spark's frames: each partition in one task, in order."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def stream(self, spark: Any, topics: Any, starts: Any) -> Any:
        raise NotImplementedError("these tests hand over the batches themselves")

    def between(self, spark: Any, ranges: Mapping[Position, tuple[int, int]]) -> Any:
        starts = {at: start for at, (start, _) in ranges.items()}
        return frame_of(spark, read(self.broker, starts, {at: end for at, (_, end) in ranges.items()}, 0))


def frame_of(spark: Any, messages: list[pl.DataFrame]) -> Any:
    """A frame of Spark with a task per partition."""
    tables = [arrow_of(part) for part in messages]
    frame = spark.createDataFrame(pa.concat_tables(tables))
    return frame.repartition("topic", "partition").sortWithinPartitions("topic", "partition", "offset")


class OnSpark(SparkEngine):
    """The Spark engine, one micro-batch at a time."""

    spark: Any = None

    def __init__(self, plan: Plan, broker: Broker, store: HotStore, *, clock: Clock, max_rows: int) -> None:
        nowhere = Path(tempfile.gettempdir())
        super().__init__(
            plan,
            broker,
            store,
            source=MemorySource(broker),
            sessions=lambda: OnSpark.spark,
            checkpoints=nowhere,
            clock=clock,
        )
        self.max_rows = max_rows

    @property
    def sequence(self) -> int:
        return self.ledger.sequence

    @property
    def _snapshot_due(self) -> Any:
        return self.ledger._snapshot_due

    @_snapshot_due.setter
    def _snapshot_due(self, due: Any) -> None:
        self.ledger._snapshot_due = due

    def step(self) -> int:
        self._starts()
        messages = read(self.broker, starts_of(self.plan, self.broker, self.ledger), None, self.max_rows)
        if not messages:
            return int(self.tick())
        frame = frame_of(self.spark, messages)
        batch = self.ledger.source.get("batch", -1) + 1
        found = self.apply(frame, "query", batch)
        assert self.apply(frame, "query", batch) == 0, "a batch that comes again changes nothing"
        return found + 1  # a batch may hold refused messages only


def few_jobs(case: Case) -> Case:
    """Each micro-batch is a job of Spark: not too many of them."""
    return replace(case, cuts=case.cuts[:2], batch=max(case.batch, 7), breaks=set(sorted(case.breaks)[:1]))


@settings(max_examples=CASES, suppress_health_check=list(HealthCheck), derandomize=True)
@given(case=cases())
def test_spark_equals_the_oracle(spark: Any, case: Case) -> None:
    OnSpark.spark = spark
    case = few_jobs(case)
    engine, store = run(case, engines=OnSpark)  # type: ignore[arg-type]  # what is asked of an engine here, it has
    check(case, engine, store)  # type: ignore[arg-type]  # the same
