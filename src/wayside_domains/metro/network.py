"""The lines and their stations: a made list with the oddities of a real one.

Two stations of one line have the same name, other names come on two lines, some stations are on two lines, and a few
rows are of stations where none of the three lines stops. Every station has two platforms, a row each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

from wayside_domains.metro.records import Line

LINES: tuple[Line, ...] = get_args(Line)
TITLES = {"blue": "Blue", "red": "Red", "green": "Green"}
COLORS = {"blue": "#1e90ff", "red": "#dc143c", "green": "#32cd32"}
TRAINS = 10
SINCE = datetime(2000, 1, 1, tzinfo=UTC)
"""From when the list holds: before anything that happens."""
FIRST_STATION, FIRST_STOP = 40_010, 30_001
SHARED = {"Lakeside": ("blue", "green"), "Market Hall": ("red", "green"), "Old Mint": ("blue", "red")}
NOWHERE = ("Kimball Yard", "Skyline Depot", "Dockyard")
ROUTES: dict[Line, str] = {
    "blue": "Airfield, Rosehill, Cumber Road, Harlem|West, Jefferson Mill, Montrose Lane, Irving Green, Addison Row, "
    "Belmont Yard, Logan Gate, California, Western|North, Damen Corner, Division, Chicago Road, Grand, Old Mint, "
    "Lakeside, Washington, Monroe, Jackson, LaSalle Steps, Clinton, Halsted|South, Racine, Medical Quarter, "
    "Western|South, Kedzie, Pulaski, Cicero, Austin, Oak Lawn, Harlem|East",
    "red": "Howard Hill, Jarvis, Morse, Loyola Court, Granville, Thorn Hill, Bryn Way, Berwyn, Argyle, Lawrence, "
    "Wilson, Sheridan, Addison Field, Belmont, Fullerton, North Gate, Old Mint, Lake Street, Monroe, "
    "Jackson, Harrison, Market Hall, Cermak, Sox Field, 47th Street, Garfield, 63rd Street, 69th Street, 79th Street, "
    "87th Street, 95th Street",
    "green": "Harlem, Oak Meadow, Ridge, Austin, Central, Laramie, Cicero, Pulaski, Conservatory, Kedzie, California, "
    "Ashland, Morgan, Clinton, Lakeside, State Street, Adams, Market Hall, 35th Street, Indiana, 43rd Street, "
    "47th Street, 51st Street, Garfield, King Drive, Cottage Grove, Halsted, Ashland|South",
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A station as a train runs through it. `order` is its place on each of its lines."""

    station_id: int
    name: str
    description: str
    order: int
    lines: tuple[str, ...]

    @property
    def line(self) -> str:
        """The line that it is counted to: the first of red, blue and green that stops there."""
        return next(line for line in ("red", "blue", "green") if line in self.lines)


def places() -> Iterator[tuple[Line, Place]]:
    """The stations of each line in the order in which trains come to them; a shared one comes on each of its lines.

    Its order is the greatest of its places on them, and what follows is counted on from there, so that one number
    sorts it rightly on all of its lines.
    """
    routes = {line: [part.strip() for part in text.split(",")] for line, text in ROUTES.items()}
    lifted = lifts(routes)
    known: dict[str, Place] = {}
    number = FIRST_STATION
    for line, names in routes.items():
        for index, written in enumerate(names):
            name, _, side = written.partition("|")
            if name in known:
                yield line, known[name]
                continue
            lines = SHARED.get(name, (line,))
            where = ", ".join(f"{TITLES[each]} Line" for each in lines) + (f", {side}" if side else "")
            place = Place(number, name, f"{name} ({where})", lifted[line][index], lines)
            number += 10
            if name in SHARED:
                known[name] = place
            yield line, place


def lifts(routes: dict[Line, list[str]]) -> dict[Line, list[int]]:
    """The orders of all stations by line, raised until shared ones have one number on all of their lines."""
    orders = {line: list(range(len(names))) for line, names in routes.items()}
    changed = True
    while changed:
        changed = False
        for name, lines in SHARED.items():
            at = {line: routes[line].index(name) for line in LINES if line in lines}
            most = max(orders[line][index] for line, index in at.items())
            for line, index in at.items():
                lift = most - orders[line][index]
                orders[line][index:] = [order + lift for order in orders[line][index:]]
                changed |= lift > 0
    return orders


def route(line: Line) -> list[Place]:
    """The stations of a line from one end to the other."""
    return [place for each, place in places() if each == line]


def stations() -> list[Place]:
    """Every station once."""
    return list({place.station_id: place for _, place in places()}.values())


def stops() -> list[dict[str, Any]]:
    """The rows of the table of stops, in the order of their ids."""
    unserved = [
        Place(FIRST_STATION + 10_000 + number, name, f"{name} (Brown Line)", number, ())
        for number, name in enumerate(NOWHERE)
    ]
    rows: list[dict[str, Any]] = []
    for place in (*stations(), *unserved):
        for side, towards in (("N", "northbound"), ("S", "southbound")):
            rows.append(
                {
                    "stop_id": FIRST_STOP + len(rows),
                    "direction_id": side,
                    "stop_name": f"{place.name} ({towards})",
                    "station_name": place.name,
                    "station_descriptive_name": place.description,
                    "station_id": place.station_id,
                    "order": place.order,
                    **{line: line in place.lines for line in ("red", "blue", "green")},
                }
            )
    return rows
