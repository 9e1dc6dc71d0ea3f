"""The function that Spark calls in its tasks: Arrow batches of messages in, pieces out."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import polars as pl

from wayside.dataflow.spark.decoding import Messages, micros_of
from wayside.dataflow.spark.partition import PartitionRun, Past
from wayside.dataflow.spark.pieces import arrow
from wayside.domain import Plan

CHUNK = 100_000
"""Rows that go through the plan together. The answer does not depend on it."""


@dataclass(frozen=True)
class Job:
    """What a task is told: the plan (pickled once, by value where the workers could not import it) and the past."""

    plan: bytes
    past: Past
    schemas: Mapping[int, str | None] = field(default_factory=dict)
    """Texts of Avro schemas by id; null where the registry has none of that id."""

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Run the plan over the partitions that the task has been given."""
        plan = plan_of(self.plan)
        runs: dict[tuple[str, int], PartitionRun] = {}
        for frame in chunks(batches):
            for (topic, partition), part in frame.partition_by("topic", "partition", as_dict=True).items():
                run = runs.get((topic, partition))
                if run is None:
                    run = runs[topic, partition] = PartitionRun(plan, self.past, topic, partition, self.schemas)
                run.take(messages_of(part))
        for run in runs.values():
            yield from arrow(run.finish())


@lru_cache(maxsize=1)
def plan_of(content: bytes) -> Plan:
    """The plan, unpickled once per worker, and again when the driver has sent another: what it looks things up in may
    be large, so that of before is let go."""
    plan: Plan = pickle.loads(content)  # noqa: S301  # written by the driver of this very application
    return plan


def chunks(batches: Iterable[Any]) -> Iterator[pl.DataFrame]:
    """Frames of about `CHUNK` rows out of the small batches that Spark cuts."""
    held: list[pl.DataFrame] = []
    rows = 0
    for batch in batches:
        frame = pl.DataFrame(pl.from_arrow(batch))
        held.append(frame)
        rows += frame.height
        if rows >= CHUNK:
            yield pl.concat(held)
            held, rows = [], 0
    if rows:
        yield pl.concat(held)


def messages_of(part: pl.DataFrame) -> Messages:
    """Messages of one partition."""
    topic, partition = str(part["topic"][0]), int(part["partition"][0])
    moments = micros_of(part["timestamp"])
    return Messages(topic, partition, part["offset"].to_numpy(), moments, part["value"].to_list(), part["id"])
