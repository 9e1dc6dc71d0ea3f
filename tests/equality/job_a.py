"""Job A of the bench as a plan with a table, and its generator's messages: late and malformed ones are among them."""

from __future__ import annotations

from datetime import datetime

from bench.generate import chunk
from tests.equality.worlds import Message, home
from wayside.adapters import HttpPush
from wayside.domain import Domain, Plan, Topic, count, maximum, mean, minimum
from wayside.record import Record


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
    return Plan.of([Domain("equality", "Equality", [window, latest])])


def recorded(topic: str, partitions: int, number: int) -> list[Message]:
    """Messages of job A's generator, late and malformed ones among them; each thing's in one partition."""
    found = []
    for line in chunk(0, number):
        thing = line.split('"')[3] if line.startswith('{"device_id":"') else line[:20]
        found.append(Message(topic, home(thing, partitions), line.rstrip("\n").encode()))
    return found
