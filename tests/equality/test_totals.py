"""Three simulated lines through the embedded engine and through Kafka and Spark: joins, windows and running totals."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.equality.worlds import BareKafka, Message, copied, differences, embedded, on_spark, rows_of
from wayside.domain import Plan
from wayside.hot.sqlite import SqliteStore
from wayside_domains.metro import Metro
from wayside_domains.metro.network import stops
from wayside_domains.metro.simulation import Clockwork, Listed, Sky, Trains, Turnstiles

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
BEGAN = datetime(2026, 11, 20, 12, tzinfo=UTC)


def said(lines: Metro, counted: dict[int, int], *, hours: int) -> list[Message]:
    """What all of them say over some hours."""
    clock, chance = Clockwork(), random.Random(50)
    worlds: list[tuple[str, Any]] = [
        (lines.arrivals.name, Trains(clock, chance)),
        (lines.entries.name, Turnstiles(clock, chance, lines.zone, counted)),
        (lines.weather.name, Sky(clock, chance)),
    ]
    listed = Listed(clock, chance)
    rows = [message for thing in range(len(stops())) for message in listed.messages(thing, BEGAN)]
    found = [Message(lines.stops.name, 0, json.dumps(row).encode()) for row in rows]
    for minute in range(0, hours * 60 + 1, 5):
        now = BEGAN + timedelta(minutes=minute)
        for topic, world in worlds:
            messages = [each for thing in range(len(world.things())) for each in world.messages(thing, now)]
            found += [Message(topic, 0, json.dumps(each).encode()) for each in messages]
    return found


def test_the_lines_on_both_engines(kafka: Any, spark: Any, tmp_path: Path) -> None:
    lines, counted = Metro("metro", "Metro"), {}
    plan = Plan.of([lines.domain()])
    messages = said(lines, counted, hours=3)
    broker, store, engine = embedded(plan, messages, tmp_path / "embedded")
    expected = rows_of(plan, broker, store, engine)
    totals = expected["open metro_entries"]
    assert totals["rows"].sum() == sum(counted.values()) > 40_000
    assert expected["closed metro_entries_15m"].height > 500
    log = BareKafka(kafka.servers, plan)
    log.produce(copied(broker, plan))
    found = on_spark(plan, log, spark, SqliteStore(tmp_path / "cluster.sqlite"), tmp_path / "cluster")
    found.drain()
    assert differences(expected, rows_of(plan, log, found.ledger.store, found)) == []
