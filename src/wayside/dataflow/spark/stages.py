"""A micro-batch in stages: topics behind joined tables first, and what comes back from the tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from wayside.dataflow.graph import Graph
from wayside.dataflow.spark.ledger import Ledger
from wayside.dataflow.spark.partition import Past
from wayside.dataflow.spark.pieces import SCHEMA, Piece
from wayside.dataflow.spark.worker import Job
from wayside.dataflow.steps import Effects
from wayside.domain import Plan


def stages(plan: Plan) -> list[list[str]]:
    """Topics in the order of the embedded engine: each that feeds a joined table by itself, then all others."""
    joined = Graph(plan).joined_topics()
    others = sorted(set(plan.topics) - joined)
    return [[name] for name in sorted(joined)] + ([others] if others else [])


Runner = Callable[[Job, Sequence[str]], list[Piece]]
"""Runs a job over the messages of some topics."""


def micro_batch(ledger: Ledger, content: bytes, order: Sequence[Sequence[str]], run: Runner) -> tuple[Effects, int]:
    """Run the plan over messages stage by stage; returns what changes, windows that close among it, and the rows."""
    effects, rows = Effects(), 0
    for topics in order:
        rows += ledger.absorb(run(Job(content, ledger.past(topics)), topics), effects)
    ledger.close(effects, ledger.clock.monotonic())
    return effects, rows


def run_again(ledger: Ledger, content: bytes, order: Sequence[Sequence[str]], run: Runner, past: Past) -> int:
    """Run rows again whose effects are committed; returns how many."""
    rows = 0
    for topics in order:
        job = Job(content, replace(past, versions=ledger.versions_for(topics)))
        rows += ledger.absorb(run(job, topics), Effects(), again=True)
    return rows


def pieces_of(messages: Any, job: Job, topics: Sequence[str] | None) -> list[Piece]:
    """Run a job over the messages of some topics (null: of all) in Spark's tasks."""
    from pyspark.sql import functions as F

    wanted = messages if topics is None else messages.where(F.col("topic").isin(list(topics)))
    rows = wanted.mapInArrow(job, SCHEMA).toArrow().to_pylist()
    return [Piece(**row) for row in rows]
