"""Starting and stopping the simulated lines, and what they themselves have counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from wayside.domain import Answer, Endpoint, Queries, Table, problem
from wayside_domains.metro.simulation import BACK, Clockwork, iso

FASTEST = 600.0
SPEED = {"type": "number", "exclusiveMinimum": 0, "maximum": FASTEST, "default": 1}
BEGIN = {"type": "string", "format": "date-time", "description": "from when on; faster lines begin a week back"}
STARTS = {200: "started", 208: "they run already", 409: "later events are known already", 422: "a wrong parameter"}


Handler = Callable[[Queries, Any, Mapping[str, str]], Answer]


class Lines(Protocol):
    """What is switched."""

    name: str
    clockwork: Clockwork
    counted: dict[int, int]
    simulated: list[str]
    trains: Table


def switches_of(lines: Lines) -> list[Endpoint]:
    """`POST /api/<name>/start?speed=&begin=`, `POST /api/<name>/stop`, `GET /api/<name>/status`."""

    def stop(queries: Queries, _: Any, __: Mapping[str, str]) -> Answer:
        for feed in lines.simulated:
            queries.generator(feed).stop()
        return Answer(200)

    def status(queries: Queries, _: Any, __: Mapping[str, str]) -> Answer:
        now, on = queries.now(), running(queries, lines.simulated)
        body = {
            "status": "running" if on else "stopped",
            "speed": lines.clockwork.speed,
            "time": iso(lines.clockwork.at(now)) if on else None,
            "entries": {str(station): count for station, count in sorted(lines.counted.items())},
        }
        return Answer(200, body)

    path = f"/api/{lines.name}"
    asked: dict[str, dict[str, Any]] = {"speed": SPEED, "begin": BEGIN}
    return [
        Endpoint("POST", f"{path}/start", starter(lines), "Start the simulated lines", None, asked, STARTS),
        Endpoint("POST", f"{path}/stop", stop, "Stop the simulated lines", replies={200: "stopped"}),
        Endpoint(
            "GET", f"{path}/status", status, "Whether they run, and the entries that they themselves have counted",
            replies={200: "running or stopped, and entries by station since the start"},
        ),
    ]  # fmt: skip


def starter(lines: Lines) -> Handler:
    """What starts the lines, unless they would tell of a time that is known already."""

    def start(queries: Queries, _: Any, given: Mapping[str, str]) -> Answer:
        if running(queries, lines.simulated):
            return Answer(208)
        try:
            speed = float(given.get("speed", "1"))
            begin = datetime.fromisoformat(given["begin"]) if "begin" in given else None
        except ValueError:
            return problem(422, "Not a number or a time", "`speed` is a number, and `begin` a time in ISO 8601.")
        if not 0 < speed <= FASTEST:
            return problem(422, "Out of range", f"`speed` is above 0 and up to {FASTEST:g}.")
        now = queries.now()
        if begin is not None:
            begin = begin if begin.tzinfo else begin.replace(tzinfo=UTC)
        first = min(begin or (now if speed == 1 else now - BACK), now)
        known = queries.table(lines.trains.name)["timestamp"].max()
        if isinstance(known, datetime) and known > first and first < now:
            why = f"Trains are known until {iso(known)}. Give a later `begin`, or leave `speed` and `begin` out."
            return problem(409, "The lines would run behind what is known", why)
        lines.clockwork.set(speed, None if first == now else first)
        for feed in lines.simulated:
            queries.generator(feed).start()
        return Answer(200, {"speed": speed, "begin": iso(first)})

    return start


def running(queries: Queries, feeds: Sequence[str]) -> bool:
    """Whether any of the feeds runs."""
    return any(queries.generator(feed).running for feed in feeds)
