"""The shapes of the short answers, for the OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

Instant = datetime


class FeedCounts(BaseModel):
    """Feeds by how they are: live ones brought a record within the last minute, down ones have an error."""

    live: int
    silent: int
    down: int


class TroubleShape(BaseModel):
    """Something to know now: since when, what, and what to do."""

    since: Instant
    what: str
    next: str


class BackgroundShape(BaseModel):
    """What lies below the maps: addresses of a MapLibre style and of PMTiles, each may be empty.

    `origins` are the other servers that the page may speak to for them.
    """

    style: str
    tiles: str
    origins: list[str]


class StatusShape(BaseModel):
    """How things are."""

    version: str
    now: Instant
    started: Instant
    zone: str
    feeds: FeedCounts
    newest: Instant | None
    rejected_last_hour: int
    background: BackgroundShape | None
    data_dir_problem: str | None
    problems: list[TroubleShape]


class NodeShape(BaseModel):
    """One node of the plan with its numbers; rate in records per second, lag in records."""

    name: str
    kind: Literal["feed", "topic", "stream", "join", "table", "window"]
    label: str
    records: int
    rate: float
    lag: int
    late: int
    rejected: int
    watermark: Instant | None
    last_record: Instant | None
    last_error: str
    stale: bool


class EdgeShape(BaseModel):
    """A step of the plan."""

    source: str
    target: str


class PlanShape(BaseModel):
    """The plan as a graph."""

    nodes: list[NodeShape]
    edges: list[EdgeShape]
    now: Instant


class PartitionShape(BaseModel):
    """One partition: first kept and next offset, size in bytes, and when its oldest and newest entry were appended."""

    partition: int
    start: int
    end: int
    bytes: int
    oldest: Instant | None
    newest: Instant | None


class FieldShape(BaseModel):
    """One field of a record."""

    name: str
    type: Literal["str", "int", "float", "bool", "time"]
    unit: str
    doc: str


class RetentionShape(BaseModel):
    """How long the log keeps a topic's records."""

    age_seconds: float | None
    bytes: int | None


class TopicShape(BaseModel):
    """One topic of the log."""

    name: str
    record: str
    doc: str
    key: list[str]
    time: str | None
    partitions: list[PartitionShape]
    fields: list[FieldShape]
    retention: RetentionShape
    compact: bool


class PlaceShape(BaseModel):
    """Columns that say where a thing is; `on` is the geometry that holds the line on which it moves."""

    latitude: str
    longitude: str
    bearing: str | None
    on: str | None
    line: str | None
    along: str | None


class LayerShape(BaseModel):
    """Something that a page draws."""

    name: str
    title: str
    kind: Literal["series", "points"]
    table: str
    thing: str
    series: str | None
    value: str
    time: str
    unit: str
    window: str | None
    stale_seconds: float
    dead_seconds: float
    place: PlaceShape | None


class GeometryShape(BaseModel):
    """Something that a page draws below its layers: `/v1/layers/<name>` has its features."""

    name: str
    title: str
    kind: Literal["lines", "points", "areas"]


class OutputShape(BaseModel):
    """One declared output of a window."""

    name: str
    kind: Literal["count", "sum", "mean", "minimum", "maximum"]
    unit: str


class WindowShape(BaseModel):
    """One window with its spans in seconds."""

    name: str
    kind: Literal["tumbling", "hopping", "session"]
    size_seconds: float
    every_seconds: float
    gap_seconds: float
    by: list[str]
    outputs: list[OutputShape]


class MapShape(BaseModel):
    """A map: names of columns by the part that they play, and how their values are to be read."""

    model_config = ConfigDict(extra="allow")

    name: str
    title: str
    table: str
    thing: str
    time: str
    latitude: str
    longitude: str
    horizon_seconds: float
    stale_seconds: float
    dead_seconds: float


class BoardShape(BaseModel):
    """A board: which endpoint fills it, and what its rows are."""

    name: str
    title: str
    path: str
    thing_word: str
    window: str | None
    past: bool
    stale_seconds: float
    dead_seconds: float


class ReportShape(BaseModel):
    """One report."""

    name: str
    title: str


class DomainShape(BaseModel):
    """What a domain declares."""

    name: str
    title: str
    zone: str
    layers: list[LayerShape]
    maps: list[MapShape]
    boards: list[BoardShape]
    tables: list[str]
    windows: list[WindowShape]
    geometries: list[GeometryShape]
    reports: list[ReportShape]
    streams: list[str]


class HealthShape(BaseModel):
    """Alive, or ready."""

    status: Literal["ok", "ready"]
