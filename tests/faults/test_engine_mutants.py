"""The harness bites: each planted fault in the engine is found by the very check that the engine passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, find, settings

from tests.properties.harness import Case, cases, check, run
from wayside.broker import MemoryBroker
from wayside.dataflow import EmbeddedEngine
from wayside.dataflow.book import Ended
from wayside.dataflow.previous import Kept, hashed
from wayside.dataflow.rows import Rows
from wayside.dataflow.spans import SpanOperator
from wayside.dataflow.steps import WindowStep
from wayside.dataflow.watermark import Watermark
from wayside.values import Checkpoint

pytestmark = pytest.mark.faults
Engines = Callable[..., EmbeddedEngine]


class OffsetsFirst(EmbeddedEngine):
    """Commits the offsets in a transaction of their own, before the rows."""

    def put(self, ended: Ended) -> None:
        positions = ended.checkpoint.positions
        saved = Checkpoint(positions, ended.checkpoint.sequence, {}, {}, positions)
        with self.store.transaction() as transaction:
            transaction.save(self.group, saved)
        super().put(ended)


class StateAhead(EmbeddedEngine):
    """Claims that an old state covers all offsets."""

    def put(self, ended: Ended) -> None:
        real = self.store.transaction

        @contextmanager
        def transaction() -> Iterator[Any]:
            with real() as inner:
                yield Claims(inner)

        with patch.object(type(self.store), "transaction", lambda _: transaction()):
            super().put(ended)


class Claims:
    """A transaction whose checkpoints say that the state is current, though it is the one before."""

    previous: dict[str, bytes] | None = None

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def save(self, group: str, checkpoint: Checkpoint) -> None:
        state, Claims.previous = Claims.previous, checkpoint.state or Claims.previous
        self.inner.save(
            group,
            Checkpoint(checkpoint.positions, checkpoint.sequence, checkpoint.progress, state, checkpoint.positions),
        )


class KeepsDuplicates(MemoryBroker):
    """Ignores record ids."""

    def append(self, topic: str, frame: Any, *, ids: Any = None, partition: int | None = None) -> Any:
        return super().append(topic, frame, partition=partition)


def count_late_rows(self: SpanOperator, frame: Any, times: Any, watermark: Any) -> Any:
    """Late rows are reported, and counted in their windows all the same."""
    late = ADD(self, frame, times, watermark)
    ADD(self, frame.filter(late), times[late.to_numpy()], -(2**62)) if late is not None else None
    return late


def by_batch(self: Watermark, partition: str, times: Any, appended: Any, now: float) -> Any:
    """The watermark moves between batches only, so that lateness depends on how the log is cut."""
    before = self.newest.get(partition, -(2**62))
    JUDGE(self, partition, times, appended, now)
    return self.floor(before)


def uncapped(self: Watermark, partition: str, times: Any, appended: Any, now: float) -> Any:
    """A wrong clock moves the watermark for everybody."""
    return JUDGE(self, partition, times, np.int64(2**62), now)


def fastest(self: Watermark, now: float, partitions: int) -> int:
    """The watermark of the fastest partition instead of the slowest."""
    self.closed = max(self.closed, max(self.newest.values(), default=-(2**62)) - self.lateness)
    return self.closed


def forgets_by_batch(self: Kept, rows: Rows) -> Rows:
    """A key is forgotten by the newest row of its batch, so that memory depends on how the log is cut."""
    self.progress.judge(rows.source, rows.times(self.time), rows.appended, 0.0)
    return RUN(self, rows)


def remembers_the_last(self: Kept, source: str, here: Any) -> Any:
    """The row before is the last one in the log, be it older or not."""
    told = REMEMBERED(self, source, here)
    last = hashed(here.unique(list(self.keys), keep="last", maintain_order=True), list(self.keys))
    others = self.frames[source].join(last, on=list(self.keys), how="anti")
    self.frames[source] = pl.concat([others, last.select(others.columns)])
    return told


ADD, JUDGE, RUN, REMEMBERED = SpanOperator.add, Watermark.judge, Kept.run, Kept.remembered
MUTANTS: dict[str, tuple[Engines, Callable[..., Any], Any]] = {
    "offsets committed before the rows": (OffsetsFirst, MemoryBroker, None),
    "a state that does not belong to its offsets": (StateAhead, MemoryBroker, None),
    "a duplicate not dropped": (EmbeddedEngine, KeepsDuplicates, None),
    "a late row counted in its window": (EmbeddedEngine, MemoryBroker, (SpanOperator, "add", count_late_rows)),
    "lateness that depends on batches": (EmbeddedEngine, MemoryBroker, (Watermark, "judge", by_batch)),
    "a wrong clock that moves the watermark": (EmbeddedEngine, MemoryBroker, (Watermark, "judge", uncapped)),
    "the fastest partition's watermark": (EmbeddedEngine, MemoryBroker, (Watermark, "advance", fastest)),
    "a memory forgotten in the state": (
        EmbeddedEngine,
        MemoryBroker,
        (Kept, "load", lambda self, source, saved: None),
    ),
    "a memory that depends on batches": (EmbeddedEngine, MemoryBroker, (Kept, "run", forgets_by_batch)),
    "an older row remembered": (EmbeddedEngine, MemoryBroker, (Kept, "remembered", remembers_the_last)),
    "open windows forgotten in the state": (
        EmbeddedEngine,
        MemoryBroker,
        (WindowStep, "load", lambda self, state, progress, now: self.watermark.load(progress, now)),
    ),
}


def is_caught(case: Case, engines: Engines, brokers: Callable[..., Any]) -> bool:
    """Whether the check fails for a case."""
    Claims.previous = None
    try:
        check(case, *run(case, engines, brokers))
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str) -> None:
    engines, brokers, change = MUTANTS[name]
    memory = change is not None and change[0] is Kept  # only a step with a memory can show it
    found = cases().map(lambda case: replace(case, flow="previous")) if memory else cases()
    bounds = settings(
        max_examples=2000,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    with patch.object(*change) if change else patch.object(Claims, "previous", None):
        find(found, lambda case: is_caught(case, engines, brokers), settings=bounds)
