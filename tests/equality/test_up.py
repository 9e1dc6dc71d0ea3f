"""`wayside up` on Kafka, Spark and Postgres: an engine's process on Spark, and two replicas that give one answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from cluster import site, spark
from wayside_domains.transit import city
from wayside_domains.transit.times import text_of

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
RECORDS = "/v1/topics/processed_messages/records?feed=devices"
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
WINDOWS = "/v1/windows/device_rollup?from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z"


def reading(second: int, value: float) -> dict[str, Any]:
    return {
        "device_id": "a",
        "timestamp": f"2026-01-05T12:00:{second:02}Z",
        "tag": "Thermostat",
        "temperature": value,
    }


def rows(address: str, path: str) -> list[dict[str, Any]]:
    frame = httpx2.get(address.rstrip("/") + path, timeout=30).raise_for_status().json()
    names = [column["name"] for column in frame["columns"]]
    return [dict(zip(names, row, strict=True)) for row in frame["rows"]]


def wait_for(condition: Callable[[], bool], seconds: float = 150) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.2)


def called(address: str) -> list[str]:
    """What the vehicle did at stops, in order; open windows are among it."""
    found = rows(address, "/v1/windows/stop_times?from=2026-01-05T00:00:00Z&to=2026-01-07T00:00:00Z&vehicle_id=v")
    return [str(row["event"]) for row in sorted(found, key=lambda row: float(row["moment"]))]


def drive() -> list[dict[str, Any]]:
    """A vehicle of the city on one of its trips, told every ten seconds, from its second stop to behind the third."""
    table = city.timetable()
    day = BEGAN.date()
    trip = table.trip(table.trips_on(day).filter(route_id="M1")["trip_id"][20])
    assert trip is not None
    calls, line = table.calls_of(trip.trip_id), table.line_of(trip)
    assert calls.along is not None
    assert line is not None
    begin = table.at(day, float(calls.departures[1]))
    ways = np.arange(float(calls.along[1]), float(calls.along[2]) + 300, 100.0)
    lat, lon, _ = line.at(ways)
    return [
        {
            "network": "halcyon",
            "vehicle_id": "v",
            "timestamp": (begin + timedelta(seconds=10 * number)).astimezone(UTC).isoformat(),
            "trip_id": trip.trip_id,
            "start_date": text_of(day),
            "latitude": float(lat[number]),
            "longitude": float(lon[number]),
            "removed": False,
        }
        for number in range(len(ways))
    ]


def test_readings_reach_both_replicas_through_spark(foreign: str, tmp_path: Path) -> None:
    """One topic is in Avro, by somebody else's registry; the others are in JSON."""
    if reason := site.missing() or spark.missing():
        pytest.skip(reason)
    env = {
        "WAYSIDE_ENGINE": "spark",
        "WAYSIDE_SPARK_MASTER": "local[1]",
        "WAYSIDE_SPARK_JARS": ",".join(map(str, spark.install())),
        "WAYSIDE_KAFKA_TOPIC_VALUES": '{"processed_messages": "avro"}',
        "WAYSIDE_KAFKA_REGISTRY": foreign,
        "WAYSIDE_LAKE": "false",
    }
    with site.running(tmp_path, env=env) as running:
        one, two = (replica.address for replica in running.replicas)
        positions = drive()
        answer = httpx2.post(one.rstrip("/") + "/v1/topics/vehicle_positions/records", json=positions, timeout=60)
        assert (answer.status_code, answer.json()["accepted"]) == (202, len(positions))
        readings = [reading(1, 20.0), reading(4, 22.0), reading(31, 19.5), reading(2, 99.0), reading(32, -500.0)]
        answer = httpx2.post(one.rstrip("/") + RECORDS, json=readings, timeout=60)
        assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (202, 4, 1)
        wait_for(lambda: [row["value"] for row in rows(two, "/v1/tables/device_latest")] == [19.5])
        for address in (one, two):
            wait_for(lambda address=address: len(rows(address, WINDOWS)) == 2)  # type: ignore[misc]  # bound at once
            closed, still = sorted(rows(address, WINDOWS), key=lambda row: str(row["window_start"]))
            assert (closed["count"], closed["average"], closed["open"]) == (2, 21.0, False)
            assert (still["count"], still["average"], still["open"]) == (1, 19.5, True)
            wait_for(lambda address=address: called(address) == ["departure", "arrival", "departure"])  # type: ignore[misc]  # bound at once
        assert "processed_messages-value" in httpx2.get(f"{foreign}/subjects", timeout=30).json()
        (vehicle,) = rows(two, "/v1/tables/vehicles?vehicle_id=v")
        assert vehicle["line_id"].startswith("halcyon/")
        lines = httpx2.get(one.rstrip("/") + "/api/transit/passed?place=halcyon/central&minutes=5", timeout=30)
        assert lines.status_code == 200
