"""Where a vehicle calls next: by its timetable, or as its feed alone tells of a trip that no timetable has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from wayside_domains.transit.answering import iso
from wayside_domains.transit.boards import expected_at, left, plan_with, running, runs_of_one
from wayside_domains.transit.foretold import SKIPPED, Foretold, Predictions
from wayside_domains.transit.networks import Networks
from wayside_domains.transit.times import day_of
from wayside_domains.transit.timetable import Timetable
from wayside_domains.transit.unplanned import NOTES, ToldCall, ToldRun, unplanned

NEXT = 12
GONE = 60.0
"""Seconds before a vehicle was heard of; what should have ended before that is over, though nothing says so."""


def calls_of_vehicle(networks: Networks, state: Mapping[str, Any], told: Predictions) -> list[dict[str, Any]]:
    """Where a vehicle calls from where it is on: planned by its timetable, expected by its feed or present delay."""
    timetable = networks.timetable(state["network"])
    run = next((run for run in unplanned(told, timetable) if running(run, runs_of_one(state)) is not None), None)
    if run is not None:
        return [call_told(timetable, state, run, call) for call in ahead_of(run, state)][:NEXT]
    return calls_planned(timetable.of_trip(state["trip_id"]), state, told) if timetable is not None else []


def calls_planned(timetable: Timetable, state: Mapping[str, Any], told: Predictions) -> list[dict[str, Any]]:
    """Where a vehicle calls on a trip of the timetable."""
    trip = timetable.trip(state["trip_id"])
    if trip is None or state["start_date"] is None or state["along"] is None:
        return []
    calls = timetable.calls_of(trip.trip_id)
    if calls.along is None:
        return []
    day = day_of(state["start_date"])
    foretold = told.of(timetable, trip.trip_id, day)
    off = told.cancelled(trip.trip_id, day)
    found = []
    for number in np.flatnonzero(calls.along >= state["along"] - 30)[:NEXT]:
        stop = calls.stops[number]
        due, one = timetable.at(day, float(calls.arrivals[number])), foretold.get(int(number))
        kind: Any = "cancelled" if off or (one is not None and one.skipped) else "live"
        own = Foretold(one.arrival, one.arrival) if one is not None else None
        expected, basis = expected_at(due, state["delay"], kind, own)
        place = timetable.place(stop)
        found.append(
            {
                "thing": state["vehicle_id"], "place": f"{timetable.network}/{timetable.station_of(stop) or stop}",
                "place_name": place[0] if place else stop, "line": trip.route_id, "toward": trip.headsign,
                "direction": trip.direction_id,
                "planned": iso(due), "expected": iso(expected) if basis != "timetable" else None, "basis": basis,
                "state": "planned" if kind == "live" and basis == "timetable" else kind, "note": None,
            }
        )  # fmt: skip
    return found


def ahead_of(run: ToldRun, state: Mapping[str, Any]) -> Iterator[ToldCall]:
    """The calls of a run of which only the feed knows, from the stop on that its vehicle is at or goes to."""
    since = state["timestamp"].timestamp() - GONE
    for call in run.calls:
        at = call.due if call.goes is None else call.goes
        if at is not None and at >= since and not left(call, state):
            yield call


def call_told(timetable: Timetable | None, state: Mapping[str, Any], run: ToldRun, call: ToldCall) -> dict[str, Any]:
    """One of those calls, as the map reads it."""
    place = timetable.place(call.stop_id) if timetable is not None else None
    station = timetable.station_of(call.stop_id) if timetable is not None else None
    known = call.told and call.relationship != SKIPPED and call.comes is not None
    due = call.due if call.planned[0] is None else call.planned[0]
    return {
        "thing": state["vehicle_id"], "place": f"{state['network']}/{station or call.stop_id}",
        "place_name": place[0] if place else call.stop_id, "line": run.route_id or state["route_id"],
        "toward": run.headsign, "direction": run.direction_id,
        "planned": None if due is None else iso(datetime.fromtimestamp(due, UTC)),
        "expected": iso(datetime.fromtimestamp(call.comes, UTC)) if known and call.comes is not None else None,
        "basis": "prediction" if known else "timetable",
        "state": "cancelled" if call.relationship == SKIPPED else "live" if known else "planned",
        "note": NOTES.get(plan_with(run, state)),
    }  # fmt: skip
