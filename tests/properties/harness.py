"""Random logs, cut, repeated and crashed at random; how to run the engine over them and what to expect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import strategies as st

from tests.properties import oracle
from tests.properties.oracle import Answer, Row
from wayside.broker import MemoryBroker
from wayside.clock import ManualClock
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Domain, Plan, Topic, count, maximum, mean, minimum, total
from wayside.hot.memory import MemoryStore
from wayside.ports import Broker, HotStore
from wayside.record import Record
from wayside.specs import TIME

START = datetime(2026, 3, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
BASE = int((START - EPOCH).total_seconds()) * SECOND
DELETE = -1.0


class Event(Record, key="key", time="at"):
    """Something with a number at a time."""

    key: str
    at: datetime
    value: float | None


@dataclass(frozen=True)
class Case:
    """A log to run: rows in order, where it is cut into appends, micro-batches and crashes."""

    rows: list[Row]
    partitions: int
    cuts: list[int]
    batch: int
    crashes: set[int]
    window: dict[str, Any]
    lateness: int
    repeats: list[int]
    breaks: set[int]
    sparse: int


class Crash(Exception):
    """The process dies here."""


class BreakingStore:
    """A store whose transactions die at chosen calls, counted over the whole run; nothing of them remains."""

    def __init__(self, store: HotStore, breaks: set[int]) -> None:
        self.store, self.breaks, self.calls = store, breaks, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self.store.transaction() as transaction:
            yield BreakingTransaction(self, transaction)
            self.call()

    def call(self) -> None:
        """Count a call, and die if it is its turn."""
        self.calls += 1
        if self.calls in self.breaks:
            raise Crash


class BreakingTransaction:
    """Counts every call before it is made."""

    def __init__(self, store: BreakingStore, transaction: Any) -> None:
        self.store, self.transaction = store, transaction

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.transaction, name)

        def call(*given: Any) -> Any:
            self.store.call()
            return method(*given)

        return call


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Small times and few keys, so that windows collide, records repeat and lateness matters."""
    partitions = draw(st.integers(1, 3))
    size = draw(st.integers(1, 60))
    moves = st.tuples(
        st.integers(0, 4), st.integers(-25, 12), st.one_of(st.none(), st.integers(-8, 40).map(lambda n: n / 8))
    )
    rows, now = [], 60
    for key, move, value in draw(st.lists(moves, min_size=1, max_size=size)):
        now += max(move, 0)
        time = BASE + (now + min(move, 0)) * SECOND
        rows.append(Row(key % partitions, f"k{key}", time, value))
    window = draw(
        st.sampled_from(
            [{"every": "10s"}, {"every": "5s", "size": "15s"}, {"every": "1s"}, {"gap": "4s"}, {"gap": "1s"}]
        )
    )
    number = len(rows)
    return Case(
        rows,
        partitions,
        sorted(draw(st.sets(st.integers(1, max(number - 1, 1)), max_size=6))),
        draw(st.sampled_from([1, 2, 7, 1000])),
        draw(st.sets(st.integers(0, 12), max_size=3)),
        window,
        draw(st.sampled_from([0, 2, 10])),
        draw(st.lists(st.integers(0, number - 1), max_size=4)),
        draw(st.sets(st.integers(1, 60), max_size=4)),
        draw(st.sampled_from([1, 3, 1000])),
    )


def plan_of(case: Case) -> Plan:
    """One topic, one window, one table."""
    events = Topic("events", Event, partitions=case.partitions)
    window = events.window(
        "spans",
        by=["key"],
        lateness=timedelta(seconds=case.lateness),
        idle="1h",
        rows=count(),
        average=mean("value"),
        sum=total("value"),
        low=minimum("value"),
        high=maximum("value"),
        **case.window,
    )
    newest = events.table("newest", by=["key"], deleted=pl.col("value") == DELETE)
    return Plan.of([Domain("test", "Test", [window, newest])])


Engines = Callable[..., EmbeddedEngine]
Brokers = Callable[..., Broker]


def run(
    case: Case, engines: Engines = EmbeddedEngine, brokers: Brokers = MemoryBroker
) -> tuple[EmbeddedEngine, HotStore]:
    """Append in pieces (some records twice, under the same id), step, and crash where the case says so."""
    clock = ManualClock(START)
    broker, plan = brokers(clock=clock), plan_of(case)
    store: Any = BreakingStore(MemoryStore(), case.breaks)
    for topic in plan.topics.values():
        broker.create(topic.spec)
    store.ensure([t.spec for t in plan.tables.values()], [w.spec for w in plan.windows.values()])

    def fresh() -> EmbeddedEngine:
        engine = engines(plan, broker, store, clock=clock, max_rows=case.batch)
        engine._snapshot_due = lambda now: engine.sequence % case.sparse == 0  # type: ignore[method-assign]  # rare states
        engine.recover()
        return engine

    engine, steps = fresh(), 0
    bounds = [0, *case.cuts, len(case.rows)]
    for start, end in pairwise(bounds):
        clock.advance(20.0)
        now = BASE + round(clock.monotonic()) * SECOND
        for index in range(start, end):
            case.rows[index].appended = now
        for index in [*range(start, end), *(r for r in case.repeats if r < end)]:
            append(broker, case.rows[index], index)
        while True:
            try:
                if not engine.step():
                    break
            except Crash:
                engine = fresh()
            steps += 1
            if steps in case.crashes:
                engine = fresh()
    return engine, store


def append(broker: Broker, row: Row, index: int) -> None:
    """One record with its id."""
    frame = pl.DataFrame(
        {"key": [row.key], "at": [row.time], "value": [row.value]},
        schema={"key": pl.String, "at": pl.Int64, "value": pl.Float64},
    ).with_columns(pl.col("at").cast(TIME))
    broker.append("events", frame, ids=pl.Series([f"id{index}"]), partition=row.partition).result()


def cells(frame: pl.DataFrame) -> dict[tuple[str, int, int], list[Any]]:
    """Stored rows as the oracle writes them; a window that appears twice is an error."""
    rows = frame.with_columns(pl.col("window_start", "window_end").to_physical()).rows(named=True)
    found = {
        (r["key"], r["window_start"], r["window_end"]): [
            r["rows"],
            r["value__n"],
            r["value__sum"],
            r["value__min"],
            r["value__max"],
        ]
        for r in rows
    }
    assert len(found) == len(rows), "a window row appears twice"
    return found


def expected(case: Case) -> Answer:
    """The oracle's answer."""
    common = {"lateness": case.lateness * SECOND, "partitions": case.partitions}
    window = {name: int(text[:-1]) * SECOND for name, text in case.window.items()}
    if "gap" in window:
        return oracle.sessions(case.rows, gap=window["gap"], **common)
    return oracle.spans(case.rows, size=window.get("size", window["every"]), every=window["every"], **common)


def check(case: Case, engine: EmbeddedEngine, store: HotStore) -> None:
    """Windows, open windows, late rows and table must be the oracle's, each exactly once."""
    answer = expected(case)
    everything = (START - timedelta(days=1), START + timedelta(days=1))
    assert cells(store.windows("spans", *everything)) == answer.closed
    assert cells(engine.open_windows("spans")) == answer.open
    late = store.late("spans", limit=10_000)
    assert sorted(zip(late["_partition"], late["key"], late["at"].to_physical(), strict=True)) == sorted(answer.late)
    newest = oracle.latest(case.rows, {DELETE})
    table = store.table("newest", limit=100)
    assert dict(zip(table["key"], table["value"], strict=True)) == {key: row.value for key, row in newest.items()}
