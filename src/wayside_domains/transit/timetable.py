"""A timetable: what is planned to run where and when. Frames for what is asked in bulk, arrays for single trips."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wayside.geometry import LineString
from wayside_domains.transit.times import instant, text_of

NEAR = 250.0
"""Metres within which a stop is expected beside its line."""
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Calls:
    """The stops of a trip in order: seconds of the service day, and metres along the trip's line where it has one."""

    stops: list[str]
    sequences: list[int]
    arrivals: NDArray[np.int64]
    departures: NDArray[np.int64]
    along: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.stops)


@dataclass(frozen=True)
class Trip:
    """One trip of the plan."""

    trip_id: str
    route_id: str
    direction_id: int | None
    headsign: str | None
    shape_id: str | None
    block_id: str | None


@dataclass(frozen=True)
class Timetable:
    """One agency's plan, as read from GTFS. `zone` is the agency's; `latest` the greatest second of a service day.

    routes: route_id, name, long_name, color, text_color, type, sort_order · stops: stop_id, name, latitude, longitude,
    parent_station, location_type, platform · trips: trip_id, route_id, service_id, direction_id, headsign, shape_id,
    block_id, starts, ends · calls: trip_id, sequence, stop_id, arrives, departs · shapes: shape_id, sequence,
    latitude, longitude · services: service_id, monday to sunday, starts, ends · exceptions: service_id, day, runs.
    """

    network: str
    zone: str
    routes: pl.DataFrame
    stops: pl.DataFrame
    trips: pl.DataFrame
    calls: pl.DataFrame
    shapes: pl.DataFrame
    services: pl.DataFrame
    exceptions: pl.DataFrame
    notes: tuple[str, ...] = ()
    """What was wrong with single rows that were left out, in words."""
    apart: dict[date, Any] = field(default_factory=dict, repr=False, compare=False)
    """What `apart` has made of single days."""
    before: Timetable | None = field(default=None, repr=False, compare=False)
    """The one that this has replaced not long ago: trips that it alone has may still be under way."""
    _lines: dict[str, LineString | None] = field(default_factory=dict, repr=False, compare=False)
    _calls: dict[str, Calls] = field(default_factory=dict, repr=False, compare=False)
    _alongs: dict[tuple[str, ...], NDArray[np.float64] | None] = field(default_factory=dict, repr=False, compare=False)

    # -- days ----------------------------------------------------------------------------------------------------

    @cached_property
    def latest(self) -> int:
        """The greatest second of a service day at which something is planned."""
        found = self.trips["ends"].max()
        return int(found) if isinstance(found, int) else 0

    def running(self, day: date) -> set[str]:
        """The services that run on a day: those of the week's plan, changed by the exceptions of that day."""
        weekday = WEEK[day.weekday()]
        plan = self.services.filter(pl.col(weekday) & (pl.col("starts") <= day) & (pl.col("ends") >= day))
        found = set(plan["service_id"])
        changes = self.exceptions.filter(pl.col("day") == day)
        found |= set(changes.filter(pl.col("runs"))["service_id"])
        return found - set(changes.filter(~pl.col("runs"))["service_id"])

    def trips_on(self, day: date) -> pl.DataFrame:
        """The trips of a service day in the order in which they start."""
        chosen = self.trips.filter(pl.col("service_id").is_in(list(self.running(day))))
        return chosen.sort("starts", "trip_id")

    def at(self, day: date, seconds: float) -> datetime:
        """The instant of a time of a service day."""
        return instant(day, seconds, self.zone)

    # -- single trips --------------------------------------------------------------------------------------------

    def trip(self, trip_id: str | None) -> Trip | None:
        """The trip of this id, or null."""
        row = self._trips.get(trip_id) if trip_id is not None else None
        return None if row is None else Trip(*row)

    def of_trip(self, trip_id: str | None) -> Timetable:
        """This timetable, or the one before it when only that has the trip."""
        older = self.before is not None and self.trip(trip_id) is None and self.before.trip(trip_id) is not None
        return self.before if older and self.before is not None else self

    def calls_of(self, trip_id: str) -> Calls:
        """The stops of a trip that exists. Raises KeyError."""
        found = self._calls.get(trip_id)
        if found is None:
            start, count = self._spans[trip_id]
            rows = self._ordered.slice(start, count)
            stops = rows["stop_id"].to_list()
            arrivals, departures = (rows[name].to_numpy().astype(np.int64) for name in ("arrives", "departs"))
            along = self._along(trip_id, stops)
            found = Calls(stops, rows["sequence"].to_list(), arrivals, departures, along)
            self._calls[trip_id] = found
        return found

    def line(self, shape_id: str | None) -> LineString | None:
        """The line of a shape; null when there is none, or it has fewer than two places."""
        if shape_id is None:
            return None
        if shape_id not in self._lines:
            start, count = self._shape_spans.get(shape_id, (0, 0))
            rows = self._shape_rows.slice(start, count)
            self._lines[shape_id] = LineString(rows["latitude"], rows["longitude"]) if count > 1 else None
        return self._lines[shape_id]

    def line_of(self, trip: Trip) -> LineString | None:
        """The line on which a trip runs: its shape, else straight from stop to stop."""
        shape = self.line(trip.shape_id)
        if shape is not None:
            return shape
        stops = self.calls_of(trip.trip_id).stops
        key = "\n".join(stops)  # no shape has such an id
        if key not in self._lines:
            places = self._places_of(stops)
            self._lines[key] = LineString(*zip(*places, strict=True)) if len(places) == len(stops) > 1 else None
        return self._lines[key]

    def place(self, stop_id: str) -> tuple[str, float, float] | None:
        """Name, latitude and longitude of a stop, or null."""
        return self._places.get(stop_id)

    def platforms(self, stop_id: str) -> list[str]:
        """The stops at which vehicles call for a stop: itself, and the platforms of a station."""
        return [stop_id, *self._platforms.get(stop_id, [])]

    def station_of(self, stop_id: str) -> str | None:
        """The station that a stop belongs to; null for one that stands by itself."""
        return self._stations.get(stop_id)

    # -- indexes -------------------------------------------------------------------------------------------------

    @cached_property
    def _trips(self) -> dict[str, tuple[str, str, int | None, str | None, str | None, str | None]]:
        columns = ("trip_id", "route_id", "direction_id", "headsign", "shape_id", "block_id")
        return {row[0]: row for row in self.trips.select(columns).iter_rows()}

    @cached_property
    def _ordered(self) -> pl.DataFrame:
        return self.calls.sort("trip_id", "sequence", maintain_order=True)

    @cached_property
    def _spans(self) -> dict[str, tuple[int, int]]:
        return spans(self._ordered["trip_id"])

    @cached_property
    def _shape_rows(self) -> pl.DataFrame:
        return self.shapes.sort("shape_id", "sequence")

    @cached_property
    def _shape_spans(self) -> dict[str, tuple[int, int]]:
        return spans(self._shape_rows["shape_id"])

    @cached_property
    def _places(self) -> dict[str, tuple[str, float, float]]:
        known = self.stops.filter(pl.col("latitude").is_not_null() & pl.col("longitude").is_not_null())
        return {row[0]: row[1:] for row in known.select("stop_id", "name", "latitude", "longitude").iter_rows()}

    @cached_property
    def _stations(self) -> dict[str, str]:
        return dict(self.stops.select("stop_id", "parent_station").drop_nulls().iter_rows())

    @cached_property
    def _platforms(self) -> dict[str, list[str]]:
        children = self.stops.filter(pl.col("parent_station").is_not_null())
        return {
            parent: rows["stop_id"].to_list()
            for (parent,), rows in children.group_by(["parent_station"], maintain_order=True)
            if isinstance(parent, str)
        }

    def _places_of(self, stops: list[str]) -> list[tuple[float, float]]:
        """Latitudes and longitudes of the stops that have any."""
        return [place[1:] for stop in stops if (place := self._places.get(stop)) is not None]

    def _along(self, trip_id: str, stops: list[str]) -> NDArray[np.float64] | None:
        """Where the stops lie along the trip's line: in order, each as near to the line as the order allows."""
        trip = self.trip(trip_id)
        line = self.line(trip.shape_id) if trip is not None else None
        places = self._places_of(stops)
        if len(places) < len(stops) or len(stops) < 2:
            return None
        pattern = (trip.shape_id if trip is not None and trip.shape_id and line is not None else "", *stops)
        if pattern not in self._alongs:
            straight = LineString(*zip(*places, strict=True)).along
            self._alongs[pattern] = along_line(line, places) if line is not None else straight
        return self._alongs[pattern]


def along_line(line: LineString, places: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Distances along a line of places that it passes in this order, never decreasing.

    Where a line passes a place several times, the passes are chosen so that all places together are nearest.
    """
    options = [line.passes(lat, lon, NEAR) or [line.locate(lat, lon)] for lat, lon in places]
    costs = [np.array([option.off for option in found]) for found in options]
    alongs = [np.array([option.along for option in found]) for found in options]
    best, came = costs[0], []
    for index in range(1, len(options)):
        allowed = alongs[index][:, None] >= alongs[index - 1][None, :] - 1.0
        total = np.where(allowed, best[None, :], best[None, :] + 1e6)
        came.append(total.argmin(axis=1))
        best = costs[index] + total.min(axis=1)
    chosen = [int(best.argmin())]
    for step in reversed(came):
        chosen.append(int(step[chosen[-1]]))
    chosen.reverse()
    found = np.array([along[pick] for along, pick in zip(alongs, chosen, strict=True)])
    return np.asarray(np.maximum.accumulate(found))


def spans(names: pl.Series) -> dict[str, tuple[int, int]]:
    """First row and number of rows of each value of a sorted column."""
    runs = names.to_frame("name").with_row_index("row").group_by("name", maintain_order=True)
    rows = runs.agg(pl.col("row").first(), pl.len().alias("count"))
    return {name: (row, count) for name, row, count in rows.iter_rows()}


def run_id(trip_id: str, day: date) -> str:
    """One running of a trip: the same trip on another day is another one."""
    return f"{trip_id}@{text_of(day)}"
