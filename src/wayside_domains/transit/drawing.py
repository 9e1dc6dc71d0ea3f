"""Lines and stops as GeoJSON, from the timetables: what the map draws before anything moves."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from wayside.domain import Drawn
from wayside.geometry import rounded
from wayside_domains.transit.networks import Networks
from wayside_domains.transit.timetable import Timetable

TOLERANCE = 2.0
"""Metres that a drawn line may differ from its shape."""
KEPT = 3
"""Sets of timetables of which it is kept how they are drawn: that of now, and two of the past."""
Collection = Mapping[str, Any]
KINDS = {0: "tram", 1: "metro", 2: "rail", 3: "bus", 4: "ferry", 5: "cable tram", 6: "aerial lift", 7: "funicular"}


class Drawing:
    """A geometry's `features` and `past`: made once for each set of timetables, and kept for the last few sets."""

    def __init__(self, networks: Networks, features: Callable[[Timetable], list[dict[str, Any]]]) -> None:
        self._networks = networks
        self._features = features
        self._lock = threading.Lock()
        self._kept: list[tuple[list[Timetable], Collection]] = []

    def features(self) -> Collection:
        """What the timetables in use have."""
        return self._of(self._networks)

    def past(self, at: datetime) -> Drawn:
        """What those had that were in use at an instant, or the nearest that are kept, which is said."""
        then = self._networks.as_of(at)
        return Drawn(self._of(then), *then.span, then.notes)

    def _of(self, networks: Networks) -> Collection:
        timetables = networks.timetables()
        with self._lock:
            found = next((kept for kept in self._kept if same(kept[0], timetables)), None)
            if found is None:
                made = [feature for timetable in timetables for feature in self._features(timetable)]
                found = (timetables, {"type": "FeatureCollection", "features": made})
            self._kept[:] = [found, *(kept for kept in self._kept if kept is not found)][:KEPT]
            return found[1]


def same(some: list[Timetable], others: list[Timetable]) -> bool:
    """Whether these are the same timetables, whatever was in use before each."""
    return [id(one.calls) for one in some] == [id(one.calls) for one in others]


def lines(timetable: Timetable) -> list[dict[str, Any]]:
    """One line per shape that a trip follows, with the route's name and colours; its id is `network/shape_id`."""
    used = timetable.trips.drop_nulls("shape_id").group_by("shape_id", maintain_order=True)
    shapes = used.agg(
        pl.col("route_id").first(), pl.col("direction_id").first(), pl.col("headsign").first(), pl.len().alias("trips")
    )
    rows = shapes.join(timetable.routes, on="route_id", how="left", maintain_order="left")
    found = []
    for row in rows.sort("sort_order", "route_id", "shape_id", nulls_last=True).iter_rows(named=True):
        line = timetable.line(row["shape_id"])
        if line is None:
            continue
        lat, lon = rounded(line, TOLERANCE)
        places = [[round(float(x), 6), round(float(y), 6)] for x, y in zip(lon, lat, strict=True)]
        properties = {name: row[name] for name in ("route_id", "direction_id", "headsign", "name", "long_name")}
        properties |= {name: row[name] for name in ("color", "text_color", "trips")}
        properties |= {"network": timetable.network, "shape_id": row["shape_id"], "length": round(line.length, 1)}
        properties["kind"] = KINDS.get(row["type"], "other")
        found.append(feature(f"{timetable.network}/{row['shape_id']}", "LineString", places, properties))
    return found


def stops(timetable: Timetable) -> list[dict[str, Any]]:
    """One point per station, and per stop that belongs to none; with the routes that call there, in their order."""
    calls = timetable.calls.join(timetable.trips.select("trip_id", "route_id"), on="trip_id")
    pairs = calls.select("stop_id", "route_id").unique()
    order = timetable.routes.sort("sort_order", "route_id", nulls_last=True)
    place = {route: number for number, route in enumerate(order["route_id"])}
    colors = dict(timetable.routes.select("route_id", "color").iter_rows())
    names = dict(timetable.routes.select("route_id", "name").iter_rows())
    routes: dict[str, set[str]] = defaultdict(set)
    for stop, route in pairs.iter_rows():
        routes[stop].add(route)
    found = []
    for row in timetable.stops.iter_rows(named=True):
        own = timetable.platforms(row["stop_id"])
        served = sorted(set().union(*(routes.get(stop, set()) for stop in own)), key=lambda one: place.get(one, 0))
        if row["parent_station"] is not None or row["latitude"] is None or not served:
            continue
        properties = {
            "network": timetable.network,
            "stop_id": row["stop_id"],
            "name": row["name"],
            "zone": timetable.zone,
            "routes": [names.get(route, route) for route in served],
            "route_ids": served,
            "colors": [colors.get(route, "#6b7280") for route in served],
            "platforms": own[1:],
        }
        where = [round(row["longitude"], 6), round(row["latitude"], 6)]
        found.append(feature(f"{timetable.network}/{row['stop_id']}", "Point", where, properties))
    return found


def feature(identity: str, kind: str, coordinates: list[Any], properties: dict[str, Any]) -> dict[str, Any]:
    """A GeoJSON feature."""
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "id": identity, "geometry": geometry, "properties": properties}
