"""What a domain shows and answers: layers, reports, and endpoints of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, Protocol

import polars as pl

from wayside.errors import DeclarationError

BACK = timedelta(minutes=5)
"""How old what a table held at an instant of the past may have been then."""


class Generator(Protocol):
    """A simulator that can be started with a number of things, stopped, and asked."""

    @property
    def running(self) -> bool: ...

    def start(self, things: int | None = None, *, rate: float | None = None) -> None:
        """Start so many things at so many messages per second each, or as the feed declares it."""

    def stop(self) -> None: ...

    def things(self) -> list[dict[str, Any]]:
        """The simulated things with their attributes."""


class Queries(Protocol):
    """What an endpoint or report may ask. All answers are of committed data plus the windows still open."""

    def now(self) -> datetime: ...

    def table(self, name: str, where: Mapping[str, Sequence[Any]] | None = None) -> pl.DataFrame:
        """Live rows of a table."""

    def windows(
        self, name: str, start: datetime, end: datetime, where: Mapping[str, Sequence[Any]] | None = None
    ) -> pl.DataFrame:
        """Windows within [start, end) with their declared outputs and the column `open`."""

    def summary(
        self, name: str, start: datetime, end: datetime, *, by: Sequence[str], where: Mapping[str, Sequence[Any]] | None
    ) -> pl.DataFrame:
        """One row per group over the whole range: counts and sums added, averages as sum over count."""

    def past(self, at: datetime, *, back: timedelta | None = BACK) -> Queries:
        """The same questions as of an instant of the past, which is then `now`.

        Tables hold what was told within `back` before it (null: ever), as the log has it, or the lake beyond the log's
        retention; a table of a step that neither keeps (one that compares rows, or joins them) cannot be asked.
        Windows are those that are known today; running totals are those of the instant, and raise UnknownPastError
        where they cannot be found again.
        """

    def generator(self, feed: str) -> Generator:
        """The simulator behind a feed of this domain."""


@dataclass(frozen=True)
class Answer:
    """Status, body (anything that JSON can carry, or bytes; null sends an empty body) and extra headers.

    Bytes need a header `content-type`. A good answer to a GET is given an ETag, and is not sent again to who has it;
    with a header `last-modified` also by time.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def problem(status: int, title: str, detail: str) -> Answer:
    """An error as problem details."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Answer(status, body, {"content-type": "application/problem+json"})


Handler = Callable[[Queries, Any, Mapping[str, str]], Answer]


@dataclass(frozen=True)
class Endpoint:
    """A route that a domain adds, for clients of the system that it replaces.

    `body` is a msgspec Struct (or null for none); the handler gets the queries, the decoded body and the path and query
    parameters as text. `parameters` maps a query parameter to its JSON Schema; `replies` maps a status to its meaning.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Handler
    summary: str
    body: type | None = None
    parameters: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    replies: Mapping[int, str] = field(default_factory=dict)
    example: Any = None

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or self.path.startswith("/v1/"):
            raise DeclarationError(
                f"A domain's endpoint cannot be {self.path!r}.",
                where=f"endpoint {self.method} {self.path}",
                why="It starts with / and leaves /v1 to Wayside.",
            )


@dataclass(frozen=True)
class Place:
    """The columns that say where a thing is, in degrees.

    `bearing` is where it heads, clockwise from north. Of a thing that moves along a line, `line` is the column with the
    id of that line among the features of the geometry `on`, and `along` the one with the metres from its start.
    """

    latitude: str = "latitude"
    longitude: str = "longitude"
    bearing: str | None = None
    on: str | None = None
    line: str | None = None
    along: str | None = None


@dataclass(frozen=True)
class Layer:
    """Something that a page draws: a table with the newest value per thing, and the window that rolls it up.

    `thing` and `series` are key columns: which thing, and which of its series. `value` is what is drawn, and `unit` the
    column or fixed code of its unit. A layer of `points` is drawn on a map: `place` names the columns that say where.
    """

    name: str
    title: str
    table: str
    thing: str
    value: str
    time: str
    series: str | None = None
    unit: str = ""
    window: str | None = None
    stale: str = "90s"
    dead: str = "5m"
    kind: Literal["series", "points"] = "series"
    place: Place | None = None

    def __post_init__(self) -> None:
        if (self.place is not None) != (self.kind == "points"):
            raise DeclarationError(
                "A layer of points needs a place, and only such a layer has one.",
                where=f"layer {self.name!r}",
                next="Give place=Place(...) and kind='points', or neither.",
            )


@dataclass(frozen=True)
class Drawn:
    """What a geometry was from `since` on (null: always) until another one took its place (null: it still is that).

    `notes` are sentences to people where it is not quite what was asked for.
    """

    features: Mapping[str, Any]
    since: datetime | None = None
    until: datetime | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Geometry:
    """Something that a page draws below its layers, and that changes rarely: lines, places or areas.

    `features` gives a GeoJSON FeatureCollection whose features have ids and flat properties. It is asked at each
    question and so must be quick; while it returns the same object, the answer is not written again. `past` gives what
    was there at an instant, and may take its time; for what is there now it returns the object of `features`. Without
    it, what is there now is taken to have been there always.
    """

    name: str
    title: str
    kind: Literal["lines", "points", "areas"]
    features: Callable[[], Mapping[str, Any]]
    past: Callable[[datetime], Drawn] | None = None


@dataclass(frozen=True)
class Report:
    """A document as of a date, built from queries."""

    name: str
    title: str
    build: Callable[[Queries, date], dict[str, Any]]
