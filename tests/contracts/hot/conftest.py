"""What every hot store promises: these suites run over each of `STORES`. A new implementation joins by a line there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.hot.samples import TABLE, WINDOW
from wayside.clock import ManualClock
from wayside.hot.memory import MemoryStore
from wayside.hot.postgres.store import PostgresStore
from wayside.hot.sqlite import SqliteStore
from wayside.ports import HotStore

if TYPE_CHECKING:
    from cluster.postgres import Postgres

Open = Callable[[pytest.FixtureRequest, ManualClock], HotStore]


def in_postgres(request: pytest.FixtureRequest, clock: ManualClock) -> HotStore:
    import psycopg

    server: Postgres = request.getfixturevalue("postgres")
    with psycopg.connect(server.dsn) as connection:
        connection.execute("DROP SCHEMA IF EXISTS contract CASCADE")
    return PostgresStore(server.dsn, schema="contract", clock=clock)


def in_a_file(request: pytest.FixtureRequest, clock: ManualClock) -> HotStore:
    folder: Path = request.getfixturevalue("tmp_path")
    return SqliteStore(folder / "hot.db", clock=clock, commits=1_000)


STORES: dict[str, Open] = {
    "memory": lambda request, clock: MemoryStore(clock=clock),
    "sqlite": in_a_file,
    "postgres": in_postgres,
}
MARKS = {"postgres": [pytest.mark.servers]}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, [])) for name in STORES])
def store(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[HotStore]:
    opened = STORES[request.param](request, clock)
    opened.ensure([TABLE], [WINDOW])
    yield opened
    opened.close()
