"""What a map draws: things that move along paths between places. What they are, only the domain knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from wayside.errors import DeclarationError

Tone = Literal["early", "good", "warn", "bad", "none"]
Look = Literal["solid", "hollow", "hidden"]


@dataclass(frozen=True)
class Line:
    """A named line of the map: what paths and things belong to. Colours are `#rrggbb`, or empty."""

    id: str
    name: str
    colour: str = ""
    ink: str = ""
    title: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Path:
    """One way along a line, from its start to its end: longitudes and latitudes in degrees.

    `length` is that of the whole path in the unit in which things say how far along it they are (metres unless the
    domain measures otherwise).
    """

    id: str
    line: str
    coordinates: Sequence[tuple[float, float]]
    length: float | None = None


@dataclass(frozen=True)
class Place:
    """A named place, the lines that come by it, and how far out it is worth showing (1 first, 3 last)."""

    id: str
    name: str
    longitude: float
    latitude: float
    lines: Sequence[str] = ()
    rank: int = 2
    kind: str = ""


@dataclass(frozen=True)
class Geometry:
    """All that stands still. A provider gives the same object again for as long as nothing has changed."""

    lines: Sequence[Line] = ()
    paths: Sequence[Path] = ()
    places: Sequence[Place] = ()


@dataclass(frozen=True)
class Band:
    """Values below `below` (the last one has none) have this name and tone: `Band("late", "warn", below=600)`."""

    name: str
    tone: Tone
    below: float | None = None


@dataclass(frozen=True)
class State:
    """What a value of the state column means: its words, and whether the mark is solid, hollow or not drawn."""

    words: str
    look: Look = "solid"


@dataclass(frozen=True)
class Fact:
    """A line of the card: a column with its title, the unit of its numbers, and words for its values."""

    column: str
    title: str
    unit: str = ""
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Calls:
    """A table with what is planned and expected where: one row per thing and place, both as instants.

    `title` heads the list on a thing's card, `board` that on a place's. `line` and `toward` are columns of the table
    for those who look at a place; `source` one that says what an expected time rests on.
    """

    table: str
    thing: str
    place: str
    planned: str
    expected: str
    title: str
    board: str
    line: str = ""
    toward: str = ""
    source: str = ""


@dataclass(frozen=True)
class Map:
    """A picture of things that move.

    `table` holds the newest word of each `thing`, and the names of its columns follow: `along` is the distance along
    `path`, `speed` metres per second, `bearing` degrees clockwise from north, `line` the id of a line, `value` the
    number that `bands` turn into words and colours, `state` what `states` explain. Between two words a thing is moved
    on for `horizon` at most. Where `window` is given, its `output` says how much was heard, for the time bar.
    """

    name: str
    title: str
    table: str
    thing: str
    time: str
    latitude: str
    longitude: str
    geometry: Callable[[], Geometry]
    bearing: str = ""
    path: str = ""
    along: str = ""
    speed: str = ""
    label: str = ""
    line: str = ""
    toward: str = ""
    next: str = ""
    value: str = ""
    value_title: str = ""
    value_unit: str = "s"
    less_word: str = "less"
    more_word: str = "more"
    bands: Sequence[Band] = ()
    state: str = ""
    states: Mapping[str, State] = field(default_factory=dict)
    facts: Sequence[Fact] = ()
    calls: Calls | None = None
    window: str = ""
    output: str = ""
    horizon: str = "30s"
    stale: str = "90s"
    dead: str = "5m"
    thing_word: str = "thing"
    things_word: str = "things"
    place_word: str = "place"
    line_word: str = "line"

    def __post_init__(self) -> None:
        where = f"map {self.name!r}"
        if self.along and not self.path:
            raise DeclarationError("`along` is a distance along a path, and no `path` is named.", where=where)
        if self.value and not self.bands:
            raise DeclarationError("A value without bands has no colour.", where=where, next="Give bands=.")
        limits = [band.below for band in self.bands]
        rising = [limit for limit in limits[:-1] if limit is not None]
        if self.bands and (limits[-1] is not None or len(rising) != len(limits) - 1 or rising != sorted(set(rising))):
            raise DeclarationError(
                "The bands must rise, and the last one has no limit.", where=where, why=f"Got below={limits}."
            )

    def columns(self) -> list[str]:
        """The columns of the table that the map reads, each once."""
        named = [self.thing, self.time, self.latitude, self.longitude, self.bearing, self.path, self.along, self.speed]
        named += [self.label, self.line, self.toward, self.next, self.value, self.state]
        named += [fact.column for fact in self.facts]
        return list(dict.fromkeys(name for name in named if name))

    def check(self, tables: Mapping[str, pl.Schema], windows: Mapping[str, Sequence[str]]) -> None:
        """Raise DeclarationError where a table, column or window is named that the domain does not have."""
        wanted = {self.table: self.columns()}
        if self.calls is not None:
            calls = self.calls
            named = [calls.thing, calls.place, calls.planned, calls.expected, calls.line, calls.toward, calls.source]
            wanted.setdefault(calls.table, []).extend(name for name in named if name)
        where = f"map {self.name!r}"
        for table, columns in wanted.items():
            if table not in tables:
                raise DeclarationError(f"The map reads {table!r}, which is no table of the domain.", where=where)
            for column in columns:
                if column not in tables[table]:
                    raise DeclarationError(
                        f"The map reads the column {column!r}, which the table {table!r} does not have.",
                        where=where,
                        why=f"Columns: {', '.join(tables[table])}.",
                    )
        if self.window and self.output not in windows.get(self.window, ()):
            raise DeclarationError(
                f"The map reads {self.output!r} of the window {self.window!r}, which the domain does not have.",
                where=where,
            )
