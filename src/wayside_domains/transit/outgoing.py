"""What a network's vehicles, trips and notices are in GTFS-Realtime: plain values, as its producers' rules want them.

Trips, routes and stops that the timetable does not have are not named, because whoever reads the feed looks them up
there. A vehicle that was not heard of for long is left out, with its trip. Of a trip the calls that lie ahead are told:
as the network's own feed expects them where it does, else by the timetable, later by the delay that the vehicle has
now. No model is asked, and so no uncertainty is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from wayside_domains.transit.foretold import ANY_DAY, SKIPPED, Predictions
from wayside_domains.transit.known import Known
from wayside_domains.transit.matching import AT_STOP
from wayside_domains.transit.times import anchor, day_of, service_days, text_of
from wayside_domains.transit.timetable import Timetable, run_id

FRESH = timedelta(seconds=90)
"""What was told of a vehicle longer ago is left out."""
ASTRAY = 200.0
"""Metres off the line of its trip beyond which a vehicle is not said to run it, unless a detour is announced."""
COPY = re.compile(r"(.+)@(\d\d:\d\d:\d\d)")
STATUSES = {"incoming": "INCOMING_AT", "stopped": "STOPPED_AT", "moving": "IN_TRANSIT_TO"}
OCCUPANCIES = {
    "EMPTY", "MANY_SEATS_AVAILABLE", "FEW_SEATS_AVAILABLE", "STANDING_ROOM_ONLY", "CRUSHED_STANDING_ROOM_ONLY", "FULL",
    "NOT_ACCEPTING_PASSENGERS", "NO_DATA_AVAILABLE", "NOT_BOARDABLE",
}  # fmt: skip
EXTRA = {"ADDED", "UNSCHEDULED"}
"""Trips that run although the timetable does not have them."""
Row = Mapping[str, Any]
Value = dict[str, Any]


@dataclass(frozen=True)
class Present:
    """A network as it is known at an instant: rows of the tables of vehicles and notices, and its predictions."""

    network: str
    known: Known | None
    now: datetime
    vehicles: Sequence[Row]
    predictions: Predictions
    notices: Sequence[Row]

    @property
    def timetable(self) -> Timetable | None:
        """The network's timetable, if it has one."""
        return self.known.timetable if self.known is not None else None

    @property
    def at(self) -> int:
        """Seconds since 1970: the time of the feed."""
        return int(self.now.timestamp())

    @cached_property
    def fresh(self) -> list[Row]:
        """Vehicles that were heard of lately, by id; of two on one trip only the one heard of last has the trip."""
        rows = [row for row in self.vehicles if self.now - row["timestamp"] <= FRESH]
        newest: dict[tuple[str, str], Row] = {}
        for row in sorted(rows, key=lambda row: (row["timestamp"], row["vehicle_id"])):
            if row["trip_id"] is not None:
                newest[row["trip_id"], row["start_date"] or ""] = row
        own = {id(row) for row in newest.values()}
        bare = dict.fromkeys(("trip_id", "start_date", "route_id", "direction_id", "stop_sequence"))
        found = [row if row["trip_id"] is None or id(row) in own else {**row, **bare} for row in rows]
        return sorted(found, key=lambda row: str(row["vehicle_id"]))

    @cached_property
    def cancelled(self) -> set[tuple[str, str]]:
        """Trips of a day that will not run, as the network's own feed says."""
        found = set()
        for trip_id, told in self.predictions.runs():
            day = self.today(trip_id) if told == ANY_DAY else day_or_none(told)
            if day is not None and self.predictions.cancelled(trip_id, day):
                found.add((trip_id, text_of(day)))
        return found

    @cached_property
    def on_trips(self) -> set[tuple[str, str]]:
        """Trips, with their days, that fresh vehicles run."""
        return {(row["trip_id"], row["start_date"]) for row in self.fresh if row["trip_id"] is not None}

    @cached_property
    def detoured(self) -> set[str]:
        """Routes and trips for which a detour is announced."""
        rows = [row for row in self.notices if row["effect"] == "DETOUR"]
        return {name for row in rows for name in f"{row['routes'] or ''} {row['trips'] or ''}".split()}

    def today(self, trip_id: str) -> date | None:
        """The newest service day on which a trip runs and is not over."""
        trip = self.timetable.trip(trip_id) if self.timetable is not None else None
        if self.timetable is None or trip is None:
            return None
        calls = self.timetable.calls_of(trip_id)
        days = service_days(self.now, self.timetable.zone, int(calls.arrivals[-1]))
        return next((day for day in days if trip_id in set(self.timetable.trips_on(day)["trip_id"])), None)

    def on_line(self, row: Row) -> bool:
        """Whether a vehicle is where its trip may lead it."""
        return row["off"] is None or row["off"] <= ASTRAY or bool({row["route_id"], row["trip_id"]} & self.detoured)


def vehicle_positions(present: Present) -> list[Value]:
    """One entity per vehicle."""
    return [{"id": row["vehicle_id"], "vehicle": position(present, row)} for row in present.fresh]


def position(present: Present, row: Row) -> Value:
    """A vehicle as a VehiclePosition."""
    trip = descriptor(present, row)
    found: Value = {"trip": trip} if trip else {}
    found |= {"vehicle": vehicle(row), **call_of(present, row, known=trip is not None)}
    if row["latitude"] is not None and row["longitude"] is not None:
        given = {name: row[name] for name in ("latitude", "longitude", "bearing", "speed")}
        found["position"] = {name: value for name, value in given.items() if value is not None}
    found["timestamp"] = min(int(row["timestamp"].timestamp()), present.at)
    if row["occupancy"] in OCCUPANCIES:
        found["occupancy_status"] = row["occupancy"]
    if row["occupancy_percentage"] is not None:
        found["occupancy_percentage"] = round(row["occupancy_percentage"])
    return found


def vehicle(row: Row) -> Value:
    """Which vehicle it is."""
    return {"id": row["vehicle_id"], **({"label": row["label"]} if row["label"] else {})}


def call_of(present: Present, row: Row, *, known: bool) -> Value:
    """The stop at which a vehicle is or to which it goes: by its number in the trip where the trip is `known`."""
    stop, number = row["stop_id"], row["stop_sequence"] if known else None
    if present.known is not None:
        timetable = present.known.timetable
        calls = timetable.calls_of(row["trip_id"]) if number is not None and timetable.trip(row["trip_id"]) else None
        if calls is not None and number in calls.sequences:
            stop = calls.stops[calls.sequences.index(number)]
        else:
            stop, number = stop if stop in present.known.platforms else None, None
    found: Value = {"current_stop_sequence": number} if number is not None else {}
    found |= {"stop_id": stop} if stop is not None else {}
    return found | ({"current_status": STATUSES[row["status"]]} if found and row["status"] in STATUSES else {})


def descriptor(present: Present, row: Row) -> Value | None:
    """The trip of a vehicle; null where it has none that readers could know."""
    trip_id = row["trip_id"]
    if trip_id is None:
        return None
    told = {name: row[name] for name in ("trip_id", "start_date", "route_id", "direction_id") if row[name] is not None}
    if present.known is None:
        return told
    if present.known.timetable.trip(trip_id) is not None:
        return trip_of(present, trip_id, row["start_date"]) if present.on_line(row) else None
    if row["relationship"] in EXTRA:
        if row["route_id"] not in present.known.routes:
            told.pop("route_id", None)
        return {**told, "schedule_relationship": row["relationship"]}
    return None


def trip_of(present: Present, trip_id: str, day: str | None) -> Value:
    """A trip of the timetable. One that runs every so often is named by its start as well, and is unscheduled."""
    trip = present.timetable.trip(trip_id) if present.timetable is not None else None
    assert trip is not None
    copy = COPY.fullmatch(trip_id)
    found: Value = {"trip_id": copy[1], "start_time": copy[2]} if copy else {"trip_id": trip_id}
    found |= {"start_date": day} if day is not None else {}
    found |= {"route_id": trip.route_id}
    found |= {"direction_id": trip.direction_id} if trip.direction_id is not None else {}
    usual = "UNSCHEDULED" if copy else "SCHEDULED"
    return {**found, "schedule_relationship": "CANCELED" if (trip_id, day) in present.cancelled else usual}


def trip_updates(present: Present) -> list[Value]:
    """One entity per trip that a vehicle runs, per one that only the network's feed tells of, and per cancelled one."""
    timetable = present.timetable
    if timetable is None:
        return []
    found: dict[str, Value] = {}
    for row in present.fresh:
        update = update_of(present, timetable, row)
        if update is not None:
            found[run_id(row["trip_id"], day_of(row["start_date"]))] = update
    for trip_id, told in sorted(present.predictions.runs()):
        day = present.today(trip_id) if told == ANY_DAY else day_or_none(told)
        if day is not None and (name := run_id(trip_id, day)) not in found:
            update = foretold_update(present, timetable, trip_id, day)
            found |= {name: update} if update is not None else {}
    for trip_id, start in sorted(present.cancelled):
        name = f"{trip_id}@{start}"
        if name not in found and timetable.trip(trip_id) is not None:
            found[name] = {"trip": trip_of(present, trip_id, start), "timestamp": present.at}
    return [{"id": name, "trip_update": update} for name, update in found.items()]


def foretold_update(present: Present, timetable: Timetable, trip_id: str, day: date) -> Value | None:
    """A trip whose vehicle nobody hears, as the network's feed expects it; null where it told nothing lately."""
    told = present.predictions.told(trip_id, day)
    start = text_of(day)
    if told is None or present.now - told > FRESH or timetable.trip(trip_id) is None:
        return None
    if (trip_id, start) in present.cancelled or (trip_id, start) in present.on_trips:
        return None
    expected = present.predictions.of(timetable, trip_id, day)
    ahead = [index for index, one in expected.items() if one.skipped or one.departure >= present.at]
    calls = list(calls_told(present, timetable, (trip_id, day), ahead, 0))
    first = next((event for call in calls for event in events_of(call)), None)
    if first is None:
        return None
    found: Value = {"trip": trip_of(present, trip_id, start), "timestamp": min(int(told.timestamp()), present.at)}
    return {**found, **({"delay": first["delay"]} if "delay" in first else {}), "stop_time_update": calls}


def events_of(call: Value) -> Iterator[Value]:
    """Arrival and departure of a call, as far as they are told."""
    yield from (call[name] for name in ("arrival", "departure") if name in call)


def update_of(present: Present, timetable: Timetable, row: Row) -> Value | None:
    """What lies ahead of a vehicle on its trip; null where that is not known, or nothing does."""
    if row["start_date"] is None or row["along"] is None or row["delay"] is None:
        return None
    trip = descriptor(present, row)
    if trip is None or timetable.trip(row["trip_id"]) is None:
        return None
    timestamp = min(int(row["timestamp"].timestamp()), present.at)
    found: Value = {"trip": trip, "vehicle": vehicle(row), "timestamp": timestamp}
    if trip["schedule_relationship"] == "CANCELED":
        return found
    calls = list(calls_ahead(present, timetable, row))
    if not any("schedule_relationship" not in call for call in calls):
        return None
    delay = {} if "start_time" in trip else {"delay": round(row["delay"])}
    return {**found, **delay, "stop_time_update": calls}


def calls_ahead(present: Present, timetable: Timetable, row: Row) -> Iterator[Value]:
    """The calls of a trip from where its vehicle is on."""
    calls = timetable.calls_of(row["trip_id"])
    assert calls.along is not None
    ahead = [index for index in range(len(calls)) if calls.along[index] >= row["along"] - AT_STOP]
    # Who stands at a stop has arrived there.
    there = {index for index in ahead if calls.along[index] <= row["along"] + AT_STOP}
    run, late = (row["trip_id"], day_of(row["start_date"])), max(0, round(row["delay"]))
    return calls_told(present, timetable, run, ahead, late, there=there)


def calls_told(
    present: Present, timetable: Timetable, run: tuple[str, date], ahead: Sequence[int], late: int,
    *, there: Set[int] = frozenset(),
) -> Iterator[Value]:  # fmt: skip
    """Some calls of a trip: as the network's feed expects them, else `late` seconds behind the timetable.

    None is told to be over, times never go back, and by the timetable nothing leaves early.
    """
    trip_id, day = run
    calls, foretold = timetable.calls_of(trip_id), present.predictions.of(timetable, trip_id, day)
    zero, last, least = int(anchor(day, timetable.zone).timestamp()), len(calls) - 1, present.at
    for index in ahead:
        call: Value = {"stop_sequence": calls.sequences[index], "stop_id": calls.stops[index]}
        told = foretold.get(index)
        if told is not None and told.skipped:
            yield {**call, "schedule_relationship": SKIPPED}
            continue
        for name, seconds in (("arrival", calls.arrivals[index]), ("departure", calls.departures[index])):
            # A trip begins with a departure and ends with an arrival.
            if index == (0 if name == "arrival" else last) or (name == "arrival" and index in there and index < last):
                continue
            due = zero + int(seconds)
            least = max(least, round(getattr(told, name)) if told is not None else due + late)
            call[name] = {"time": least} if COPY.fullmatch(trip_id) else {"time": least, "delay": least - due}
        yield call


def day_or_none(text: str) -> date | None:
    """The day of a text; null for what is none."""
    try:
        return day_of(text)
    except ValueError:
        return None
