"""Halcyon: a city that does not exist, with a timetable of our own making, so that something moves without a network.

It lies in the open Atlantic, where it can be taken for no real place. The same code gives the same tables every time;
they go through the reader of GTFS like those of any agency.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from wayside.geometry import LineString
from wayside_domains.transit.gtfs import from_tables
from wayside_domains.transit.times import clock_of
from wayside_domains.transit.timetable import Timetable

NETWORK = "halcyon"
ZONE = "Atlantic/Azores"
LATITUDE, LONGITUDE = 36.20, -33.40
NORTH = 1 / 111.195
"""Degrees of latitude of a kilometre."""
EAST = NORTH / math.cos(math.radians(LATITUDE))
DWELL = 20
STEPS = 14
"""Places of a shape between two of its points."""
TURN = 300
"""Seconds that a vehicle needs at the end of its line."""

# Kilometres east and north of the city's middle.
STATIONS = {
    "Central": (0.0, 0.0), "Old Harbour": (-0.6, -2.3), "Fishmarket": (0.5, -1.5), "Lighthouse": (-3.9, -3.6),
    "Customs House": (-1.7, -2.9), "Ropewalk": (-2.8, -3.3), "University": (1.1, 1.2), "Botanic Garden": (1.9, 2.1),
    "Observatory": (2.4, 3.4), "Hilltop": (3.5, 4.3), "Quarry": (4.6, 4.6), "West Gate": (-1.9, 0.2),
    "Mill Lane": (-3.1, 0.7), "Weir": (-4.2, 0.3), "Tannery": (-5.3, 0.9), "Airfield": (-6.6, 0.6),
    "East Market": (1.7, -0.3), "Foundry": (2.9, -0.9), "Gasworks": (4.0, -0.5), "Saltmarsh": (5.2, -1.1),
    "Ferry Pier": (6.5, -0.9), "Theatre": (0.2, 1.6), "Library": (-0.5, 2.6), "Orchard": (-1.2, 3.6),
    "Waterworks": (-1.0, 4.8), "Northfield": (-1.8, 5.9), "Parliament": (-0.9, 0.9), "Museum": (0.9, -0.7),
    "Vineyard": (-2.6, 2.2), "Cloister": (-3.8, 3.1), "Bellfield": (-5.0, 3.4), "Cedar Park": (-6.1, 4.3),
    "South Bridge": (1.2, -2.9), "Rope Island": (2.1, -4.0), "Dunes": (3.2, -4.7), "Beacon": (4.5, -4.9),
    "Hospital": (2.6, 0.9), "Stadium": (3.9, 1.5), "Glassworks": (5.1, 1.2), "Exhibition": (6.2, 2.0),
    "Ring North": (0.4, 2.5), "Ring East": (2.3, 0.3), "Ring South": (0.3, -1.9), "Ring West": (-2.1, 0.5),
    "Poplar Row": (-1.5, 1.9), "Chandlery": (-1.4, -1.4), "Brickfields": (1.9, -1.6), "Lantern Hill": (1.7, 1.8),
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A line of the city: `kind` as in GTFS (0 tram, 1 metro, 3 bus), `every` minutes at noon, `pace` in m/s."""

    route: str
    title: str
    color: str
    kind: int
    every: float
    pace: float
    stations: tuple[str, ...]


LINES = (
    Line("M1", "Harbour Line", "c8102e", 1, 6, 11.5, (
        "Lighthouse", "Ropewalk", "Customs House", "Old Harbour", "Fishmarket", "Central", "University",
        "Botanic Garden", "Observatory", "Hilltop", "Quarry")),
    Line("M2", "Crossing Line", "1d4ed8", 1, 6, 11.5, (
        "Airfield", "Tannery", "Weir", "Mill Lane", "West Gate", "Central", "East Market", "Foundry", "Gasworks",
        "Saltmarsh", "Ferry Pier")),
    Line("T3", "Orchard Tram", "15803d", 0, 8, 8.0, (
        "Northfield", "Waterworks", "Orchard", "Library", "Theatre", "Central", "Museum", "Brickfields",
        "South Bridge", "Rope Island", "Dunes", "Beacon")),
    Line("T4", "Ring Tram", "c2410c", 0, 9, 8.0, (
        "Ring North", "Lantern Hill", "Ring East", "Brickfields", "Ring South", "Chandlery", "Ring West",
        "Poplar Row", "Ring North")),
    Line("B7", "Cedar Park – Exhibition", "7e22ce", 3, 10, 6.5, (
        "Cedar Park", "Bellfield", "Cloister", "Vineyard", "Parliament", "Central", "Hospital", "Stadium",
        "Glassworks", "Exhibition")),
    Line("B12", "Airfield – Beacon", "0f766e", 3, 12, 6.5, (
        "Airfield", "Weir", "West Gate", "Chandlery", "Old Harbour", "South Bridge", "Dunes", "Beacon")),
)  # fmt: skip
DAYS = {
    "workdays": "1111100",
    "weekends": "0000011",
}
PACE_OF_DAY = ((4, 2.0), (6, 1.3), (7, 0.75), (10, 1.0), (15, 0.75), (19, 1.3), (22, 2.0), (25, 3.5), (28, 0.0))
"""From which hour of the service day vehicles come how many times as rarely as at noon."""


def slug(name: str) -> str:
    """A station's name as an id."""
    return name.lower().replace(" ", "-")


def degrees(x: float, y: float) -> tuple[float, float]:
    """Latitude and longitude of kilometres east and north of the middle."""
    return round(LATITUDE + y * NORTH, 6), round(LONGITUDE + x * EAST, 6)


def curve(line: Line) -> tuple[list[tuple[float, float]], list[float]]:
    """A smooth curve through the line's stations in kilometres, and the metres along it at which each of them lies."""
    points = [np.array(STATIONS[name]) for name in line.stations]
    ring = line.stations[0] == line.stations[-1]
    before = points[-2] if ring else 2 * points[0] - points[1]
    after = points[1] if ring else 2 * points[-1] - points[-2]
    knots = [before, *points, after]
    places: list[tuple[float, float]] = []
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        for step in range(STEPS):
            u = step / STEPS
            x, y = 0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3)
            places.append((float(x), float(y)))
    places.append((float(points[-1][0]), float(points[-1][1])))
    lat, lon = zip(*(degrees(x, y) for x, y in places), strict=True)
    along = LineString(lat, lon).along
    return places, [float(along[index * STEPS]) for index in range(len(points))]


def starts(line: Line, rarer: float) -> Iterator[int]:
    """Seconds of the service day at which a vehicle sets out; the last ones after 24:00."""
    now = 4 * 3600.0
    while now < PACE_OF_DAY[-1][0] * 3600:
        yield round(now)
        factor = next(pace for hour, pace in reversed(PACE_OF_DAY) if pace and now >= hour * 3600)
        now += line.every * 60 * factor * rarer


def tables() -> dict[str, pl.DataFrame]:
    """The text tables of the city's timetable, as a zip of GTFS would hold them."""
    stops: list[dict[str, str]] = []
    shapes: list[dict[str, str]] = []
    trips: list[dict[str, str]] = []
    times: list[dict[str, str]] = []
    for name, (x, y) in STATIONS.items():
        stops.append(stop(slug(name), name, *degrees(x, y), kind="1"))
    for line in LINES:
        places, along = curve(line)
        for direction in (0, 1):
            names = line.stations[:: 1 - 2 * direction]
            legs = np.diff(along)[:: 1 - 2 * direction]
            path = places[:: 1 - 2 * direction]
            stops += platforms(line, direction)
            shape = f"{line.route}-{direction}"
            for sequence, (x, y) in enumerate(path):
                lat, lon = degrees(x, y)
                row = {"shape_pt_lat": f"{lat:.6f}", "shape_pt_lon": f"{lon:.6f}", "shape_pt_sequence": str(sequence)}
                shapes.append({"shape_id": shape, **row})
            for service, rarer in zip(DAYS, (1.0, 1.5), strict=True):
                for begins in starts(line, rarer):
                    trip = f"{shape}-{service}-{clock_of(begins + direction * TURN)[:5].replace(':', '')}"
                    trips.append(
                        {"trip_id": trip, "route_id": line.route, "service_id": service, "shape_id": shape}
                        | {"direction_id": str(direction), "trip_headsign": names[-1]}
                    )
                    times += calls(trip, line, direction, begins + direction * TURN, legs)
    return {
        "agency.txt": pl.DataFrame([{"agency_id": NETWORK, "agency_name": "Halcyon", "agency_timezone": ZONE}]),
        "routes.txt": pl.DataFrame([route(line, order) for order, line in enumerate(LINES)]),
        "stops.txt": pl.DataFrame(stops).unique("stop_id", keep="first", maintain_order=True),
        "shapes.txt": pl.DataFrame(shapes),
        "trips.txt": pl.DataFrame(trips),
        "stop_times.txt": pl.DataFrame(times),
        **calendar(),
    }


def calendar() -> dict[str, pl.DataFrame]:
    """Workdays and weekends for ten years; on New Year's Day vehicles run as on a Sunday."""
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    span = {"start_date": "20250101", "end_date": "20351231"}
    weeks = [{"service_id": name, **dict(zip(names, week, strict=True)), **span} for name, week in DAYS.items()]
    dates = [
        {"service_id": service, "date": f"{year}0101", "exception_type": kind}
        for year in range(2025, 2036)
        for service, kind in (("workdays", "2"), ("weekends", "1"))
    ]
    return {"calendar.txt": pl.DataFrame(weeks), "calendar_dates.txt": pl.DataFrame(dates)}


def route(line: Line, order: int) -> dict[str, str]:
    """A row of routes.txt."""
    return {
        "route_id": line.route,
        "route_short_name": line.route,
        "route_long_name": line.title,
        "route_color": line.color,
        "route_text_color": "ffffff",
        "route_type": str(line.kind),
        "route_sort_order": str(order),
    }


def stop(stop_id: str, name: str, lat: float, lon: float, *, kind: str = "0", parent: str = "") -> dict[str, str]:
    """A row of stops.txt."""
    place = {"stop_lat": f"{lat:.6f}", "stop_lon": f"{lon:.6f}"}
    return {"stop_id": stop_id, "stop_name": name, **place, "location_type": kind, "parent_station": parent}


def platform(line: Line, direction: int, name: str) -> str:
    """The id of the platform at which a line stops."""
    return f"{slug(name)}-{line.route.lower()}-{direction}"


def platforms(line: Line, direction: int) -> list[dict[str, str]]:
    """The platforms of a line in one direction, below their stations."""
    return [
        stop(platform(line, direction, name), name, *degrees(*STATIONS[name]), parent=slug(name))
        for name in line.stations
    ]


def calls(trip: str, line: Line, direction: int, begins: int, legs: np.ndarray) -> list[dict[str, str]]:
    """The stop times of a trip: each leg at the line's pace, and a stop of `DWELL` seconds at each station."""
    found = []
    arrives = float(begins)
    for sequence, name in enumerate(line.stations[:: 1 - 2 * direction]):
        last = sequence == len(line.stations) - 1
        departs = arrives + (0 if last or sequence == 0 else DWELL)
        found.append(
            {"trip_id": trip, "stop_id": platform(line, direction, name), "stop_sequence": str(sequence + 1)}
            | {"arrival_time": clock_of(round(arrives)), "departure_time": clock_of(round(departs))}
        )
        if not last:
            arrives = departs + 15 + float(legs[sequence]) / line.pace
    return found


@lru_cache(maxsize=1)
def timetable() -> Timetable:
    """The city's timetable, made once."""
    return from_tables(tables(), NETWORK)


def write(folder: Path) -> None:
    """The city's timetable as a folder of GTFS text tables, for those who want to look at it or feed it to others."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables().items():
        rows.write_csv(folder / name)
