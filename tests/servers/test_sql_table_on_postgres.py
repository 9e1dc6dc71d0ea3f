"""A table of a real PostgreSQL as a source."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")

import psycopg

from tests.unit.adapters.strangers import Kept, until
from tests.unit.adapters.test_sql_table import gauges, reading
from wayside.adapters import SqlTable
from wayside.record import Record

if TYPE_CHECKING:
    from cluster.postgres import Postgres

pytestmark = pytest.mark.servers
SCHEMA = f"levels_{os.getpid()}"


class Gauge(Record, key="gauge"):
    """Types that PostgreSQL has and JSON has not."""

    gauge: str
    at: float | None
    level: float | None
    taken: str | None
    dry: bool


@pytest.fixture
def connection(postgres: Postgres) -> Iterator[Any]:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        connection.execute(
            f"CREATE TABLE {SCHEMA}.levels (number bigserial PRIMARY KEY, gauge text, at double precision, "
            "level numeric(8, 2), taken timestamptz, dry boolean)"
        )
        yield connection
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def add(connection: Any, at: int) -> None:
    values = ("g", 1_772_366_400.0 + at, "1.25", "2026-03-01 12:00:00+00", at % 2 == 0)
    columns = "gauge, at, level, taken, dry"
    connection.execute(f"INSERT INTO {SCHEMA}.levels ({columns}) VALUES (%s, %s, %s, %s, %s)", values)


def source(dsn: str, **more: Any) -> SqlTable:
    given = {"id": "number", "every": 0.05, "back_off": (0.02, 0.1), **more}
    return SqlTable(dsn, f"{SCHEMA}.levels", **given)


def test_rows_come_once_over_a_restart(postgres: Postgres, connection: Any, tmp_path: Path) -> None:
    kept, place = Kept(), tmp_path / "feeds" / "levels.json"
    for at in range(1, 8):
        add(connection, at)
    with reading(source(postgres.dsn, batch=3), kept, place, Gauge):
        until(lambda: len(kept.lines) == 7)
        add(connection, 8)
        until(lambda: len(kept.lines) == 8)
    add(connection, 9)
    with reading(source(postgres.dsn), kept, place, Gauge):
        until(lambda: len(kept.lines) == 9)
    assert gauges(kept) == [*range(1, 10)]
    first = json.loads(kept.lines[0])
    assert (first["level"], first["dry"], first["taken"][:4]) == (1.25, False, "2026")


def test_a_transaction_that_commits_late_is_not_passed_over(
    postgres: Postgres, connection: Any, tmp_path: Path
) -> None:
    """PostgreSQL gives ids when rows are written, and shows rows when their transaction commits."""
    kept = Kept()
    with psycopg.connect(postgres.dsn) as slow:
        add(slow, 1)
        add(connection, 2)
        with reading(source(postgres.dsn), kept, tmp_path / "levels.json", Gauge):
            until(lambda: len(kept.lines) == 1)
            slow.commit()
            until(lambda: len(kept.lines) == 2)
    assert gauges(kept) == [2, 1]


def test_what_is_wrong_is_said_without_the_password(
    postgres: Postgres, connection: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEVELS_PASSWORD", "4711-secret")
    dsn = postgres.dsn.replace("wayside@", "wayside:${env:LEVELS_PASSWORD}@")
    with reading(SqlTable(dsn, f"{SCHEMA}.nothing", back_off=(0.02, 0.1)), Kept(), None, Gauge) as runner:
        until(lambda: f"There is no table '{SCHEMA}.nothing'" in runner.status().last_error)
        assert "can be read: levels." in runner.status().last_error
    away = dsn.replace(f":{postgres.port}/", ":1/")
    with reading(SqlTable(away, "nothing", back_off=(0.02, 0.1)), Kept(), None, Gauge) as runner:
        until(lambda: "does not give the rows" in runner.status().last_error)
        assert "4711" not in runner.status().last_error
    with reading(source(dsn, id="gauge"), kept := Kept(), None, Gauge) as runner:
        add(connection, 1)
        until(lambda: runner.status().state == "stale" and runner.status().last_error)
    assert kept.lines == []
