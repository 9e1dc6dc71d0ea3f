"""Which notices concern a vehicle or a stop, and what a page shows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wayside.domain import Queries
from wayside_domains.transit.timetable import Timetable

Row = Mapping[str, Any]
MOST = 20


@dataclass(frozen=True)
class Concern:
    """Ids of what is looked at: the trip, the routes, and the stops with their stations."""

    routes: frozenset[str]
    stops: frozenset[str]
    trips: frozenset[str] = frozenset()

    def met(self, row: Row) -> bool:
        """Whether a notice is about it: one of routes at stops about those routes there, one of nothing about all."""
        routes, stops, trips = (frozenset((row[name] or "").split()) for name in ("routes", "stops", "trips"))
        if trips & self.trips or not (routes or stops or trips):
            return True
        if stops:
            return bool(stops & self.stops) and (not routes or bool(routes & self.routes))
        return bool(routes & self.routes) and not trips


def of_vehicle(state: Row, timetable: Timetable | None, ahead: Iterable[str]) -> Concern:
    """A vehicle, its trip and route, and the stops that lie ahead."""
    trip = timetable.trip(state["trip_id"]) if timetable is not None else None
    route = state["route_id"] or (trip.route_id if trip is not None else None)
    routes, trips = (frozenset([one] if one is not None else []) for one in (route, state["trip_id"]))
    return Concern(routes, with_stations(timetable, ahead), trips)


def of_stop(timetable: Timetable | None, stop: str, routes: Iterable[str]) -> Concern:
    """A stop or station with its platforms, and the routes that call there."""
    stops = timetable.platforms(stop) if timetable is not None else [stop]
    return Concern(frozenset(routes), with_stations(timetable, stops))


def with_stations(timetable: Timetable | None, stops: Iterable[str]) -> frozenset[str]:
    """Stops, and the stations that they belong to."""
    given = frozenset(stops)
    if timetable is None:
        return given
    return given | {station for stop in given if (station := timetable.station_of(stop)) is not None}


def notices_at(live: Queries, then: Queries, table: str, network: str) -> list[dict[str, Any]]:
    """The notices of a network as they were: those that had been told by then, however long ago, and not taken back.

    What is there now and was told before is as it was then, also where its record is no longer kept.
    """
    own = {"network": [network]}
    now = live.table(table, own).to_dicts()
    if then is live:
        return now
    found = {row["alert_id"]: row for row in now if row["timestamp"] <= then.now()}
    told = then.past(then.now(), back=None).table(table, own).to_dicts()
    return list((found | {row["alert_id"]: row for row in told}).values())


def shown(rows: Iterable[Row], concern: Concern, now: datetime, iso: Any) -> list[dict[str, Any]]:
    """The notices that concern something and are not over, those that hold now first; `iso` writes instants."""
    found = [row for row in rows if (row["active_to"] is None or row["active_to"] > now) and concern.met(row)]
    ordered = sorted(
        found, key=lambda row: (row["active_from"] is not None and row["active_from"] > now, row["alert_id"])
    )
    return [
        {
            "title": row["header"] or row["description"] or "A notice without words",
            "text": row["description"] if row["header"] else None,
            "kind": (row["effect"] or "").replace("_", " ").lower() or None,
            "from": iso(row["active_from"]) if row["active_from"] is not None else None,
            "to": iso(row["active_to"]) if row["active_to"] is not None else None,
        }
        for row in ordered[:MOST]
    ]
