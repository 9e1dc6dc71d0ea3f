"""The same messages through the same doors into both profiles: every row of the two worlds is the same, bit for bit.

Late, repeated and malformed messages are among them; intakes, logs, engines and stores are those of a running Wayside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")

from bench.generate import chunk
from tests.equality.job_a import plan_of
from tests.equality.worlds import differences, on_spark, prepared, rows_of
from wayside.adapters.intake import FeedIntake
from wayside.adapters.replay import FileReplay
from wayside.broker import EmbeddedBroker
from wayside.broker.kafka import KafkaBroker
from wayside.broker.kafka.catalog import kafka_name
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Plan
from wayside.hot.postgres.store import PostgresStore
from wayside.hot.sqlite import SqliteStore
from wayside.ports import Broker
from wayside.quarantine import SPEC
from wayside_domains.devices import domain
from wayside_domains.devices.feeds import beijing_air

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]
Rows = dict[str, pl.DataFrame]
Submit = Callable[[dict[str, FeedIntake]], None]
GOLDEN = Path(__file__).resolve().parent.parent / "domains" / "devices" / "golden" / "messages.ndjson"
PIECE = 20_000


@contextmanager
def doors(plan: Plan, broker: Broker) -> Iterator[dict[str, FeedIntake]]:
    """The topics of a plan, and the intake of each of its feeds."""
    for spec in (*(topic.spec for topic in plan.topics.values()), SPEC):
        broker.create(spec)
    intakes = {name: FeedIntake(feed, broker) for name, feed in plan.feeds.items()}
    try:
        yield intakes
    finally:
        for intake in intakes.values():
            intake.close()


def in_the_laptop(plan: Plan, submit: Submit, folder: Path) -> Rows:
    """Embedded log, embedded engine."""
    broker = EmbeddedBroker(folder / "log")
    with doors(plan, broker) as intakes:
        submit(intakes)
    store = prepared(SqliteStore(folder / "laptop.sqlite"), plan)
    engine = EmbeddedEngine(plan, broker, store)
    engine.drain()
    return rows_of(plan, broker, store, engine)


@dataclass(frozen=True)
class Cluster:
    """Kafka, Spark, Postgres."""

    kafka: Any
    spark: Any
    postgres: Any

    def run(self, plan: Plan, submit: Submit, folder: Path, **options: Any) -> Rows:
        """What the cluster makes of the same messages."""
        prefix = f"{folder.name}-"
        broker = KafkaBroker(self.kafka.servers, prefix=prefix)
        store = PostgresStore(self.postgres.dsn, schema=folder.name)
        try:
            with doors(plan, broker) as intakes:
                submit(intakes)
            names = {topic: kafka_name(prefix, topic) for topic in plan.topics}
            options = {"servers": self.kafka.servers, "names": names, **options}
            engine = on_spark(plan, broker, self.spark, store, folder, **options)
            engine.drain()
            return rows_of(plan, broker, store, engine)
        finally:
            store.close()
            broker.close()


@pytest.fixture
def cluster(kafka: Any, spark: Any, postgres: Any) -> Cluster:
    return Cluster(kafka, spark, postgres)


def in_order(intake: FeedIntake, lines: Sequence[bytes], ids: Sequence[str] | None) -> None:
    """Hand lines over piece by piece, each when the one before is in the log."""
    for start in range(0, len(lines), PIECE):
        part = slice(start, start + PIECE)
        intake.submit(lines[part], ids=None if ids is None else ids[part]).result(60)


def test_job_a(cluster: Cluster, tmp_path: Path) -> None:
    plan = plan_of("door", 2)
    lines = [line.rstrip("\n").encode() for line in chunk(0, 200_000)]
    ids = [f"m{number}" for number in range(len(lines))]
    for number in range(0, len(lines), 97):  # a client that had no answer sends again
        lines.insert(number, lines[number])
        ids.insert(number, ids[number])

    def submit(intakes: dict[str, FeedIntake]) -> None:
        in_order(intakes["door_push"], lines, ids)
        in_order(intakes["door_push"], lines[-5_000:], ids[-5_000:])

    expected = in_the_laptop(plan, submit, tmp_path)
    assert expected["quarantine"].height > 900
    assert expected["late door_rollup"].height > 1_000
    assert expected["closed door_rollup"].height > 100_000
    records = sum(expected[name]["rows"].sum() for name in ("closed door_rollup", "open door_rollup"))
    assert records + expected["late door_rollup"].height + expected["quarantine"].height == 200_000
    assert differences(expected, cluster.run(plan, submit, tmp_path, max_offsets=77_777)) == []


def tagged(number: int) -> list[bytes]:
    """Messages of tagged devices, each tag with its field; some late, some without their reading, some no JSON."""
    tags = (("Thermostat", "temperature"), ("Barometer", "pressure"), ("Hygrometer", "humidity"))
    made = []
    for index in range(number):
        tag, name = tags[index % 3]
        second = index // 40 - (25 if index % 53 == 0 else 0)
        message = {"device_id": f"d{index % 17}", "timestamp": 1_768_000_000 + second, "tag": tag}
        message[name if index % 71 else "other"] = (index * 7919 % 10_007) / 101
        made.append(json.dumps(message).encode()[: 20 if index % 501 == 0 else None])
    return made


def test_tagged_messages(cluster: Cluster, tmp_path: Path) -> None:
    plan = Plan.of([domain])
    lines = [*GOLDEN.read_bytes().splitlines(), *tagged(20_000)]

    def submit(intakes: dict[str, FeedIntake]) -> None:
        in_order(intakes["devices"], lines, None)

    expected = in_the_laptop(plan, submit, tmp_path)
    assert expected["quarantine"].height > 300
    assert expected["late device_rollup"].height > 100
    assert expected["closed device_rollup"].height > 500
    assert differences(expected, cluster.run(plan, submit, tmp_path)) == []


@pytest.mark.realdata
@pytest.mark.parametrize("hours", [1_500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_the_air_of_beijing(hours: int, real_data: Path, cluster: Cluster, tmp_path: Path) -> None:
    plan = Plan.of([domain])
    files = []
    for file in sorted((real_data / "beijing_air").glob("PRSA_Data_*.csv"))[:2]:
        files.append(tmp_path / file.name)
        files[-1].write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[: hours + 1]))

    def submit(intakes: dict[str, FeedIntake]) -> None:
        done = FileReplay(beijing_air, files, intakes[beijing_air.name]).run()
        assert done.accepted > 10 * hours

    expected = in_the_laptop(plan, submit, tmp_path)
    assert expected["quarantine"].height > 100
    assert differences(expected, cluster.run(plan, submit, tmp_path, max_offsets=20_000)) == []
