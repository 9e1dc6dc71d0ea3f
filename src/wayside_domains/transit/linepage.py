"""Questions about a line over time: how often it was in time, hour by hour, and what was planned to run on a way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from wayside.domain import AT, Answer, Endpoint, Handler, Queries, dated, problem
from wayside_domains.transit.answering import iso
from wayside_domains.transit.heard import networks_of
from wayside_domains.transit.networks import Networks
from wayside_domains.transit.times import anchor, service_days, text_of
from wayside_domains.transit.timetable import Timetable, Trip

TEXT: dict[str, Any] = {"type": "string", "maxLength": 512}
MOST_HOURS = 7 * 24
LONGEST = 24 * 60
SPAN = timedelta(minutes=5)
NUMBERS = ("calls", "on_time", "early", "late")
EVENTS = ("arrival", "departure")
HOURS: dict[str, dict[str, Any]] = {
    "line": {**TEXT, "description": "a line"},
    "network": {**TEXT, "description": "only of this network"},
    "direction": {"type": "integer", "minimum": 0, "maximum": 1, "description": "only in this direction"},
    "event": {"type": "string", "enum": list(EVENTS), "default": "departure"},
    "hours": {"type": "integer", "minimum": 1, "maximum": MOST_HOURS, "default": 24, "description": "hours back"},
    "at": AT,
}
PLANNED: dict[str, dict[str, Any]] = {
    "path": {**TEXT, "description": "a way of a line, as the map draws it: network/shape"},
    "minutes": {"type": "integer", "minimum": 1, "maximum": LONGEST, "default": 60, "description": "minutes back"},
    "ahead": {"type": "integer", "minimum": 0, "maximum": LONGEST, "default": 0, "description": "minutes ahead"},
    "at": AT,
}


def line_endpoints(networks: Networks, window: str, name: str) -> list[Endpoint]:
    """`GET /api/<name>/punctual` and `GET /api/<name>/planned`, from a window of calls by line, and the timetables."""
    hourly = "How often calls on a line were in time, hour by hour"
    found = {200: "one row per hour of the network's clocks, the oldest first", 422: "a wrong parameter"}
    plan = "What the timetable has running on a way: where each run should be when"
    runs = {200: "runs in the order of their starts", 404: "no such way", 422: "a wrong parameter"}
    return [
        Endpoint("GET", f"/api/{name}/punctual", dated(punctual(networks, window)), hourly, None, HOURS, found),
        Endpoint("GET", f"/api/{name}/planned", dated(planned(networks)), plan, None, PLANNED, runs),
    ]


def whole(given: Mapping[str, str], name: str, default: int, least: int, most: int) -> int | None:
    """A parameter that is a whole number in range; null when it is not."""
    text = given.get(name, str(default))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most else None


def punctual(networks: Networks, window: str) -> Handler:
    """What answers for the share in time of each hour."""

    def answer(queries: Queries, _: Any, given: Mapping[str, str]) -> Answer:
        hours, direction = whole(given, "hours", 24, 1, MOST_HOURS), given.get("direction")
        event = given.get("event", "departure")
        if not given.get("line") or hours is None or direction not in (None, "0", "1") or event not in EVENTS:
            detail = f"Give `line`; `hours` is 1 to {MOST_HOURS}, `direction` 0 or 1, `event` arrival or departure."
            return problem(422, "A parameter is missing or wrong", detail)
        where: dict[str, list[Any]] = {"route_id": [given["line"]], "event": [event]}
        where |= {"network": [given["network"]]} if given.get("network") else {}
        where |= {"direction_id": [int(direction)]} if direction is not None else {}
        until = queries.now()
        zone = ZoneInfo(zone_of(networks_of(networks, queries, given), given.get("network"), given["line"]))
        starts = hours_of(until, hours, zone)
        # What is still open is of now, and not of any instant before.
        end = until if given.get("at") else until + SPAN
        rows = by_hour(queries.windows(window, starts[0], end, where), starts)
        body = {"now": iso(until), "until": iso(until), "zone": zone.key, "line": given["line"], "rows": rows}
        return Answer(200, body)

    return answer


def zone_of(networks: Networks, network: str | None, line: str) -> str:
    """The zone in whose hours a line is told: that of the network that has it, else UTC."""
    for timetable in networks.timetables():
        if network in (None, timetable.network) and line in timetable.routes["route_id"]:
            return timetable.zone
    return "UTC"


def hours_of(until: datetime, hours: int, zone: ZoneInfo) -> list[datetime]:
    """The starts of so many hours of a zone's clocks, the last of which is under way."""
    # An hour of the clocks begins where the minutes are zero; that changes by whole quarters of an hour at most.
    local = until.astimezone(zone)
    last = until - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return [last - timedelta(hours=back) for back in range(hours - 1, -1, -1)]


def by_hour(found: pl.DataFrame, starts: list[datetime]) -> list[dict[str, Any]]:
    """One row per hour; shares are null where nothing could be compared with a plan."""
    hours = pl.DataFrame({"from": starts}, schema={"from": pl.Datetime("us", "UTC")})
    within = found.sort("window_start").join_asof(hours, left_on="window_start", right_on="from", strategy="backward")
    sums = [pl.col(name).sum().cast(pl.Int64) for name in NUMBERS]
    summed = within.group_by("from").agg(*sums, pl.col("delay").sum(), pl.col("latest").max())
    rows = hours.join(summed, on="from", how="left", maintain_order="left")
    return [hour_of(row) for row in rows.iter_rows(named=True)]


def hour_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """One hour as it is told."""
    numbers = {name: row[name] or 0 for name in NUMBERS}
    compared = numbers["on_time"] + numbers["early"] + numbers["late"]
    shares = {f"{name}_share": round(numbers[name] / compared, 4) if compared else None for name in NUMBERS[1:]}
    return {
        "from": iso(row["from"]),
        "to": iso(row["from"] + timedelta(hours=1)),
        **numbers,
        "compared": compared,
        **shares,
        "delay": round(row["delay"] / compared, 1) if compared else None,
        "latest": row["latest"],
    }


def planned(networks: Networks) -> Handler:
    """What answers for the planned runs of a way."""

    def answer(queries: Queries, _: Any, given: Mapping[str, str]) -> Answer:
        network, slash, shape = given.get("path", "").partition("/")
        minutes, ahead = whole(given, "minutes", 60, 1, LONGEST), whole(given, "ahead", 0, 0, LONGEST)
        if not slash or minutes is None or ahead is None:
            detail = f"Give `path` (network/shape); `minutes` is 1 to {LONGEST}, `ahead` 0 to {LONGEST}."
            return problem(422, "A parameter is missing or wrong", detail)
        now = queries.now()
        then = networks_of(networks, queries, given)
        timetable = then.timetable(network)
        if timetable is None or timetable.line(shape) is None:
            return problem(404, "Not found", "There is no such way in that network, or it has no timetable.")
        span = (now - timedelta(minutes=minutes), now + timedelta(minutes=ahead))
        rows = [run_of(timetable, day, trip) for day, trip in runs_between(timetable, shape, *span)]
        more: dict[str, Any] = {name: iso(moment) for name, moment in zip(("from", "to"), span, strict=True)}
        found = sorted((row for row in rows if row["at"]), key=lambda row: (row["at"][0], row["trip_id"]))
        return Answer(200, {"now": iso(now), **more, "path": given["path"], "rows": found, "notes": then.notes})

    return answer


def runs_between(timetable: Timetable, shape: str, start: datetime, end: datetime) -> Iterator[tuple[date, Trip]]:
    """The trips of a shape that are under way at some time between two instants, with their service days."""
    reach = timetable.latest + int((end - start).total_seconds())
    for day in service_days(end, timetable.zone, reach):
        zero = anchor(day, timetable.zone)
        first, last = ((moment - zero).total_seconds() for moment in (start, end))
        trips = timetable.trips_on(day).filter(
            (pl.col("shape_id") == shape) & (pl.col("starts") <= last) & (pl.col("ends") >= first)
        )
        for trip_id in trips["trip_id"]:
            trip = timetable.trip(trip_id)
            if trip is not None:
                yield day, trip


def run_of(timetable: Timetable, day: date, trip: Trip) -> dict[str, Any]:
    """One planned run: milliseconds since 1970 beside metres along the way, at each arrival and departure."""
    calls, zero = timetable.calls_of(trip.trip_id), anchor(day, timetable.zone).astimezone(UTC).timestamp()
    at: list[int] = []
    along: list[float] = []
    if calls.along is not None:
        times = np.ravel(np.column_stack([calls.arrivals, calls.departures])) + zero
        kept = np.append(True, np.diff(times) > 0)  # a call without a stay is one point
        at = [round(float(moment) * 1000) for moment in times[kept]]
        along = [round(float(metres), 1) for metres in np.repeat(calls.along, 2)[kept]]
    return {
        "trip_id": trip.trip_id,
        "start_date": text_of(day),
        "line": trip.route_id,
        "direction": trip.direction_id,
        "toward": trip.headsign,
        "at": at,
        "along": along,
    }
