"""A made city for the map's tests: lines through a river bend, places, and things that move along them exactly.

Where everything is at an instant follows from the instant alone, so a test can compute what a page must show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

from wayside.domain import (
    Answer,
    Band,
    Calls,
    Domain,
    Endpoint,
    Fact,
    Geometry,
    Lines,
    Map,
    Places,
    Plan,
    Queries,
    State,
    Topic,
    count,
)
from wayside.record import Record
from wayside.record import field as of

EARTH = 6_371_008.8
SPEED = 12.0
"""Metres per second of everything that moves."""
MIDDLE = (-71.06, 42.36)
COLOURS = {"red": "#c8312b", "blue": "#2457a8", "green": "#3f8f5a", "orange": "#df8a2e"}
NAMES = ["Harbor St", "Central", "Mill Bridge", "Quarry", "North Mills", "Oak Hill", "Ferry Point", "College"]
STATES = ["moving", "moving", "moving", "stopped", "moving", "moving", "unheard", "moving"]


class Fix(Record, key="thing_id", time="at"):
    """The newest word of a thing that moves."""

    thing_id: str = of(doc="which thing", example="r-1")
    at: datetime = of(doc="when it was there")
    latitude: float = of(unit="deg", ge=-90, le=90, doc="where")
    longitude: float = of(unit="deg", ge=-180, le=180, doc="where")
    label: str = of(doc="what it is called")
    line_id: str = of(doc="its line")
    toward: str = of(doc="where it goes")
    state: str = of(doc="how it is")
    bearing: float | None = of(unit="deg", doc="clockwise from north")
    path_id: str | None = of(doc="the path that it moves along")
    along: float | None = of(unit="m", doc="how far along the path")
    speed: float | None = of(unit="m/s", doc="how fast")
    next_place: str | None = of(doc="where it comes next")
    delay: float | None = of(unit="s", doc="behind plan")
    crowding: str | None = of(doc="how full it is")


class Call(Record, key=("thing_id", "place_id"), time="at"):
    """Where a thing is planned and expected, and when."""

    thing_id: str = of(doc="which thing")
    place_id: str = of(doc="which place")
    at: datetime = of(doc="when this was known")
    planned: datetime = of(doc="by the plan")
    line_id: str = of(doc="its line")
    toward: str = of(doc="where it goes")
    expected: datetime | None = of(doc="as it goes now")


class Push:
    """What the tests post."""

    kind: ClassVar[str] = "push"
    path = None
    status = 202


@dataclass(frozen=True)
class Route:
    """A path with its cumulated metres."""

    id: str
    line: str
    points: list[tuple[float, float]]
    metres: list[float] = field(default_factory=list)

    @property
    def length(self) -> float:
        return self.metres[-1]

    def at(self, along: float) -> tuple[float, float, float]:
        """Longitude, latitude and bearing at a distance."""
        along = min(max(along, 0.0), self.length)
        index = next(i for i in range(1, len(self.metres)) if along <= self.metres[i] or i == len(self.metres) - 1)
        (x0, y0), (x1, y1) = self.points[index - 1], self.points[index]
        share = (along - self.metres[index - 1]) / max(1e-9, self.metres[index] - self.metres[index - 1])
        bearing = math.degrees(math.atan2((x1 - x0) * math.cos(math.radians(y0)), y1 - y0)) % 360
        return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share, bearing


def apart(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres between two places."""
    lat0, lat1 = math.radians(a[1]), math.radians(b[1])
    half = math.sin((lat1 - lat0) / 2) ** 2
    half += math.cos(lat0) * math.cos(lat1) * math.sin(math.radians(b[0] - a[0]) / 2) ** 2
    return 2 * EARTH * math.asin(math.sqrt(half))


def route(line: str, number: int, lines: int) -> Route:
    """A bent line through the middle of the city."""
    turn = math.pi * number / lines + 0.4
    points = []
    for step in range(-60, 61):
        out = step / 60 * 0.085
        side = 0.012 * math.sin(step / 60 * math.pi * (1.6 + 0.35 * number) + number)
        x, y = out * math.cos(turn) - side * math.sin(turn), out * math.sin(turn) + side * math.cos(turn)
        points.append((round(MIDDLE[0] + x * 1.35, 6), round(MIDDLE[1] + y, 6)))
    metres = [0.0]
    for before, after in pairwise(points):
        metres.append(metres[-1] + apart(before, after))
    return Route(f"{line}-out", line, points, metres)


def routes(lines: int = 4) -> list[Route]:
    """Every line's path; the first four have the names of colours."""
    names = [*COLOURS, *(f"line-{number}" for number in range(5, lines + 1))][:lines]
    return [route(name, number, lines) for number, name in enumerate(names)]


def ways(found: list[Route]) -> dict[str, Any]:
    """The lines of the city."""
    features = [
        {
            "type": "Feature",
            "id": r.id,
            "geometry": {"type": "LineString", "coordinates": r.points},
            "properties": {
                "route": r.line, "name": r.line.title(), "long": f"{r.line.title()} line",
                "color": COLOURS.get(r.line, "#6b5ca5"), "text": "#ffffff", "length": r.length,
            },
        }
        for r in found
    ]  # fmt: skip
    return {"type": "FeatureCollection", "features": features}


def halts(found: list[Route]) -> dict[str, Any]:
    """The places of the city; a name stands for several places."""
    features = []
    for number, r in enumerate(found):
        for step in range(9):
            x, y, _ = r.at(r.length * step / 8)
            name = NAMES[(number * 3 + step) % len(NAMES)] if step % 2 == 0 else f"{r.line.title()} {step}"
            features.append(
                {
                    "type": "Feature",
                    "id": f"{r.line}-{step}",
                    "geometry": {"type": "Point", "coordinates": [x, y]},
                    "properties": {"name": name, "routes": [r.line]},
                }
            )
    return {"type": "FeatureCollection", "features": features}


def due(queries: Queries, _: Any, given: Mapping[str, str]) -> Answer:
    """What is planned and expected of a thing, or at a place."""
    chosen = {"thing_id": given["thing"]} if given.get("thing") else {"place_id": given.get("place", "")}
    rows = queries.table("upcoming", {name: [value] for name, value in chosen.items()})
    found = [
        {
            "thing": row["thing_id"], "place": row["place_id"], "place_name": "", "line": row["line_id"],
            "toward": row["toward"], "direction": int(row["toward"] == "Quarry"),
            "planned": iso(row["planned"]), "state": "live" if row["expected"] else "silent",
            "expected": iso(row["expected"]) if row["expected"] else None,
        }
        for row in rows.to_dicts()
    ]  # fmt: skip
    closed = {
        "title": "The north exit is closed", "text": "Use the exit to the square.", "kind": "accessibility issue",
        "from": iso(queries.now() - timedelta(hours=1)), "to": iso(queries.now() + timedelta(days=3)),
    }  # fmt: skip
    notices = [closed] if given.get("place") == "red-4" else []
    return Answer(200, {"rows": found, "basis": "schedule plus present delay", "notices": notices})


def fixes(found: list[Route], things: int, at: datetime, speed: float = SPEED) -> list[dict[str, Any]]:
    """Where every thing is at an instant: back and forth along its line at a steady pace."""
    rows = []
    for number in range(things):
        r = found[number % len(found)]
        state = STATES[number % len(STATES)]
        still = state == "stopped"
        along = (number * 911.7 + (0 if still else at.timestamp() * speed)) % r.length
        x, y, bearing = r.at(along)
        delay = float((number * 97) % 900 - 150)
        step = min(8, int(along / r.length * 8) + 1)
        rows.append(
            {
                "thing_id": f"{r.line[0]}-{number + 1}", "at": iso(at), "latitude": y, "longitude": x,
                "bearing": bearing, "path_id": r.id, "along": along, "speed": 0.0 if still else speed,
                "label": f"{1700 + number}", "line_id": r.line, "toward": "Quarry" if number % 3 else "College",
                "next_place": f"{r.line}-{step}", "delay": delay, "state": state,
                "crowding": ["many", "few", None][number % 3],
            }
        )  # fmt: skip
    return rows


def calls(found: list[Route], things: int, at: datetime) -> list[dict[str, Any]]:
    """The next four places of every thing."""
    rows = []
    for row, r in zip(fixes(found, things, at), [found[n % len(found)] for n in range(things)], strict=True):
        first = int(row["next_place"].rsplit("-", 1)[1])
        for step in range(first, min(9, first + 4)):
            due = at + timedelta(seconds=(r.length * step / 8 - row["along"]) / SPEED)
            rows.append(
                {
                    "thing_id": row["thing_id"], "place_id": f"{r.line}-{step}", "at": iso(at),
                    "planned": iso(due - timedelta(seconds=row["delay"])),
                    "expected": None if row["state"] == "unheard" else iso(due),
                    "line_id": r.line, "toward": row["toward"],
                }
            )  # fmt: skip
    return rows


def iso(at: datetime) -> str:
    """An instant as records carry it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def plan(lines: int = 4, *, stale: str = "90s", dead: str = "5m", horizon: str = "30s") -> Plan:
    """The made city as a domain."""
    found = routes(lines)
    drawn, dots = ways(found), halts(found)
    spots, calls = Topic("spots", Fix), Topic("due", Call)
    spots.feed("pushed", Push())
    latest = spots.table("spot_latest", search=["label"])
    heard = spots.window("spots_heard", every="1m", by=["line_id"], n=count())
    upcoming = calls.table("upcoming")
    map = Map(
        "city",
        "City",
        table="spot_latest", thing="thing_id", time="at", latitude="latitude", longitude="longitude",
        lines=Lines("ways", line="route", title="long", ink="text", length="length"),
        places=Places("halts", lines="routes"),
        bearing="bearing", path="path_id", along="along", speed="speed", label="label", line="line_id",
        toward="toward", next="next_place",
        value="delay", value_title="Delay", less_word="early", more_word="late",
        bands=[
            Band("early", "early", below=-60), Band("on time", "good", below=180),
            Band("3 to 10 min late", "warn", below=600), Band("over 10 min late", "bad"),
        ],
        state="state",
        states={
            "moving": State("under way"), "stopped": State("at a stop"),
            "unheard": State("scheduled, no signal", "hollow"), "garage": State("parked", "hidden"),
        },
        facts=[
            Fact("speed", "Speed", "m/s"),
            Fact("crowding", "Occupancy", words={"many": "many seats free", "few": "few seats free"}),
        ],
        calls=Calls("/api/city/due", title="Next stops", board="Departures"),
        window="spots_heard", output="n", horizon=horizon, stale=stale, dead=dead,
        thing_word="vehicle", things_word="vehicles", place_word="stop", line_word="line",
    )  # fmt: skip
    asked = {name: {"type": "string"} for name in ("thing", "place", "before", "ahead")}
    domain = Domain(
        "city",
        "City",
        [latest, heard, upcoming],
        maps=[map],
        zone="America/New_York",
        geometries=[
            Geometry("ways", "Lines", "lines", lambda: drawn),
            Geometry("halts", "Stops", "points", lambda: dots),
        ],
        endpoints=[Endpoint("GET", "/api/city/due", due, "What is due", parameters=asked)],
    )
    return Plan.of([domain])
