"""What a map draws: things that move along paths between places. What they are, only the domain knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from wayside.domain.checks import check_columns
from wayside.errors import DeclarationError

Tone = Literal["early", "good", "warn", "bad", "none"]
Look = Literal["solid", "hollow", "hidden"]


@dataclass(frozen=True)
class Lines:
    """Which declared geometry of lines a map draws, and which properties of its features mean what.

    `line` is the id of the line that a feature is a way of; several features are one line when they share it. Colours
    are `#rrggbb`. `length` is that of the whole feature, in the unit of the map's `along`; without it, metres count.
    """

    geometry: str
    line: str
    name: str = "name"
    title: str = ""
    colour: str = "color"
    ink: str = ""
    length: str = ""


@dataclass(frozen=True)
class Places:
    """Which declared geometry of points a map draws. `lines` is a property with a list of ids of lines."""

    geometry: str
    name: str = "name"
    lines: str = ""


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
    """What is planned and expected where: an endpoint of the domain that is asked with `?thing=` or `?place=`.

    At a place `before` and `ahead` say how many minutes around now are wanted. It answers `{"rows": [...], "basis":
    text}`; each row has `thing`, `place`, `place_name`, `line`, `toward`, `direction` (0, 1 or null), `planned` and
    `expected` (instants or null, one of them an instant) and `state` (`live`, `stale`, `silent`, `planned`, `expected`,
    `departed` or `cancelled`); it may have a `note`, a word or two on what is particular about it.
    `basis` says in words what expected times rest on; a row may have a `basis` of its own: `prediction`, `delay` or
    `timetable`. `notices`, which may be missing, are what people should know of the thing or
    place: each has `title`, and `text`, `kind` (in words), `from` and `to` (instants) or null; `notes`, which may be
    missing as well, are sentences about the answer. `title` heads the list on a thing's card, `board` that on a
    place's.

    `passed` is an endpoint with what has called at a place, asked with `?place=` and `?minutes=`: each of its rows has
    `thing`, `line`, `path` (null where none is known), `event` (`arrival` or `departure`), the instant `at`, and in
    seconds or null `headway` and `dwell`; `spacing` is `even`, `bunched`, `gap` or null.

    `shares` is an endpoint with how much on a line was in time, asked with `?line=` and `?hours=`: a row per hour with
    `from` and `to`, how many were `compared` with a plan, and the shares `on_time_share`, `early_share` and
    `late_share` of those, or null. `planned` is one with what was planned on a path, asked with `?path=`, `?minutes=`
    and `?ahead=`: a row per run with two lists of one length, `at` (milliseconds since 1970) and `along` (metres).

    With `past`, all of them and `unseen` take `?at=`, an instant of the past, and answer as things were then.
    """

    path: str
    title: str
    board: str
    passed: str = ""
    shares: str = ""
    planned: str = ""
    past: bool = False


@dataclass(frozen=True)
class Map:
    """A picture of things that move.

    `table` holds the newest word of each `thing`, and the names of its columns follow: `along` is the distance along
    `path`, `speed` metres per second, `bearing` degrees clockwise from north, `line` the id of a line, `value` the
    number that `bands` turn into words and colours, `state` what `states` explain, and `gone` is true in the last word
    of a thing. `unseen` is an endpoint of the domain with things that should be there and of which nobody hears: it
    answers `{"rows": [...]}` with the table's columns. Between two words a thing is moved on for `horizon` at most.
    Where `window` is given, its `output` says how much was heard, for the time bar.
    """

    name: str
    title: str
    table: str
    thing: str
    time: str
    latitude: str
    longitude: str
    lines: Lines
    places: Places | None = None
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
    gone: str = ""
    unseen: str = ""
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
        named += [self.label, self.line, self.toward, self.next, self.value, self.state, self.gone]
        named += [fact.column for fact in self.facts]
        return list(dict.fromkeys(name for name in named if name))

    def check(
        self, tables: Mapping[str, pl.Schema], windows: Mapping[str, Sequence[str]], geometries: Mapping[str, str]
    ) -> None:
        """Raise DeclarationError where a table, column, window or geometry is named that the domain does not have."""
        where = f"map {self.name!r}"
        if self.table not in tables:
            raise DeclarationError(f"The map reads {self.table!r}, which is no table of the domain.", where=where)
        check_columns(tuple(self.columns()), tables[self.table], "The map", where)
        wanted = {self.lines.geometry: "lines"} | ({self.places.geometry: "points"} if self.places else {})
        for name, kind in wanted.items():
            if geometries.get(name) != kind:
                raise DeclarationError(f"The map draws {name!r}, which is no geometry of {kind}.", where=where)
        if self.window and self.output not in windows.get(self.window, ()):
            raise DeclarationError(
                f"The map reads {self.output!r} of the window {self.window!r}, which the domain does not have.",
                where=where,
            )
