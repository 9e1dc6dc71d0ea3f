"""What a network's vehicles, trips and notices are in GTFS-Realtime: plain values, as its producers' rules want them.

Trips, routes and stops that the timetable does not have are not named, because whoever reads the feed looks them up
there; what only the network's own feed knows goes on as it was told. A vehicle that was not heard of for long is left
out, with its trip. Of a trip the calls that lie ahead are told: as the network's own feed expects them where it does,
else by the timetable, later by the delay that the vehicle has now. No model is asked, and so no uncertainty is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from datetime import date

from wayside_domains.transit.foretold import CANCELLED, SKIPPED
from wayside_domains.transit.matching import AT_STOP
from wayside_domains.transit.passing_on import cancelled_untimed, named, named_by_vehicle, passed_on, told_updates
from wayside_domains.transit.present import FRESH, Present, Row, Value
from wayside_domains.transit.times import anchor, day_of, text_of
from wayside_domains.transit.timetable import Timetable, run_id

COPY = re.compile(r"(.+)@(\d\d:\d\d:\d\d)")
STATUSES = {"incoming": "INCOMING_AT", "stopped": "STOPPED_AT", "moving": "IN_TRANSIT_TO"}
OCCUPANCIES = {
    "EMPTY", "MANY_SEATS_AVAILABLE", "FEW_SEATS_AVAILABLE", "STANDING_ROOM_ONLY", "CRUSHED_STANDING_ROOM_ONLY", "FULL",
    "NOT_ACCEPTING_PASSENGERS", "NO_DATA_AVAILABLE", "NOT_BOARDABLE",
}  # fmt: skip


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
    run = present.told_of(row)
    if run is not None and number in {call.sequence for call in run.calls}:
        stop = next(call.stop_id for call in run.calls if call.sequence == number)
    elif present.known is not None:
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
    run = present.told_of(row)
    if run is not None:
        return named(present, run) if passed_on(present, run) else None
    if present.known is not None and present.known.timetable.trip(trip_id) is not None:
        return trip_of(present, trip_id, row["start_date"]) if present.on_line(row) else None
    return named_by_vehicle(present, row)


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
    return {**found, "schedule_relationship": present.cancelled.get((trip_id, day), usual)}


def trip_updates(present: Present) -> list[Value]:
    """One entity per trip that a vehicle runs, per one that only the network's feed tells of, and per cancelled one."""
    found = told_updates(present)
    timetable = present.timetable
    if timetable is None:
        found |= cancelled_untimed(present)
        return [{"id": name, "trip_update": update} for name, update in found.items()]
    for row in present.fresh:
        update = update_of(present, timetable, row)
        if update is not None:
            found[run_id(row["trip_id"], day_of(row["start_date"]))] = update
    for trip_id, told in sorted(present.predictions.runs()):
        day = present.day_of(trip_id, told)
        if day is not None and (name := run_id(trip_id, day)) not in found:
            update = foretold_update(present, timetable, trip_id, day)
            found |= {name: update} if update is not None else {}
    for trip_id, start in present.cancelled:
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
    if row["start_date"] is None or row["along"] is None or row["delay"] is None or present.told_of(row) is not None:
        return None
    trip = descriptor(present, row)
    if trip is None or timetable.trip(row["trip_id"]) is None:
        return None
    timestamp = min(int(row["timestamp"].timestamp()), present.at)
    found: Value = {"trip": trip, "vehicle": vehicle(row), "timestamp": timestamp}
    if trip["schedule_relationship"] in CANCELLED:
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
