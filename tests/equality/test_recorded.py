"""The same recorded input through the embedded engine and through Kafka and Spark: the same rows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bench.generate import chunk
from tests.equality.worlds import BareKafka, Message, differences, embedded, home, on_spark, rows_of
from wayside.domain import Domain, Plan, Topic, count, maximum, mean, minimum
from wayside.hot.sqlite import SqliteStore
from wayside.record import Record

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]


class Measured(Record, key="device_id", time="timestamp"):
    """A message of job A."""

    device_id: str
    timestamp: datetime
    sensor: str
    value: float


def plan_of(topic: str, partitions: int) -> Plan:
    """Job A's window, and a table."""
    messages = Topic(topic, Measured, partitions=partitions)
    window = messages.window(
        f"{topic}_rollup",
        by=["device_id", "sensor"],
        every="10s",
        lateness="2s",
        idle="1h",
        count=count(),
        average=mean("value"),
        minimum=minimum("value"),
        maximum=maximum("value"),
    )
    latest = messages.table(f"{topic}_latest", by=["device_id", "sensor"])
    return Plan.of([Domain("equality", "Equality", [window, latest])])


def recorded(topic: str, partitions: int, number: int) -> list[Message]:
    """Messages of job A's generator, late and malformed ones among them; each thing's in one partition."""
    found = []
    for line in chunk(0, number):
        thing = line.split('"')[3] if line.startswith('{"device_id":"') else line[:20]
        found.append(Message(topic, home(thing, partitions), line.rstrip("\n").encode()))
    return found


@pytest.mark.parametrize("partitions", [1, 2])
def test_job_a(partitions: int, kafka: Any, spark: Any, tmp_path: Path) -> None:
    plan = plan_of(f"a{partitions}", partitions)
    topic = next(iter(plan.topics))
    messages = recorded(topic, partitions, 100_000)
    broker, store, engine = embedded(plan, messages, tmp_path / "embedded")
    expected = rows_of(plan, broker, store, engine)
    log = BareKafka(kafka.servers, plan)
    log.produce(messages)
    found = on_spark(plan, log, spark, SqliteStore(tmp_path / "cluster.sqlite"), tmp_path)
    found.drain()
    assert expected["quarantine"].height > 400
    assert expected[f"late {topic}_rollup"].height > 100
    assert differences(expected, rows_of(plan, log, found.ledger.store, found)) == []
