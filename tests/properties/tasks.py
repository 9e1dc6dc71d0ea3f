"""The Spark engine without Spark: the tasks' own function over Arrow batches, and the driver's own ledger.

What is left out is what Spark does itself: handing each task the messages of a partition, in the order of offsets.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from wayside.clock import Clock
from wayside.dataflow.spark.ledger import Ledger
from wayside.dataflow.spark.pieces import Piece
from wayside.dataflow.spark.stages import micro_batch, run_again, stages
from wayside.dataflow.spark.worker import Job
from wayside.domain import Plan
from wayside.ports import Broker, HotStore
from wayside.values import Batch, Position
from wayside.wire import json

MICROS = pl.Datetime("us", "UTC")
ROWS_OF_AN_ARROW_BATCH = 5
ARROW = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("id", pa.string()),
        ("value", pa.binary()),
    ]
)


def messages_of(batch: Batch) -> pl.DataFrame:
    """Messages as Spark's Kafka source has them."""
    count = batch.frame.height
    offsets = pl.Series(range(batch.first, batch.first + count), dtype=pl.Int64)
    return pl.DataFrame(
        {
            "topic": pl.Series([batch.topic] * count, dtype=pl.String),
            "partition": pl.Series([batch.partition] * count, dtype=pl.Int32),
            "offset": offsets if batch.offsets is None else batch.offsets.cast(pl.Int64),
            "timestamp": pl.Series([batch.appended] * count, dtype=MICROS) if batch.appends is None else batch.appends,
            "id": pl.Series([None] * count, dtype=pl.String),
            "value": pl.Series(json.encode(batch.frame), dtype=pl.Binary),
        }
    )


def arrow_of(messages: pl.DataFrame) -> pa.Table:
    """Messages with the types that Spark knows."""
    return messages.to_arrow().cast(ARROW)


def in_small_batches(messages: pl.DataFrame) -> Iterator[pa.RecordBatch]:
    """Messages as a task gets them."""
    yield from arrow_of(messages).to_batches(max_chunksize=ROWS_OF_AN_ARROW_BATCH)


def pieces_of(job: Job, messages: Sequence[pl.DataFrame], topics: Sequence[str]) -> list[Piece]:
    """A task per partition, each with a job that has travelled as bytes."""
    sent = pickle.dumps(job)
    found: list[Piece] = []
    for part in messages:
        if part["topic"][0] in topics:
            for batch in pickle.loads(sent)(in_small_batches(part)):
                found += [Piece(**row) for row in batch.to_pylist()]
    return found


def read(
    broker: Broker, starts: Mapping[Position, int], ends: Mapping[Position, int] | None, rows: int
) -> list[pl.DataFrame]:
    """Messages from these offsets on, up to those ends or `rows` of each partition."""
    found = []
    for (topic, partition), start in sorted(starts.items()):
        limit = rows if ends is None else ends[topic, partition] - start
        batch = broker.read(topic, partition, start, max_rows=max(limit, 1))
        if batch is None:
            continue
        messages = messages_of(batch)
        if ends is not None:
            messages = messages.filter(pl.col("offset") < ends[topic, partition])
        if messages.height:
            found.append(messages)
    return found


def starts_of(plan: Plan, broker: Broker, ledger: Ledger) -> dict[Position, int]:
    """Where reading goes on, in every partition of the plan's topics."""
    return {
        (topic, info.partition): ledger.positions.get((topic, info.partition), info.start)
        for topic in plan.topics
        for info in broker.partitions(topic)
    }


class TaskEngine:
    """Reads a broker of this process; has what the property tests ask of the embedded engine."""

    def __init__(
        self, plan: Plan, broker: Broker, store: HotStore, *, clock: Clock, max_rows: int = 1000, pickled: Any = None
    ) -> None:
        self.plan, self.broker, self.max_rows = plan, broker, max_rows
        self.ledger = Ledger(plan, broker, store, clock=clock, group="engine")
        self.content = (pickled or pickle.dumps)(plan)
        self.order = stages(plan)

    @property
    def sequence(self) -> int:
        return self.ledger.sequence

    @property
    def _snapshot_due(self) -> Callable[[float], bool]:
        return self.ledger._snapshot_due

    @_snapshot_due.setter
    def _snapshot_due(self, due: Callable[[float], bool]) -> None:
        self.ledger._snapshot_due = due  # type: ignore[method-assign]  # the harness chooses when states are saved

    def recover(self) -> None:
        past, ranges = self.ledger.load()
        starts = {at: start for at, (start, _) in ranges.items()}
        found = read(self.broker, starts, {at: end for at, (_, end) in ranges.items()}, 0)
        run_again(self.ledger, self.content, self.order, lambda job, topics: pieces_of(job, found, topics), past)
        self.ledger.settle()

    def step(self) -> int:
        for topic in self.plan.topics:
            self.ledger.partitions[topic] = len(self.broker.partitions(topic))
        found = read(self.broker, starts_of(self.plan, self.broker, self.ledger), None, self.max_rows)
        if not found and not self.ledger.due(self.ledger.clock.monotonic()):
            return 0
        effects, _ = micro_batch(
            self.ledger, self.content, self.order, lambda job, topics: pieces_of(job, found, topics)
        )
        self.ledger.commit(effects)
        return sum(part.height for part in found)

    def open_windows(self, name: str) -> pl.DataFrame:
        return self.ledger.steps[name].operator.peek(self.ledger.settled.frames[name])
