"""Recorded feeds of two agencies, and a city with a timetable, through Kafka, Spark and PostgreSQL: tables, windows and
late rows are those of the embedded engine."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from tests.equality.worlds import BareKafka, Message, copied, differences, embedded, on_spark, rows_of
from tests.realdata.recordings import agency, irish, mbta
from tests.unit.adapters.strangers import Handler, Stranger
from wayside.domain import Plan
from wayside.hot.postgres.store import PostgresStore
from wayside_domains.transit import Network, Transit, city
from wayside_domains.transit.simulation import positions_of

pytest.importorskip("google.transit.gtfs_realtime_pb2", reason="the extra `transit` is not installed")
pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]
BEGAN = datetime(2026, 11, 26, 17, 30, tzinfo=UTC)


@pytest.fixture
def stores(postgres: Any) -> Iterator[Callable[[str], PostgresStore]]:
    """Makes stores in PostgreSQL, each in a schema of its own."""
    opened: list[PostgresStore] = []

    def store(schema: str) -> PostgresStore:
        with psycopg.connect(postgres.dsn, autocommit=True) as connection:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        opened.append(PostgresStore(postgres.dsn, schema=schema))
        return opened[-1]

    yield store
    for each in opened:
        each.close()


def compared(
    made: Transit, lines: list[bytes], world: tuple[Any, Any, Callable[[str], PostgresStore]], folder: Path
) -> dict[str, Any]:
    """Run messages through both worlds, in micro-batches of other sizes; returns the rows, which are the same."""
    kafka, spark, stores = world
    plan = Plan.of([made.domain()])
    topic = made.positions.name
    messages = [Message(topic, 0, line) for line in lines]
    broker, store, engine = embedded(plan, messages, folder / "embedded", max_rows=3_000, broken=False)
    expected = rows_of(plan, broker, store, engine)
    log = BareKafka(kafka.servers, plan)
    log.produce(copied(broker, plan))
    found = on_spark(plan, log, spark, stores(topic), folder, max_offsets=max(2_000, len(lines) // 4))
    found.drain()
    assert found.ledger.sequence > 1, "what is remembered goes from micro-batch to micro-batch"
    rows = rows_of(plan, log, found.ledger.store, found)
    assert differences(expected, rows) == []
    return expected


@pytest.mark.realdata
def test_an_hour_of_mbta(
    real_data: Path, kafka: Any, spark: Any, stores: Callable[[str], PostgresStore], tmp_path: Path
) -> None:
    lines = [line for _, found in mbta(real_data) for line in found]
    rows = compared(agency("mbta_"), lines, (kafka, spark, stores), tmp_path)
    assert rows["closed mbta_stop_times"].height > 2_000
    assert rows["closed mbta_stop_times"]["headway__n"].sum() > 500
    assert rows["table mbta_vehicles"].height > 50
    assert rows["table mbta_stop_headways"].drop_nulls("headway").height > 200


@pytest.mark.realdata
def test_two_hours_of_irish_rail(
    real_data: Path, kafka: Any, spark: Any, stores: Callable[[str], PostgresStore], tmp_path: Path
) -> None:
    lines = [line for _, found in irish(real_data) for line in found]
    rows = compared(agency("irish_"), lines, (kafka, spark, stores), tmp_path)
    assert rows["closed irish_vehicle_delay"].height > 500
    assert rows["table irish_vehicles"].drop_nulls("delay").height > 20


def ten_minutes(things: int) -> list[bytes]:
    """What the vehicles of the made city say every 15 seconds."""
    world = positions_of(city.timetable)(things, random.Random(50))
    return [
        json.dumps(otherwise(thing, dict(message))).encode()
        for step in range(40)
        for thing in range(things)
        for message in world.messages(thing, BEGAN + timedelta(seconds=15 * step))
    ]


def otherwise(thing: int, message: dict[str, Any]) -> dict[str, Any]:
    """Some vehicles tell no service day, some run trips that the timetable does not have, or not as it has them."""
    if thing % 8 == 1:
        message |= {"start_date": None}
    if thing % 8 == 2:
        message |= {"start_date": None, "trip_id": f"extra {message.get('trip_id')}", "relationship": "ADDED"}
    if thing % 8 == 3:
        message |= {"relationship": "REPLACEMENT"}
    return message


def test_a_city_whose_timetable_each_worker_reads_by_itself(
    kafka: Any, spark: Any, stores: Callable[[str], PostgresStore], tmp_path: Path
) -> None:
    lines = ten_minutes(90)
    made = Transit("halcyon", "H", Network(city.NETWORK, "H", city.timetable), zone=city.ZONE, prefix="halcyon_")
    rows = compared(made, lines, (kafka, spark, stores), tmp_path)
    assert rows["table halcyon_vehicles"].drop_nulls("along").height > 20
    times = rows["closed halcyon_stop_times"], rows["open halcyon_stop_times"]
    assert sum(frame["delay__n"].sum() for frame in times) > 150
    added = [frame.filter(pl.col("trip_id").str.starts_with("extra ")) for frame in times]
    assert sum(frame.height for frame in added) > 20, "they count where they really run"


def test_a_timetable_from_an_address_reaches_the_workers_as_the_engine_has_it(
    kafka: Any, spark: Any, stores: Callable[[str], PostgresStore], tmp_path: Path
) -> None:
    """It is fetched twice: after the second time some trips are only in the one before, and still under way."""
    whole, fewer = ({**city.tables()} for _ in range(2))
    fewer["trips.txt"] = fewer["trips.txt"].filter(pl.col("route_id") != "M1")
    bodies = [zipped(whole), zipped(fewer)]
    lines = ten_minutes(60)
    with Stranger(*(partial(Handler.give, status=200, body=body) for body in bodies)) as server:
        network = Network(city.NETWORK, "H", server.url)
        made = Transit("fetched", "F", network, zone=city.ZONE, prefix="fetched_")
        for _ in range(2):
            for chore in made.domain().chores:
                chore.work(tmp_path / "own")
    rows = compared(made, lines, (kafka, spark, stores), tmp_path)
    on_lines = rows["table fetched_vehicles"].drop_nulls("along")
    assert {"M1", "M2"} <= set(on_lines["route_id"])


def zipped(tables: dict[str, pl.DataFrame]) -> bytes:
    """Tables as an agency serves them."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in tables.items():
            archive.writestr(name, rows.write_csv())
    return content.getvalue()
