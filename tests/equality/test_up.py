"""`wayside up` on Kafka, Spark and Postgres: an engine's process on Spark, and two replicas that give one answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cluster import site, spark

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
RECORDS = "/v1/topics/processed_messages/records?feed=devices"
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


def test_readings_reach_both_replicas_through_spark(tmp_path: Path) -> None:
    if reason := site.missing() or spark.missing():
        pytest.skip(reason)
    env = {
        "WAYSIDE_ENGINE": "spark",
        "WAYSIDE_SPARK_MASTER": "local[1]",
        "WAYSIDE_SPARK_JARS": ",".join(map(str, spark.install())),
        "WAYSIDE_LAKE": "false",
        "WAYSIDE_DOMAINS": "devices",
    }
    with site.running(tmp_path, env=env) as running:
        one, two = (replica.address for replica in running.replicas)
        readings = [reading(1, 20.0), reading(4, 22.0), reading(31, 19.5), reading(2, 99.0), reading(32, -500.0)]
        answer = httpx2.post(one.rstrip("/") + RECORDS, json=readings, timeout=60)
        assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (202, 4, 1)
        wait_for(lambda: [row["value"] for row in rows(two, "/v1/tables/device_latest")] == [19.5])
        for address in (one, two):
            wait_for(lambda address=address: len(rows(address, WINDOWS)) == 2)  # type: ignore[misc]  # bound at once
            closed, still = sorted(rows(address, WINDOWS), key=lambda row: str(row["window_start"]))
            assert (closed["count"], closed["average"], closed["open"]) == (2, 21.0, False)
            assert (still["count"], still["average"], still["open"]) == (1, 19.5, True)
