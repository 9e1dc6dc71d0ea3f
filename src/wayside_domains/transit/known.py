"""What readers of our feeds can look up: the ids of a timetable, and which routes serve which stops."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from wayside_domains.transit.timetable import Timetable


@dataclass(frozen=True)
class Known:
    """The ids of a timetable, each computed when it is first needed."""

    timetable: Timetable

    @cached_property
    def routes(self) -> set[str]:
        """All routes."""
        return set(self.timetable.routes["route_id"])

    @cached_property
    def stops(self) -> set[str]:
        """All stops, stations among them."""
        return set(self.timetable.stops["stop_id"])

    @cached_property
    def platforms(self) -> set[str]:
        """Stops at which a vehicle can stand: no stations, entrances and the like."""
        return set(self.timetable.stops.filter(pl.col("location_type") == 0)["stop_id"])

    @cached_property
    def routes_at(self) -> dict[str, set[str]]:
        """The routes that call at a stop, or at a platform of a station."""
        calls = self.timetable.calls.join(self.timetable.trips.select("trip_id", "route_id"), on="trip_id")
        found: dict[str, set[str]] = defaultdict(set)
        for stop, route in calls.select("stop_id", "route_id").unique().iter_rows():
            found[stop].add(route)
            if (station := self.timetable.station_of(stop)) is not None:
                found[station].add(route)
        return dict(found)
