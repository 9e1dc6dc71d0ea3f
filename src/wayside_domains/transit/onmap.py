"""The map: what is drawn of vehicles, what they call at next, and the trips of which nobody hears."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from wayside.domain import (
    AT,
    Answer,
    Band,
    Calls,
    Endpoint,
    Fact,
    Handler,
    Lines,
    Map,
    Places,
    Queries,
    State,
    as_asked,
    dated,
    problem,
    wrong_instant,
)
from wayside_domains.transit.answering import UNHEARD, Tables, iso
from wayside_domains.transit.boards import DEAD, Departure, departures, runs_of, words_of
from wayside_domains.transit.cards import calls_of_vehicle
from wayside_domains.transit.foretold import CANCELLED, predictions_at
from wayside_domains.transit.heard import networks_of
from wayside_domains.transit.matching import REPLACED
from wayside_domains.transit.networks import Networks
from wayside_domains.transit.noticing import Concern, notices_at, of_stop, of_vehicle, shown
from wayside_domains.transit.times import anchor, service_days, text_of
from wayside_domains.transit.timetable import Timetable
from wayside_domains.transit.unplanned import NOTES

PATIENCE = timedelta(minutes=2)
"""A vehicle may be heard of so long after the start of its trip before the trip counts as silent."""
SETTLED = timedelta(seconds=30)
"""How long a network must have been heard of before any of its trips is called silent."""
MOST = 500
LONGEST = 24 * 60
BASIS = "timetable and the vehicle's present delay"
OCCUPANCY = {
    "EMPTY": "empty",
    "MANY_SEATS_AVAILABLE": "many seats free",
    "FEW_SEATS_AVAILABLE": "few seats free",
    "STANDING_ROOM_ONLY": "standing room only",
    "CRUSHED_STANDING_ROOM_ONLY": "very crowded",
    "FULL": "full",
    "NOT_ACCEPTING_PASSENGERS": "takes nobody on",
    "NO_DATA_AVAILABLE": "not known",
    "NOT_BOARDABLE": "takes nobody on",
}
TEXT = {"type": "string", "maxLength": 512}


def map_of(name: str, title: str, table: str, prefix: str) -> Map:
    """The map of a domain of this kind."""
    return Map(
        f"{prefix}city",
        title,
        table=table, thing="vehicle_id", time="timestamp", latitude="latitude", longitude="longitude",
        lines=Lines(f"{prefix}lines", line="route_id", title="long_name", ink="text_color", length="length"),
        places=Places(f"{prefix}stops", lines="route_ids"),
        bearing="bearing", path="line_id", along="along", speed="speed", label="label", line="route_id",
        toward="headsign", next="next_stop", gone="removed",
        value="delay", value_title="Delay", less_word="early", more_word="late",
        bands=[
            Band("early", "early", below=-60), Band("on time", "good", below=180),
            Band("3 to 10 min late", "warn", below=600), Band("over 10 min late", "bad"),
        ],
        state="status",
        states={
            "moving": State("under way"), "incoming": State("arriving"), "stopped": State("at a stop"),
            "silent": State("scheduled, no signal", "hollow"),
        },
        facts=[Fact("speed", "Speed", "m/s"), Fact("occupancy", "Occupancy", words=OCCUPANCY)],
        calls=Calls(
            f"/api/{name}/calls", title="Next stops", board="Departures", passed=f"/api/{name}/passed",
            shares=f"/api/{name}/punctual", planned=f"/api/{name}/planned",
            past=True,
        ),
        unseen=f"/api/{name}/silent",
        window=f"{prefix}route_delay", output="positions",
        thing_word="vehicle", things_word="vehicles", place_word="stop", line_word="line",
    )  # fmt: skip


def endpoints_of(networks: Networks, tables: Tables, name: str) -> list[Endpoint]:
    """`GET /api/<name>/calls?thing=` or `?place=`, and `GET /api/<name>/silent`."""
    minutes = {"type": "integer", "minimum": 0, "maximum": LONGEST}
    asked = {
        "thing": {**TEXT, "description": "a vehicle"},
        "place": {**TEXT, "description": "network/stop"},
        "before": {**minutes, "default": 1, "description": "minutes back, at a place"},
        "ahead": {**minutes, "default": 90, "description": "minutes ahead, at a place"},
        "at": AT,
    }
    replies = {200: "calls in the order of their times", 404: "no such stop", 422: "a wrong parameter"}
    calls, silent = calls_at(networks, tables), dated(silence(networks, tables))
    missing, there = "Trips that should be under way and of which nobody hears", {200: "where the timetable has them"}
    return [
        Endpoint("GET", f"/api/{name}/calls", calls, "Next calls of a vehicle, or at a stop", None, asked, replies),
        Endpoint("GET", f"/api/{name}/silent", silent, missing, None, {"at": AT}, there),
    ]


def calls_at(networks: Networks, tables: Tables) -> Handler:
    """What answers for the calls of a vehicle, and for those at a stop, with the notices that concern it."""

    def of_thing(live: Queries, queries: Queries, thing: str) -> Answer:
        rows, notices = [], []
        then = networks.as_of(queries.now() if queries is not live else None)
        for state in queries.table(tables.vehicles, {"vehicle_id": [thing]}).to_dicts():
            network, trips = state["network"], [state["trip_id"]] if state["trip_id"] is not None else []
            told = predictions_at(queries, tables.predictions, network, trips, past=queries is not live)
            own = calls_of_vehicle(then, state, told)
            ahead = [row["place"].partition("/")[2] for row in own]
            rows += own
            notices += said(live, queries, tables, of_vehicle(state, then.timetable(network), ahead), network)
        return answered(queries, rows, notices, then.notes)

    def calls(live: Queries, _: Any, given: Mapping[str, str]) -> Answer:
        try:
            queries = as_asked(live, given)
        except ValueError as error:
            return wrong_instant(error)
        if given.get("thing"):
            return of_thing(live, queries, given["thing"])
        network, slash, stop = given.get("place", "").partition("/")
        if not slash:
            return problem(422, "A parameter is missing", "Give `thing` (a vehicle) or `place` (network/stop).")
        then = networks.as_of(queries.now() if queries is not live else None)
        timetable = then.timetable(network)
        if network not in networks.by_name or (timetable is not None and timetable.place(stop) is None):
            return problem(404, "Not found", "There is no such stop in that network.")
        span = span_of(given)
        if span is None:
            return problem(422, "Not a number", f"`before` and `ahead` are whole minutes up to {LONGEST}.")
        heard = queries.table(tables.vehicles, {"network": [network]})
        unknown = [UNHEARD] if queries is not live and heard.is_empty() else []
        expects = partial(predictions_at, queries, tables.predictions, network, past=queries is not live)
        found = departures(timetable, stop, queries.now(), runs_of(heard), **span, expects=expects)
        concern = of_stop(timetable, stop, {row.route_id for row in found})
        rows, notices = board(network, stop, found), said(live, queries, tables, concern, network)
        return answered(queries, rows, notices, [*then.notes, *unknown])

    return calls


def said(live: Queries, queries: Queries, tables: Tables, concern: Concern, network: str) -> list[dict[str, Any]]:
    """The notices of a network that concern something, as of the instant of the questions."""
    return shown(notices_at(live, queries, tables.notices, network), concern, queries.now(), iso)


def span_of(given: Mapping[str, str]) -> dict[str, timedelta] | None:
    """How long before and after the instant is asked for; null for what is no whole number of minutes in range."""
    spans = {name: given.get(name, default) for name, default in (("before", "1"), ("ahead", "90"))}
    if not all(text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= LONGEST for text in spans.values()):
        return None
    return {name: timedelta(minutes=int(text)) for name, text in spans.items()}


def answered(queries: Queries, rows: list[dict[str, Any]], notices: list[dict[str, Any]], notes: list[str]) -> Answer:
    """Calls with what their expected times rest on, and what is to be said of the plan."""
    basis = words_of((row["basis"] for row in rows), BASIS)
    return Answer(200, {"now": iso(queries.now()), "rows": rows, "basis": basis, "notices": notices, "notes": notes})


def silence(networks: Networks, tables: Tables) -> Handler:
    """What answers for the trips of which nobody hears."""
    first: dict[str, datetime] = {}

    def silent(queries: Queries, _: Any, given: Mapping[str, str]) -> Answer:
        now = queries.now()
        heard = queries.table(tables.vehicles).filter(pl.col("timestamp") > now - DEAD)
        known = set(heard.select("network", "trip_id").iter_rows())
        known |= not_as_planned(queries, tables.predictions)
        spoken = set(heard["network"])
        if not given.get("at"):
            # Of a network that was silent as a whole until just now nobody can say which of its trips are.
            spoken = {network for network in spoken if now - first.setdefault(network, now) >= SETTLED}
        then = networks_of(networks, queries, given)
        timetables = [timetable for timetable in then.timetables() if timetable.network in spoken]
        found = [row for timetable in timetables for row in unheard(timetable, now, known)]
        return Answer(200, {"now": iso(now), "rows": found[:MOST], "notes": then.notes})

    return silent


def not_as_planned(queries: Queries, predictions: str) -> set[tuple[str, str]]:
    """Networks and trips of which nobody should hear where the timetable has them, as their own feed says."""
    found: set[tuple[str, str]] = set()
    for column, words in (("relationship", list(CANCELLED)), ("trip_relationship", [REPLACED])):
        found |= set(queries.table(predictions, {column: words}).select("network", "trip_id").iter_rows())
    return found


def board(network: str, stop: str, found: list[Departure]) -> list[dict[str, Any]]:
    """What leaves a stop, as the map reads it; nothing is expected of what nobody hears."""
    return [
        {
            "thing": row.vehicle_id, "place": f"{network}/{stop}", "place_name": None, "line": row.route_id,
            "toward": row.headsign, "direction": row.direction_id,
            "planned": iso(row.planned) if row.planned is not None else None, "state": row.state,
            "expected": iso(row.expected) if row.basis != "timetable" else None, "basis": row.basis,
            "note": NOTES.get(row.plan),
        }
        for row in found
    ]  # fmt: skip


def unheard(timetable: Timetable, now: datetime, known: set[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Trips that should be under way by the plan and that no vehicle is heard to run, where the plan has them."""
    for day in service_days(now, timetable.zone, timetable.latest):
        second = (now - anchor(day, timetable.zone)).total_seconds()
        trips = timetable.trips_on(day).filter(
            (pl.col("starts") < second - PATIENCE.total_seconds()) & (pl.col("ends") > second)
        )
        for trip_id in trips["trip_id"]:
            if (timetable.network, trip_id) not in known and (row := planned_place(timetable, trip_id, second)):
                yield {**row, "timestamp": iso(now), "start_date": text_of(day)}


def planned_place(timetable: Timetable, trip_id: str, second: float) -> dict[str, Any] | None:
    """Where the plan has a trip at a second of its service day, with the columns of a vehicle's state."""
    trip, calls = timetable.trip(trip_id), timetable.calls_of(trip_id)
    line = timetable.line_of(trip) if trip is not None else None
    if trip is None or line is None or calls.along is None:
        return None
    times = np.ravel(np.column_stack([calls.arrivals, calls.departures]))
    along = float(np.interp(second, times, np.repeat(calls.along, 2)))
    lat, lon, bearing = (float(value) for value in line.at(along))
    ahead = np.flatnonzero(calls.arrivals > second)
    stop = timetable.place(calls.stops[int(ahead[0])]) if len(ahead) else None
    shape = f"{timetable.network}/{trip.shape_id}" if timetable.line(trip.shape_id) is not None else None
    return {
        "network": timetable.network, "vehicle_id": f"trip {trip_id}", "label": "not heard of", "latitude": lat,
        "longitude": lon, "bearing": bearing, "line_id": shape, "along": along, "route_id": trip.route_id,
        "headsign": trip.headsign, "next_stop": stop[0] if stop else None, "status": "silent", "removed": False,
    }  # fmt: skip
