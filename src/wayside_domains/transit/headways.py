"""Questions about what called at a stop and how far apart, and how each line is running now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from wayside.domain import AT, Answer, Endpoint, Handler, Queries, dated, problem
from wayside_domains.transit.answering import Tables, iso
from wayside_domains.transit.boards import DEAD, STALE
from wayside_domains.transit.heard import networks_of
from wayside_domains.transit.networks import Networks
from wayside_domains.transit.onmap import not_as_planned, unheard

LONGEST = 24 * 60
MINUTES: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": LONGEST}
PLACE: dict[str, Any] = {
    "type": "string",
    "maxLength": 512,
    "description": "network/stop; a station stands for its platforms",
}
EVENT: dict[str, Any] = {"type": "string", "enum": ["arrival", "departure"], "description": "only these"}
OUTPUTS = ("delay", "headway", "dwell")


def headway_endpoints(networks: Networks, times: str, tables: Tables, name: str) -> list[Endpoint]:
    """`GET /api/<name>/passed` and `GET /api/<name>/lines`, from the window of calls and the table of vehicles."""
    asked = {
        "place": PLACE,
        "minutes": {**MINUTES, "default": 60, "description": "minutes back"},
        "event": EVENT,
        "at": AT,
    }
    replies = {200: "calls, the newest first", 404: "no such network or stop", 422: "a wrong parameter"}
    summary = "What called at a stop: when, how late, how long it stayed, and how far behind the one ahead"
    span = {"minutes": {**MINUTES, "default": 30, "description": "minutes back, for headways"}, "at": AT}
    lines = "How each line is running: vehicles live, stale and silent, delay, headways, bunching and gaps"
    return [
        Endpoint("GET", f"/api/{name}/passed", dated(passed(networks, times)), summary, None, asked, replies),
        Endpoint("GET", f"/api/{name}/lines", dated(running(networks, times, tables)), lines, None, span, replies),
    ]


def minutes_of(given: Mapping[str, str], default: str) -> int | None:
    """The parameter `minutes`, or null when it is no number in range."""
    text = given.get("minutes", default)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= LONGEST else None


def passed(networks: Networks, times: str) -> Handler:
    """What answers for the calls at a stop."""

    def answer(queries: Queries, _: Any, given: Mapping[str, str]) -> Answer:
        network, slash, stop = given.get("place", "").partition("/")
        minutes = minutes_of(given, "60")
        if not slash or minutes is None or given.get("event", "arrival") not in EVENT["enum"]:
            detail = f"Give `place` (network/stop); `minutes` is 1 to {LONGEST}, `event` arrival or departure."
            return problem(422, "A parameter is missing or wrong", detail)
        if network not in networks.by_name:
            return problem(404, "Not found", f"Networks: {', '.join(networks.by_name)}.")
        then = networks_of(networks, queries, given)
        timetable = then.timetable(network)
        if timetable is not None and timetable.place(stop) is None:
            return problem(404, "Not found", "There is no such stop in that network.")
        stops = [stop] if timetable is None else timetable.platforms(stop)
        where = {"network": [network], "stop_id": stops}
        where |= {"event": [given["event"]]} if "event" in given else {}
        rows = recent(queries, times, minutes, where).sort("moment", descending=True).to_dicts()

        def path(trip_id: str) -> str | None:
            trip = timetable.of_trip(trip_id).trip(trip_id) if timetable is not None else None
            return f"{network}/{trip.shape_id}" if trip is not None and trip.shape_id is not None else None

        return Answer(200, {"now": iso(queries.now()), "rows": [told(row, path) for row in rows], "notes": then.notes})

    return answer


def recent(queries: Queries, times: str, minutes: int, where: Mapping[str, Any]) -> pl.DataFrame:
    """Calls of the last minutes, and none of what came after now where that is an instant of the past."""
    now = queries.now()
    since = now - timedelta(minutes=minutes)
    found = queries.windows(times, since.replace(second=0, microsecond=0), now + timedelta(minutes=2), where)
    return found.filter(pl.col("moment").is_between(since.timestamp(), now.timestamp()))


def told(row: Mapping[str, Any], path: Callable[[str], str | None]) -> dict[str, Any]:
    """One call; `spacing` is null where there was none ahead, or nothing is planned."""
    at = datetime.fromtimestamp(row["moment"], UTC)
    return {
        "thing": row["vehicle_id"],
        "trip_id": row["trip_id"],
        "start_date": row["start_date"],
        "place": f"{row['network']}/{row['stop_id']}",
        "line": row["route_id"],
        "direction": row["direction_id"],
        "path": path(row["trip_id"]),
        "event": row["event"],
        "at": iso(at),
        "planned": None if row["delay"] is None else iso(at - timedelta(seconds=row["delay"])),
        **{name: row[name] for name in (*OUTPUTS, "planned_headway")},
        "spacing": spacing(row),
    }


def spacing(row: Mapping[str, Any]) -> str | None:
    """The state that a row of the window holds."""
    if row["bunched"] is None:
        return None
    return "bunched" if row["bunched"] else "gap" if row["gaps"] else "even"


def running(networks: Networks, times: str, tables: Tables) -> Handler:
    """What answers for the state of lines."""

    def answer(queries: Queries, _: Any, given: Mapping[str, str]) -> Answer:
        minutes = minutes_of(given, "30")
        if minutes is None:
            return problem(422, "A parameter is wrong", f"`minutes` is 1 to {LONGEST}.")
        now = queries.now()
        found: dict[tuple[str, str, int | None], dict[str, Any]] = {}

        def line(network: str, route: str | None, direction: int | None) -> dict[str, Any]:
            blank = {"network": network, "line": route, "direction": direction, "live": 0, "stale": 0, "silent": 0}
            blank |= dict.fromkeys(("delay", "headway", "dwell")) | {"calls": 0, "bunched": 0, "gaps": 0}
            return found.setdefault((network, route or "", direction), blank)

        states = queries.table(tables.vehicles)
        for row in states.drop_nulls("trip_id").iter_rows(named=True):
            age = now - row["timestamp"]
            if age < DEAD:
                line(row["network"], row["route_id"], row["direction_id"])["live" if age < STALE else "stale"] += 1
        then = networks_of(networks, queries, given)
        for each in silent_of(then, states, now, not_as_planned(queries, tables.predictions)):
            line(*each)["silent"] += 1
        calls = recent(queries, times, minutes, {"event": ["departure"]})
        for row in by_line(calls).iter_rows(named=True):
            line(row.pop("network"), row.pop("route_id"), row.pop("direction_id")).update(row)
        rows = sorted(found.values(), key=lambda one: (one["network"], one["line"] or "", one["direction"] or 0))
        return Answer(200, {"now": iso(now), "minutes": minutes, "rows": rows, "notes": then.notes})

    return answer


def by_line(calls: pl.DataFrame) -> pl.DataFrame:
    """Calls put together by line and direction: seconds on average, and numbers of calls."""
    averages = [pl.col(name).mean().round(1) for name in OUTPUTS]
    numbers = [pl.col(name).sum().cast(pl.Int64) for name in ("calls", "bunched", "gaps")]
    return calls.group_by("network", "route_id", "direction_id", maintain_order=True).agg(*averages, *numbers)


def silent_of(
    networks: Networks, states: pl.DataFrame, now: datetime, otherwise: set[tuple[str, str]]
) -> list[tuple[str, str, int | None]]:
    """Network, route and direction of each trip that should be under way and of which nobody hears, as on the map.

    `otherwise` are those that do not run as planned, as their feed says.
    """
    heard = states.filter(pl.col("timestamp") > now - DEAD)
    known = set(heard.select("network", "trip_id").iter_rows()) | otherwise
    found = []
    for timetable in networks.timetables():
        if timetable.network in heard["network"]:  # of a network that is silent as a whole nobody can say
            for row in unheard(timetable, now, known):
                trip = timetable.trip(row["vehicle_id"].removeprefix("trip "))
                found.append((timetable.network, row["route_id"], trip.direction_id if trip is not None else None))
    return found
