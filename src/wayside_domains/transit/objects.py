"""Trips, stops, schedules, routes and shapes of the MBTA V3 API: from its objects to a table of each kind.

Bronze is the topic with what was told, silver the stream of what is ready for use, gold the table with what holds now:
an object that was removed, or that a reset does not hold, is gone, and a field that was cleared is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from wayside.domain import Table, Topic
from wayside.errors import DeclarationError
from wayside.record import Record
from wayside_domains.transit import told
from wayside_domains.transit.jsonapi import Flatten, Object, related
from wayside_domains.transit.realtime import joined, listed, text

Ready = Callable[[pl.LazyFrame], pl.LazyFrame]
RELATIONS: Mapping[str, tuple[str, ...]] = {
    "trip": ("route", "route_pattern", "service", "shape"),
    "stop": ("parent_station", "zone"),
    "schedule": ("route", "stop", "trip"),
    "route": ("line",),
    "shape": (),
}


def flat(kind: str, record: type[Record], also: Callable[[Object], dict[str, Any]] | None = None) -> Flatten:
    """What makes a message of an object: its attributes by their names, and the ids of its relations."""
    relations = [f"{name}_id" for name in RELATIONS[kind]]
    known = [*record.fields]
    names = [name for name in known if name not in ("network", "timestamp", "removed", f"{kind}_id", *relations)]

    def flatten(network: str, one: Object) -> dict[str, Any]:
        attributes = one["attributes"]
        found = {"network": network, f"{kind}_id": text(one["id"])}
        found |= {name: attributes.get(name) for name in names}
        found |= {f"{name}_id": related(one, name) for name in RELATIONS[kind]}
        return found | (also(one) if also is not None else {})

    return flatten


def children(one: Object) -> dict[str, Any]:
    """The ids of the stops of a station."""
    data = ((one.get("relationships") or {}).get("child_stops") or {}).get("data") or []
    return {"children": joined(child.get("id") for child in data)}


def directions(one: Object) -> dict[str, Any]:
    """Lists of names, one per line."""
    names = ("direction_names", "direction_destinations")
    return {name: lines(one["attributes"].get(name)) for name in names}


def lines(given: Any) -> str | None:
    """A list of texts as lines of one text; null for none at all. Raises TypeError for what is no text."""
    return "\n".join(" ".join((text(each) or "").split()) for each in listed(given)) if given else None


def flag(column: str) -> pl.Expr:
    """GTFS's 1 and 2 as true and false; everything else is not known."""
    return pl.when(pl.col(column) == 1).then(True).when(pl.col(column) == 2).then(False)


def ready_trips(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Trips with what may be taken aboard."""
    return rows.with_columns(bikes=flag("bikes_allowed"), wheelchairs=flag("wheelchair_accessible"))


def ready_stops(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Stops with their stations."""
    return rows.with_columns(
        station_id=pl.coalesce("parent_station_id", "stop_id"),
        platform=pl.coalesce("platform_name", "platform_code"),
        wheelchairs=flag("wheelchair_boarding"),
    ).select(list(told.StopObject.fields))


def ready_schedules(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Planned calls with the time that riders go by."""
    ends = pl.col("departure_time").is_null() & pl.col("arrival_time").is_not_null()
    return rows.with_columns(scheduled=pl.coalesce("departure_time", "arrival_time"), ends=ends)


def ready_routes(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Routes with a name, colours and directions."""
    parts = (("direction", "direction_names"), ("destination", "direction_destinations"))
    each = {
        f"{name}_{number}": pl.col(column).str.split("\n").list.get(number, null_on_oob=True).replace("", None)
        for name, column in parts
        for number in (0, 1)
    }
    color = {
        name: pl.lit("#") + pl.col(name).str.strip_prefix("#").str.extract("^([0-9A-Fa-f]{6})$")
        for name in ("color", "text_color")
    }
    named = (pl.when(pl.col(name) != "").then(pl.col(name)) for name in ("short_name", "long_name", "route_id"))
    return rows.with_columns(name=pl.coalesce(*named), **each, **color).select(list(told.RouteObject.fields))


def ready_shapes(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Shapes with their geometry under that name."""
    return rows.rename({"polyline": "geometry"}).select(list(told.ShapeObject.fields))


@dataclass(frozen=True)
class Kind:
    """One kind of object: its records as it is told and ready for use, and how one becomes the other."""

    told: type[Record]
    ready: type[Record]
    flatten: Flatten
    transform: Ready
    search: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "trip": Kind(told.ToldTrip, told.TripObject, flat("trip", told.ToldTrip), ready_trips, ("trip_id", "headsign")),
    "stop": Kind(
        told.ToldStop, told.StopObject, flat("stop", told.ToldStop, children), ready_stops, ("stop_id", "name")
    ),
    "schedule": Kind(
        told.ToldSchedule, told.ScheduleObject, flat("schedule", told.ToldSchedule), ready_schedules, ("trip_id",)
    ),
    "route": Kind(
        told.ToldRoute, told.RouteObject, flat("route", told.ToldRoute, directions), ready_routes, ("route_id", "name")
    ),
    "shape": Kind(told.ToldShape, told.ShapeObject, flat("shape", told.ToldShape), ready_shapes),
}


class Objects:
    """The topics, streams and tables of the kinds that a domain listens to; `told_trips`, `ready_trips`, `trips`.

    What was told is kept for good, the newest of each object: an API tells most of them once.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._topics: dict[str, Topic] = {}
        self.tables: list[Table] = []

    def named(self, kinds: str) -> tuple[str, Kind]:
        """The kind of `trips` and the like. Raises DeclarationError."""
        kind = kinds.removesuffix("s")
        if kind not in KINDS or kinds == kind:
            raise DeclarationError(
                f"The API has no {kinds!r} to listen to.", why=f"It has {', '.join(f'{each}s' for each in KINDS)}."
            )
        return kind, KINDS[kind]

    def topic(self, kind: str) -> Topic:
        """The topic of a kind, declared with what follows from it when it is first asked for."""
        if kind not in self._topics:
            chosen, name = KINDS[kind], f"{self._prefix}{{}}_{kind}s"
            topic = Topic(name.format("told"), chosen.told, compact=True)
            ready = topic.stream(name.format("ready"), into=chosen.ready, transform=chosen.transform)
            table = ready.table(f"{self._prefix}{kind}s", deleted=pl.col("removed"), search=chosen.search)
            self._topics[kind] = topic
            self.tables.append(table)
        return self._topics[kind]
