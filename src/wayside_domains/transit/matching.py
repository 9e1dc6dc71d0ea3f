"""Where on the line of its trip a vehicle is, how far it is behind its timetable, and what it calls at next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl

from wayside.geometry import Placed
from wayside_domains.transit.records import VehiclePosition, VehicleState
from wayside_domains.transit.times import anchor, day_of, service_days, text_of
from wayside_domains.transit.timetable import Calls, Timetable

ASTRAY = 500.0
"""Metres from its line beyond which a vehicle is taken not to be on it."""
AT_STOP = 30.0
"""Metres from a stop within which a vehicle is at it."""
PLAUSIBLE = 4 * 3600.0
"""Seconds of delay beyond which a trip is taken for another one."""
REPLACED = "REPLACEMENT"
"""What GTFS-Realtime calls a trip that runs otherwise than the timetable has it."""
Timetables = Callable[[str], Timetable | None]
MATCHED = tuple(name for name in VehicleState.fields if name not in VehiclePosition.fields)
POSITION = tuple(VehiclePosition.fields)


@dataclass(frozen=True)
class Match:
    """Of a vehicle on its line: metres along it and off it, seconds of delay, and the number of the next call."""

    day: date
    along: float
    off: float
    delay: float
    next: int
    arrival: datetime


def planned_at(calls: Calls, along: float, seconds: float) -> float:
    """The second of the service day at which a trip should be where it is; at a stop the nearest of its stay there.

    `seconds` is the second of the service day of now, which decides while the timetable has the vehicle stand.
    """
    assert calls.along is not None
    index = int(np.argmin(np.abs(calls.along - along)))
    if abs(float(calls.along[index]) - along) <= AT_STOP:
        arrives, departs = float(calls.arrivals[index]), float(calls.departures[index])
        if index == 0:
            arrives = min(arrives, seconds)  # nobody is early who waits at the first stop
        return min(max(seconds, arrives), departs)
    after = int(np.clip(np.searchsorted(calls.along, along, side="right"), 1, len(calls) - 1))
    leaves, comes = float(calls.departures[after - 1]), float(calls.arrivals[after])
    start, end = float(calls.along[after - 1]), float(calls.along[after])
    share = min(1.0, max(0.0, (along - start) / (end - start))) if end > start else 1.0
    return leaves + share * (comes - leaves)


def likeliest(found: list[Placed], calls: Calls, seconds: float, hint: int | None) -> Placed:
    """Of the places at which a line comes by, the one that fits best: near it, and by its next call or the clock."""

    def cost(place: Placed) -> float:
        assert calls.along is not None
        if hint is not None:
            low, high = float(calls.along[max(0, hint - 1)]), float(calls.along[hint])
            return place.off + max(0.0, low - AT_STOP - place.along, place.along - high - AT_STOP)
        return place.off + abs(seconds - planned_at(calls, place.along, seconds))

    return min(found, key=cost)


def match(timetable: Timetable, position: Mapping[str, Any]) -> Match | None:
    """A position as its timetable sees it; null without a known trip, without a line, or far off it.

    `position` has the fields of VehiclePosition. Without a start date the service day is the one with least delay.
    """
    trip = timetable.trip(position["trip_id"])
    line = timetable.line_of(trip) if trip is not None else None
    lat, lon, at = position["latitude"], position["longitude"], position["timestamp"]
    if trip is None or line is None or lat is None or lon is None:
        return None
    calls = timetable.calls_of(trip.trip_id)
    if calls.along is None:
        return None
    number = position["stop_sequence"]
    hint = calls.sequences.index(number) if number in calls.sequences else None
    found = line.passes(lat, lon, ASTRAY)
    if not found:
        return None
    best: Match | None = None
    for day in days_of(timetable, position["start_date"], at, calls):
        seconds = (at - anchor(day, timetable.zone)).total_seconds()
        place = likeliest(found, calls, seconds, hint)
        delay = seconds - planned_at(calls, place.along, seconds)
        if abs(delay) <= PLAUSIBLE and (best is None or abs(delay) < abs(best.delay)):
            ahead = np.flatnonzero(calls.along > place.along + AT_STOP)
            number = int(ahead[0]) if len(ahead) else len(calls) - 1
            expected = timetable.at(day, float(calls.arrivals[number]) + max(delay, 0.0))
            rounded = (round(place.along, 1), round(place.off, 1), round(delay, 1))
            best = Match(day, *rounded, number, max(expected, at))
    return best


def days_of(timetable: Timetable, given: str | None, at: datetime, calls: Calls) -> list[date]:
    """The service days that a trip may belong to."""
    if given is not None:
        try:
            return [day_of(given)]
        except ValueError:
            return []
    return service_days(at, timetable.zone, int(calls.departures[-1]) + int(PLAUSIBLE))


def states(timetables: Timetables) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    """A stream's transform: positions become states by the timetables of their networks."""

    def vehicle_states(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.map_batches(lambda frame: enriched(frame, timetables), schema=VehicleState.schema())

    return vehicle_states


def enriched(frame: pl.DataFrame, timetables: Timetables) -> pl.DataFrame:
    """Positions with the columns of VehicleState; null where nothing is known."""
    columns: dict[str, list[Any]] = {name: [] for name in (*MATCHED, "start_date", "route_id", "direction_id")}
    for row in frame.iter_rows(named=True):
        for name, value in known(row, timetables(row["network"])).items():
            columns[name].append(value)
    schema = VehicleState.schema()
    more = [pl.Series(name, values, dtype=schema[name]) for name, values in columns.items()]
    return frame.select(POSITION).with_columns(more).select(list(schema))


def known(row: Mapping[str, Any], timetable: Timetable | None) -> dict[str, Any]:
    """What the timetable adds to a row."""
    found: dict[str, Any] = dict.fromkeys(MATCHED) | {name: row[name] for name in ("start_date", "route_id")}
    found |= {"direction_id": row["direction_id"], "delay": None if row["removed"] else row["reported_delay"]}
    timetable = timetable.of_trip(row["trip_id"]) if timetable is not None else None
    trip = timetable.trip(row["trip_id"]) if timetable is not None and not row["removed"] else None
    if timetable is None or trip is None:
        return found
    found["route_id"] = row["route_id"] or trip.route_id
    found["direction_id"] = trip.direction_id if row["direction_id"] is None else row["direction_id"]
    line = f"{timetable.network}/{trip.shape_id}" if timetable.line(trip.shape_id) is not None else None
    found |= {"line_id": line if row["relationship"] != REPLACED else None, "headsign": trip.headsign}
    # The line and the times of the timetable are not those of a trip that runs otherwise.
    place = match(timetable, row) if row["relationship"] != REPLACED else None
    if place is None:
        return found
    stop = timetable.calls_of(trip.trip_id).stops[place.next]
    name = timetable.place(stop)
    return found | {
        "start_date": row["start_date"] or text_of(place.day),
        "along": place.along,
        "off": place.off,
        "delay": place.delay,
        "next_stop_id": stop,
        "next_stop": name[0] if name else None,
        "next_arrival": place.arrival.astimezone(UTC),
    }
