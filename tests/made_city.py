"""A made city for the map's tests: lines through a river bend, places, and things that move along them exactly.

Where everything is at an instant follows from the instant alone, so a test can compute what a page must show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

from wayside.domain import Band, Calls, Domain, Fact, Geometry, Line, Map, Path, Place, Plan, State, Topic, count
from wayside.record import Record
from wayside.record import field as of

EARTH = 6_371_008.8
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
    source: str = of(doc="what the expectation rests on")
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


def geometry(found: list[Route]) -> Geometry:
    """Lines, paths and places of the city; a name stands for two places where lines meet its two ends."""
    lines = [
        Line(r.line, r.line.title(), COLOURS.get(r.line, "#6b5ca5"), "#ffffff", f"{r.line.title()} line") for r in found
    ]
    paths = [Path(r.id, r.line, r.points, r.length) for r in found]
    places = []
    for number, r in enumerate(found):
        for step in range(9):
            x, y, _ = r.at(r.length * step / 8)
            name = NAMES[(number * 3 + step) % len(NAMES)] if step % 2 == 0 else f"{r.line.title()} {step}"
            places.append(Place(f"{r.line}-{step}", name, x, y, [r.line], 1 if step in (0, 4, 8) else 2))
    return Geometry(lines, paths, places)


def fixes(found: list[Route], things: int, at: datetime, speed: float = 12.0) -> list[dict[str, Any]]:
    """Where every thing is at an instant: back and forth along its line at a steady pace."""
    rows = []
    for number in range(things):
        r = found[number % len(found)]
        state = STATES[number % len(STATES)]
        still = state == "stopped"
        along = (number * 911.7 + (0 if still else at.timestamp() % 100_000 * speed)) % r.length
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
            due = at + timedelta(seconds=(r.length * step / 8 - row["along"]) / 12)
            rows.append(
                {
                    "thing_id": row["thing_id"], "place_id": f"{r.line}-{step}", "at": iso(at),
                    "planned": iso(due - timedelta(seconds=row["delay"])),
                    "expected": None if row["state"] == "unheard" else iso(due),
                    "line_id": r.line, "toward": row["toward"], "source": "schedule plus delay",
                }
            )  # fmt: skip
    return rows


def iso(at: datetime) -> str:
    """An instant as records carry it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def plan(lines: int = 4, *, stale: str = "90s", dead: str = "5m") -> Plan:
    """The made city as a domain."""
    found = geometry(routes(lines))
    spots, due = Topic("spots", Fix), Topic("due", Call)
    spots.feed("pushed", Push())
    latest = spots.table("spot_latest", search=["label"])
    heard = spots.window("spots_heard", every="1m", by=["line_id"], n=count())
    upcoming = due.table("upcoming")
    map = Map(
        "city",
        "City",
        table="spot_latest", thing="thing_id", time="at", latitude="latitude", longitude="longitude",
        geometry=lambda: found,
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
        calls=Calls(
            "upcoming", thing="thing_id", place="place_id", planned="planned", expected="expected",
            title="Next stops", board="Departures", line="line_id", toward="toward", source="source",
        ),
        window="spots_heard", output="n", stale=stale, dead=dead,
        thing_word="vehicle", things_word="vehicles", place_word="stop", line_word="line",
    )  # fmt: skip
    domain = Domain("city", "City", [latest, heard, upcoming], maps=[map], zone="America/New_York")
    return Plan.of([domain])
