"""Job A of the bench as a plan with a table, and its generator's messages: late and malformed ones are among them."""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl

from bench.generate import chunk
from tests.equality.worlds import Message, home
from wayside.adapters import HttpPush
from wayside.domain import Domain, Plan, Topic, Window, count, maximum, mean, minimum, total
from wayside.record import Record, field


class Measured(Record, key="device_id", time="timestamp"):
    """A message of job A."""

    device_id: str
    timestamp: datetime
    sensor: str
    value: float


def plan_of(topic: str, partitions: int) -> Plan:
    """Job A's window, and a table."""
    messages = Topic(topic, Measured, partitions=partitions)
    messages.feed(f"{topic}_push", HttpPush())
    window = messages.window(
        f"{topic}_rollup",
        by=["device_id", "sensor"],
        every="2s",
        lateness="1s",
        idle="1h",
        count=count(),
        average=mean("value"),
        minimum=minimum("value"),
        maximum=maximum("value"),
    )
    latest = messages.table(f"{topic}_latest", by=["device_id", "sensor"])
    return Plan.of([Domain("equality", "Equality", [window, latest, stepped(messages)])])


class Place(Record, key="device_id", time="since"):
    """Where a thing is from a moment on."""

    device_id: str
    since: datetime
    region: str


class Placed(Record, key="sensor", time="timestamp"):
    """A message of job C."""

    region: str | None
    timestamp: datetime
    sensor: str
    value: float = field(le=110)


class Stepped(Record, key="device_id", time="timestamp"):
    """A message beside what came before it from its sensor."""

    device_id: str
    timestamp: datetime
    sensor: str
    value: float
    before: float | None
    since: datetime | None
    most: float | None


def stepped(messages: Topic) -> Window:
    """What came before each message, in windows: any other row before, or one forgotten elsewhere, shows in them."""
    steps = messages.previous(
        f"{messages.name}_stepped",
        by=["device_id", "sensor"],
        into=Stepped,
        columns={"before": "value", "since": "timestamp"},
        running={"most": maximum("value")},
        horizon="20s",
    )
    return steps.window(
        f"{messages.name}_steps",
        by=["device_id"],
        every="5s",
        lateness="1s",
        idle="1h",
        n=count(),
        before=total("before"),
        most=total("most"),
        highest=maximum("before"),
    )


def warm(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Some of the messages, with another value."""
    return rows.filter(pl.col("value") > -5).select(pl.all().exclude("value"), value=pl.col("value") * 1.1)


def everything(topic: str, places: str, partitions: int) -> Plan:
    """Streams, a join, all kinds of windows, a table with deletes, and rows that break a rule behind the door."""
    messages = Topic(topic, Measured, partitions=partitions)
    where = Topic(places, Place).table(f"{places}_now", deleted=pl.col("region") == "gone")
    placed = messages.stream(f"{topic}_warm", into=Measured, transform=warm).join(
        f"{topic}_placed", where, on=["device_id"], into=Placed, how="left"
    )
    sums = {"n": count(), "sum": total("value"), "low": minimum("value"), "high": maximum("value")}
    hopping = placed.window(f"{topic}_hops", by=["region"], every="1s", size="3s", lateness="1s", idle="1h", **sums)
    session = messages.where(f"{topic}_hot", pl.col("value") > 100).window(
        f"{topic}_visits", by=["device_id"], gap="1s", lateness="1s", idle="1h", **sums
    )
    latest = messages.table(f"{topic}_latest", by=["device_id"], deleted=pl.col("value") < 0)
    return Plan.of([Domain("everything", "Everything", [hopping, session, latest, where, stepped(messages)])])


def known_places(places: str) -> list[Message]:
    """A version or two of where things are; some are gone, of some nothing is known."""
    rows = []
    for number in range(9_000):
        since = f"2023-03-28T{number % 20:02d}:00:{number % 7:02d}Z"
        region = "gone" if number % 31 == 0 else f"r{number % 5}"
        rows.append({"device_id": str(number), "since": since, "region": region})
        if number % 3 == 0:
            rows.append({"device_id": str(number), "since": "2023-03-28T20:00:01Z", "region": f"r{number % 4}"})
    return [Message(places, 0, json.dumps(row).encode()) for row in rows]


def recorded(topic: str, partitions: int, number: int) -> list[Message]:
    """Messages of job A's generator, late and malformed ones among them; each thing's in one partition."""
    found = []
    for line in chunk(0, number):
        thing = line.split('"')[3] if line.startswith('{"device_id":"') else line[:20]
        found.append(Message(topic, home(thing, partitions), line.rstrip("\n").encode()))
    return found
