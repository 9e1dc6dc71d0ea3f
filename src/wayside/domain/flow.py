"""From events to facts: topics, streams, joins, windows and tables, each a step that follows from another.

A flow is described, never run, here: an engine runs it. Every step is checked when it is declared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import polars as pl

from wayside.domain.checks import check_columns, check_transform
from wayside.domain.earlier import Earlier, check_earlier
from wayside.domain.feeds import SILENT_AFTER, Feed, Source, Transform
from wayside.domain.windows import length, window_spec
from wayside.durations import duration
from wayside.errors import DeclarationError
from wayside.record import Record
from wayside.specs import Aggregate, TableSpec, TopicSpec, WindowSpec

Span = str | timedelta


@dataclass(frozen=True)
class Window:
    """Aggregates per key and time span of a flow."""

    spec: WindowSpec
    source: Flow
    idle: timedelta
    """A partition without new records for this long no longer holds the watermark back."""

    @property
    def name(self) -> str:
        return self.spec.name


@dataclass(frozen=True)
class Table:
    """The latest row per key of a flow. Rows for which `deleted` is true remove their key.

    `gone` is the column of when they did, where that is not their event time: until then their key was there.
    """

    spec: TableSpec
    source: Flow
    deleted: pl.Expr | None = None
    gone: str | None = None

    @property
    def name(self) -> str:
        return self.spec.name


@dataclass(frozen=True, eq=False)
class Flow:
    """A flow of records; what topics, streams and joins have in common."""

    name: str
    record: type[Record]

    def stream(self, name: str, *, into: type[Record], transform: Transform, again: Transform | None = None) -> Stream:
        """Another flow, made by a function from LazyFrame to LazyFrame over each batch of this one.

        A function that looks up what changes may be given another one, `again`, for questions about the past: it looks
        up what was known at each row's own time.
        """
        for function in (transform, again) if again is not None else (transform,):
            check_transform(function, self.record.schema(), into.schema(), where=f"stream {name!r} of {self.name!r}")
        return Stream(name, into, self, transform, again or transform)

    def where(self, name: str, keeps: pl.Expr) -> Stream:
        """The rows for which an expression is true."""
        return self.stream(name, into=self.record, transform=lambda rows: rows.filter(keeps))

    def join(self, name: str, table: Table, *, on: Sequence[str], into: type[Record], how: JoinKind = "inner") -> Join:
        """Each row with the table's row for its key as of the row's event time.

        `inner` drops rows without a match, `left` gives them nulls. Columns that `into` lacks are left out.
        """
        columns = tuple(on)
        where = f"join {name!r} of {self.name!r}"
        check_columns(columns, self.record.schema(), "The join", where)
        if set(columns) != set(table.spec.key):
            raise DeclarationError(
                f"A join needs the whole key of the table {table.name!r}.",
                where=where,
                why=f"Required: {', '.join(table.spec.key)}. Got: {', '.join(columns)}.",
            )
        merged = {**table.spec.schema, **self.record.schema()}
        check_transform(lambda rows: rows.select(list(into.fields)), pl.Schema(merged), into.schema(), where=where)
        return Join(name, into, self, table, columns, how)

    def previous(
        self,
        name: str,
        *,
        by: Sequence[str],
        into: type[Record],
        columns: Mapping[str, str],
        running: Mapping[str, Aggregate] | None = None,
        horizon: Span = "1h",
    ) -> Previous:
        """Each row with columns of the row before it of its key, and with what all rows before it came to.

        `columns` maps a field of `into` to the column of the row before, `running` to a minimum or maximum over the
        rows before; they are null where there is none. The row before is the one of newest event time so far; an older
        row has none and takes nobody's place. A key is forgotten when the newest row of its partition is `horizon`
        beyond its own. docs/semantics.md has the exact words. Raises DeclarationError, also where rows of one key may
        be in several partitions.
        """
        earlier = Earlier(tuple(by), dict(columns), dict(running or {}), duration(horizon))
        topic = origin(self)
        where = f"step {name!r} of {self.name!r}"
        check_earlier(earlier, self.record, into, where)
        if topic.partitions > 1 and not (topic.record.key and set(topic.record.key) <= set(by)):
            raise DeclarationError(
                f"Rows of one key of {name!r} may be in several partitions of {topic.name!r}, which have no order.",
                where=where,
                why=f"The topic is partitioned by {', '.join(topic.record.key) or 'nothing'}, `by` is {', '.join(by)}.",
                next="Name the topic's whole key in `by`, or give the topic one partition.",
            )
        return Previous(name, into, self, earlier)

    def window(
        self,
        name: str,
        *,
        by: Sequence[str],
        every: Span | None = None,
        size: Span | None = None,
        gap: Span | None = None,
        lateness: Span = "0s",
        idle: Span = "30s",
        **aggregates: Aggregate,
    ) -> Window:
        """Aggregates per key and span of event time.

        `every` alone makes tumbling windows, `size` with a smaller `every` hopping ones, `gap` sessions. A window
        closes when the watermark (newest event time less `lateness`) passes its end; see docs/semantics.md.
        `every="all time"` makes running totals: one window per key, to which no record is late, and always open.
        """
        spans = {"every": every, "size": size, "gap": gap}
        given = {key: length(span) for key, span in spans.items() if span is not None}
        spec = window_spec(name, self.record, tuple(by), given, lateness=duration(lateness), aggregates=aggregates)
        return Window(spec, self, duration(idle))

    def table(
        self,
        name: str,
        *,
        by: Sequence[str] = (),
        deleted: pl.Expr | None = None,
        gone: str | None = None,
        search: Sequence[str] = (),
    ) -> Table:
        """The latest row per key (the record's own unless `by` is given) by event time.

        A row for which `deleted` is true removes its key. Where such a row has the event time of what it removes,
        `gone` names the column of when that went, for questions about the past; null there means at once.
        """
        where = f"table {name!r} of {self.name!r}"
        key = tuple(by) or self.record.key
        if not key or self.record.time is None:
            raise DeclarationError(
                "A table needs a key and an event time.", where=where, next="Declare key= and time=."
            )
        check_columns((*key, *search, *([gone] if gone else [])), self.record.schema(), "The table", where)
        if deleted is not None:
            found = self.record.empty().select(deleted.alias("deleted")).schema["deleted"]
            if found != pl.Boolean:
                raise DeclarationError("`deleted` must be true or false.", where=where, why=f"Got {found}.")
        spec = TableSpec(name, self.record.schema(), key, self.record.time, tuple(search))
        return Table(spec, self, deleted, gone)


JoinKind = Literal["inner", "left"]


@dataclass(frozen=True, eq=False)
class Stream(Flow):
    """A flow made by a transform; `again` makes its rows of the past once more."""

    source: Flow
    transform: Transform
    again: Transform


@dataclass(frozen=True, eq=False)
class Join(Flow):
    """A flow of rows enriched from a table as of their event time."""

    source: Flow
    table_: Table
    on: tuple[str, ...]
    how: JoinKind


@dataclass(frozen=True, eq=False)
class Previous(Flow):
    """A flow of rows beside what came before them for their key."""

    source: Flow
    earlier: Earlier


@dataclass(frozen=True, eq=False)
class Topic(Flow):
    """The durable, ordered log of one kind of record, and the root of flows."""

    partitions: int = 1
    retention: str | timedelta | None = "7d"
    retention_bytes: int | None = None
    compact: bool = False
    dedup: str | timedelta = "24h"
    feeds: list[Feed] = field(default_factory=list)

    def feed(
        self,
        name: str,
        source: Source,
        *,
        wire: type[Record] | None = None,
        parse: Transform | None = None,
        stale: str | timedelta | None = SILENT_AFTER,
    ) -> Feed:
        """Declare a way into this topic. After `stale` without a word it is called silent; null: it never is."""
        feed = Feed(name, self.name, self.record, source, wire or self.record, parse, stale)
        self.feeds.append(feed)
        return feed

    @property
    def spec(self) -> TopicSpec:
        return TopicSpec(
            name=self.name,
            schema=self.record.schema(),
            key=self.record.key,
            time=self.record.time,
            partitions=self.partitions,
            retention_age=None if self.retention is None else duration(self.retention),
            retention_bytes=self.retention_bytes,
            compact=self.compact,
            dedup_horizon=duration(self.dedup),
        )


Derived = Stream | Join | Previous
"""Flows that follow from another one, their `source`."""


def origin(flow: Flow) -> Topic:
    """The topic from which a flow follows."""
    while isinstance(flow, Derived):
        flow = flow.source
    assert isinstance(flow, Topic)
    return flow
