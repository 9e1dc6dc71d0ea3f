"""Instants that PostgreSQL or the calendar cannot hold: refused at the door or quarantined, and the engine goes on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")

from wayside.adapters import HttpPush
from wayside.adapters.intake import FeedIntake
from wayside.broker import EmbeddedBroker
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Domain, Plan, Topic, count
from wayside.hot.postgres.store import PostgresStore
from wayside.quarantine import QUARANTINE, SPEC
from wayside.record import Record, field
from wayside.wire.json import decode, encode

if TYPE_CHECKING:
    from cluster.postgres import Postgres

DUE = {
    "first": "0001-01-01T00:00:00Z",
    "last": "9999-12-31T23:59:59.999999Z",
    "none": None,
    "year 0": "0000-12-31T23:59:59Z",
    "year 10000": "+10000-01-01T00:00:00Z",
    "year -1": "-0001-01-01T00:00:00Z",
    "beyond by its offset": "9999-12-31T23:59:59-01:00",
    "milliseconds": 1_767_614_400_000_000,
    "far": "2030-01-01T00:00:00Z",
    "before": "2030-01-01T00:00:00Z",
}
GOOD = ["first", "last", "none"]


class Job(Record, key="name", time="at"):
    """A job, and when it has to be done."""

    name: str = field(max_length=32)
    at: datetime = field()
    due: datetime | None = field()


def moved(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Far out of the calendar, at both ends."""
    days = pl.when(pl.col("name") == "far").then(9_000 * 365).when(pl.col("name") == "before").then(-3_000 * 365)
    return rows.with_columns(due=pl.col("due") + pl.duration(days=days.otherwise(0)))


def plan_of_jobs() -> Plan:
    jobs = Topic("jobs", Job)
    jobs.feed("jobs_push", HttpPush())
    planned = jobs.stream("planned", into=Job, transform=moved)
    flow = (
        jobs.table("jobs_latest"),
        planned.table("planned_latest"),
        planned.window("w", by=["name"], every="10s", n=count()),
    )
    return Plan.of([Domain("jobs", "Jobs", flow=flow)])


@pytest.mark.servers
def test_what_no_store_holds_does_not_stop_the_engine(postgres: Postgres, tmp_path: Path) -> None:
    plan = plan_of_jobs()
    broker = EmbeddedBroker(tmp_path / "log")
    for spec in (*(topic.spec for topic in plan.topics.values()), SPEC):
        broker.create(spec)
    intake = FeedIntake(plan.feeds["jobs_push"], broker)
    messages = [{"name": name, "at": "2026-01-05T12:00:00Z", "due": due} for name, due in DUE.items()]
    messages.append({"name": "first", "at": "2026-01-05T13:00:00Z", "due": DUE["first"]})
    receipt = intake.submit([json.dumps(message).encode() for message in messages]).result(30)
    assert receipt.rejected == 5
    store = PostgresStore(postgres.dsn, schema="instants")
    store.ensure([t.spec for t in plan.tables.values()], [w.spec for w in plan.windows.values()])
    engine = EmbeddedEngine(plan, broker, store)
    engine.drain()
    assert sorted(store.table("jobs_latest")["name"]) == sorted([*GOOD, "far", "before"])
    rows = {row["name"]: row["due"] for row in store.table("planned_latest").iter_rows(named=True)}
    assert sorted(rows) == sorted(GOOD)
    assert rows["first"] == datetime(1, 1, 1, tzinfo=UTC)
    assert rows["last"] == datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert store.windows("w", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)).height == 3
    refused, offset = [], 0
    while batch := broker.read(QUARANTINE, 0, offset):
        refused += batch.frame["rule"].to_list()
        offset = batch.next
    assert refused == ["due.instant"] * 7
    intake.close()
    store.close()
    broker.close()


def test_a_message_of_a_stranger_may_not_have_them_either() -> None:
    schema = pl.Schema({"name": pl.String, "due": pl.Datetime("us", "UTC")})
    good = pl.DataFrame({"name": ["a"], "due": [datetime(9999, 12, 31, tzinfo=UTC)]}, schema=schema)
    texts = [*encode(good), b'{"name":"b","due":"+10000-01-01T00:00:00Z"}', b'{"name":"c","due":null}']
    found = decode(texts, schema)
    assert found.undecodable == [1]
    assert found.frame["name"].to_list() == ["a", "c"]
