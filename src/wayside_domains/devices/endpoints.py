"""Routes for clients of the system that this domain replaces: range queries, and the generator's switches.

Two choices where that system was wrong or silent: a device without data in the range is listed with null, and a device
with several sensors gets one row per sensor, named in `sensor`, because an average over different units means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import polars as pl

from wayside.domain import Answer, Endpoint, Queries
from wayside_domains.devices.feeds import generator

EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
MOST_DEVICES = 10_000
MOST_RATE = 100.0
Output = Literal["average", "maximum", "minimum"]


class RangeQuery(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """Devices and a range of time; `from` is 1980 and `to` is now unless given, as ISO 8601 or seconds since 1970."""

    device_ids: list[str]
    start: str | int | float | None = None
    end: str | int | float | None = None
    sensor: str | None = None


def instant(given: str | float | None, default: datetime) -> datetime:
    """The instant that a client means; text without an offset is in UTC. Raises ValueError."""
    if given is None:
        return default
    try:
        if isinstance(given, str):
            at = datetime.fromisoformat(given)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        return datetime.fromtimestamp(given, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{given!r} is not an instant: write ISO 8601, or seconds since 1970.") from error


def problem(status: int, title: str, detail: str) -> Answer:
    """An error as problem details."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Answer(status, body, {"content-type": "application/problem+json"})


def over_range(output: Output, queries: Queries, query: RangeQuery) -> Answer:
    """One aggregate over a range per device and sensor: of all its windows, the open ones too."""
    try:
        start, end = instant(query.start, EARLIEST), instant(query.end, queries.now())
    except ValueError as error:
        return problem(422, "The range cannot be read", str(error))
    if start > end:
        return problem(422, "The range is empty", f"`from` ({iso(start)}) lies after `to` ({iso(end)}).")
    where = {"device_id": query.device_ids, **({"sensor": [query.sensor]} if query.sensor else {})}
    rows: list[dict[str, Any]] = []
    if query.device_ids:
        found = queries.summary("device_rollup", start, end, by=["device_id", "sensor"], where=where)
        for device in dict.fromkeys(query.device_ids):
            own = found.filter(pl.col("device_id") == device).sort("sensor")
            rows += [{"device_id": device, output: row[output], "sensor": row["sensor"]} for row in own.to_dicts()]
            if own.is_empty():
                rows.append({"device_id": device, output: None})
    return Answer(200, {"from": iso(start), "to": iso(end), "data": rows})


def iso(at: datetime) -> str:
    """ISO 8601 in UTC."""
    return at.isoformat().replace("+00:00", "Z")


def average(queries: Queries, query: Any, _: Mapping[str, str]) -> Answer:
    """Average per device and sensor: sum over count of all readings in the range."""
    return over_range("average", queries, query)


def maximum(queries: Queries, query: Any, _: Mapping[str, str]) -> Answer:
    """Largest value per device and sensor."""
    return over_range("maximum", queries, query)


def minimum(queries: Queries, query: Any, _: Mapping[str, str]) -> Answer:
    """Smallest value per device and sensor."""
    return over_range("minimum", queries, query)


def start(queries: Queries, _: Any, given: Mapping[str, str]) -> Answer:
    """Start the generator: 208 when it runs already, 406 for a number of devices that is not positive."""
    try:
        devices, rate = int(given.get("numDevices", "3")), float(given.get("rate", "1"))
    except ValueError:
        return problem(422, "Not a number", "`numDevices` must be an integer and `rate` a number.")
    if devices <= 0:
        return problem(406, "Not acceptable", f"`numDevices` must be at least 1; got {devices}.")
    if devices > MOST_DEVICES or not 0 < rate <= MOST_RATE:
        most = f"`numDevices` may be {MOST_DEVICES} at most, and `rate` above 0 and up to {MOST_RATE:g} per second."
        return problem(422, "Out of range", most)
    running = queries.generator(generator.name)
    if running.running:
        return Answer(208)
    running.start(devices, rate=rate)
    return Answer(200)


def stop(queries: Queries, _: Any, __: Mapping[str, str]) -> Answer:
    """Stop the generator; nothing happens when it is stopped."""
    queries.generator(generator.name).stop()
    return Answer(200)


def status(queries: Queries, _: Any, __: Mapping[str, str]) -> Answer:
    """Whether the generator runs, and with which devices."""
    running = queries.generator(generator.name)
    if not running.running:
        return Answer(200, {"status": "stopped"})
    things = running.things()
    return Answer(200, {"status": "running", "numDevices": len(things), "devices": things})


RANGE_REPLIES = {200: "one row per device and sensor; null for a device without data", 422: "the range is not one"}
EXAMPLE = {"from": "2026-01-01T00:00:00Z", "device_ids": ["greenhouse-04"]}
QUERIES = [
    Endpoint(
        "POST",
        f"/api/v1/{handler.__name__}",
        handler,
        f"The {handler.__name__} of devices over a range of time",
        body=RangeQuery,
        replies=RANGE_REPLIES,
        example=EXAMPLE,
    )
    for handler in (average, maximum, minimum)
]
SWITCHES = [
    Endpoint(
        "POST",
        "/api/v1/start",
        start,
        "Start generated devices",
        parameters={
            "numDevices": {"type": "integer", "minimum": 1, "maximum": MOST_DEVICES, "default": 3},
            "rate": {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_RATE, "default": 1},
        },
        replies={200: "started", 208: "runs already", 406: "no devices", 422: "not a number, or out of range"},
    ),
    Endpoint("POST", "/api/v1/stop", stop, "Stop generated devices", replies={200: "stopped"}),
    Endpoint("GET", "/api/v1/status", status, "The generated devices", replies={200: "stopped, or running with whom"}),
]
