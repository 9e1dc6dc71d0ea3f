"""Random logs, cut, repeated and crashed at random; how to run the engine over them and what to expect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from wayside.domain import Domain, Flow, Plan, Topic, count, maximum, mean, minimum, total
from wayside.hot.memory import MemoryStore
from wayside.ports import Broker, HotStore
from wayside.record import Record
from wayside.specs import TIME

START = datetime(2026, 3, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 30, tzinfo=UTC)
SECOND = 1_000_000
BASE = int((START - EPOCH).total_seconds()) * SECOND
DELETE = -1.0
LOW = pl.col("value").is_null() | (pl.col("value") >= 0) | (pl.col("value") == DELETE)
GROUPS = {"k0": "even", "k1": "odd", "k2": "even", "k3": "gone", "k4": "even"}
"""Groups of keys: a table that a join looks into. One of them was deleted before the first event."""


class Event(Record, key="key", time="at"):
    """Something with a number at a time."""

    key: str
    at: datetime
    value: float | None


class Member(Record, key="key", time="since"):
    """Which group a key belongs to from a moment on."""

    key: str
    since: datetime
    group: str


class Grouped(Record, key="group", time="at"):
    """An event with the group of its key."""

    group: str
    at: datetime
    value: float | None


class Compared(Record, key="key", time="at"):
    """An event beside what came before it for its key."""

    key: str
    at: datetime
    value: float | None
    before: datetime | None
    most: float | None


def compared(rows: pl.LazyFrame) -> pl.LazyFrame:
    """One number that tells how long ago the row before was, and the most before it."""
    ago = (pl.col("at") - pl.col("before")).dt.total_microseconds() / SECOND
    return rows.select("key", "at", value=ago + 1000 * pl.col("most").fill_null(-1.0))


def not_low(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows that are not low, by a step that selects its columns after it has dropped rows."""
    return rows.filter(LOW).select("at", value=pl.col("value"), key=pl.col("key"))


def doubled(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Each row twice, the second one without a value."""
    copies = pl.when(pl.col("value").is_null()).then(pl.lit([0])).otherwise(pl.lit([0, 1]))
    return (
        rows.with_columns(copy=copies)
        .explode("copy")
        .select("key", "at", value=pl.when(pl.col("copy") == 0).then("value"))
    )


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
    flow: str = "events"
    horizon: int = 3600


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
            [
                {"every": "10s"},
                {"every": "5s", "size": "15s"},
                {"every": "1s"},
                {"every": "all time"},
                {"gap": "4s"},
                {"gap": "1s"},
            ]
        )
    )
    number = len(rows)
    for partition in range(partitions):
        for offset, row in enumerate(row for row in rows if row.partition == partition):
            row.offset = offset
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
        draw(st.sampled_from(["events", "where", "selected", "doubled", "grouped", "previous"])),
        draw(st.sampled_from([3, 15, 3600])),
    )


def plan_of(case: Case) -> Plan:
    """One topic, a step behind it or none, one window, one table."""
    events = Topic("events", Event, partitions=case.partitions)
    flow = flow_of(case, events)
    window = flow.window(
        "spans",
        by=list(flow.record.key),
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


def flow_of(case: Case, events: Topic) -> Flow:
    """What stands between the topic and the window."""
    if case.flow == "where":
        return events.where("flow", LOW)
    if case.flow == "selected":
        return events.stream("flow", into=Event, transform=not_low)
    if case.flow == "doubled":
        return events.stream("flow", into=Event, transform=doubled)
    if case.flow == "grouped":
        members = Topic("members", Member).table("groups", deleted=pl.col("group") == "gone")
        return events.join("flow", members, on=["key"], into=Grouped)
    if case.flow == "previous":
        return events.previous(
            "compared",
            by=["key"],
            into=Compared,
            columns={"before": "at"},
            running={"most": maximum("value")},
            horizon=timedelta(seconds=case.horizon),
        ).stream("flow", into=Event, transform=compared)
    return events


def reaching(case: Case) -> list[Row]:
    """The rows that reach the window."""
    if case.flow in ("where", "selected"):
        return [row for row in case.rows if row.value is None or row.value >= 0 or row.value == DELETE]
    if case.flow == "doubled":
        return [
            replace(row, value=value)
            for row in case.rows
            for value in ([row.value] if row.value is None else [row.value, None])
        ]
    if case.flow == "grouped":
        return [replace(row, key=GROUPS[row.key]) for row in case.rows if GROUPS[row.key] != "gone"]
    if case.flow == "previous":
        found = oracle.before(case.rows, horizon=case.horizon * SECOND, partitions=case.partitions)
        return [replace(row, value=told(row, *before)) for row, before in zip(case.rows, found, strict=True)]
    return case.rows


def told(row: Row, at: int | None, most: float | None) -> float | None:
    """What `compared` makes of a row."""
    return None if at is None else (row.time - at) / SECOND + 1000 * (-1.0 if most is None else most)


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
    if case.flow == "grouped":  # and all of them are read before the first event
        broker.append("members", pl.DataFrame(members())).result()
        bounds = [0, *bounds]
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


def members() -> list[pl.Series]:
    """Which key belongs to which group, long before the first event."""
    since = [START - timedelta(days=1)] * len(GROUPS)
    return [
        pl.Series("key", list(GROUPS)),
        pl.Series("since", since, dtype=TIME),
        pl.Series("group", list(GROUPS.values())),
    ]


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
        (r.get("key") or r.get("group"), r["window_start"], r["window_end"]): [
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


def micros(text: str) -> int:
    """A window's span; all time reaches from 1970 nearly to the end of 9999."""
    return (LAST - EPOCH) // timedelta(microseconds=1) if text == "all time" else int(text[:-1]) * SECOND


def expected(case: Case) -> Answer:
    """The oracle's answer."""
    common = {"lateness": case.lateness * SECOND, "partitions": case.partitions}
    window = {name: micros(text) for name, text in case.window.items()}
    if "gap" in window:
        return oracle.sessions(reaching(case), gap=window["gap"], **common)
    return oracle.spans(reaching(case), size=window.get("size", window["every"]), every=window["every"], **common)


def check(case: Case, engine: EmbeddedEngine, store: HotStore) -> None:
    """Windows, open windows, late rows and table must be the oracle's, each exactly once."""
    answer = expected(case)
    everything = (START - timedelta(days=1), START + timedelta(days=1))
    assert cells(store.windows("spans", *everything)) == answer.closed
    assert cells(engine.open_windows("spans")) == answer.open
    late = store.late("spans", limit=10_000)
    keys = late["key"] if "key" in late.columns else late["group"]
    places = set(zip(late["_partition"], keys, late["at"].to_physical(), late["_offset"], strict=True))
    assert len(places) == late.height
    assert places == {(*row, offset) for row, offset in answer.late}
    newest = oracle.latest(case.rows, {DELETE})
    table = store.table("newest", limit=100)
    assert dict(zip(table["key"], table["value"], strict=True)) == {key: row.value for key, row in newest.items()}
