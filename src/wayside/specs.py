"""What the stages tell each other about topics, tables and windows: plain descriptions, no behaviour of a store.

Times are `Datetime("us", "UTC")` columns everywhere. Partial aggregates are recombinable: counts and sums add up,
minima and maxima combine, and an average over any range is the sum of sums over the sum of counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import polars as pl

TIME = pl.Datetime("us", "UTC")
ENDLESS = timedelta(days=2_932_895)
"""The length of a window over all time: from 1970 to nearly the end of 9999, so that every record is in it."""


@dataclass(frozen=True)
class TopicSpec:
    """A durable, ordered, partitioned log of one kind of record.

    `key` names the columns that identify the thing (they choose the partition and drive compaction), `time` the
    event-time column. Retention by `retention_age` and `retention_bytes` applies to whole segments. With `compact`,
    only the newest record per key is kept for good. Record ids repeat within `dedup_horizon` are dropped.
    `partitioner` says how a key chooses: `murmur2` as all clients of Kafka do; `fnv1a` have only topics of older data
    folders, whose keys stay where they are.
    """

    name: str
    schema: pl.Schema
    key: tuple[str, ...] = ()
    time: str | None = None
    partitions: int = 1
    retention_age: timedelta | None = timedelta(days=7)
    retention_bytes: int | None = None
    compact: bool = False
    dedup_horizon: timedelta = timedelta(hours=24)
    partitioner: Literal["murmur2", "fnv1a"] = "murmur2"


@dataclass(frozen=True)
class TableSpec:
    """The latest row per key, by event time; equal times are decided by the later offset."""

    name: str
    schema: pl.Schema
    key: tuple[str, ...]
    time: str
    search: tuple[str, ...] = ()


AggregateKind = Literal["count", "sum", "mean", "minimum", "maximum"]


@dataclass(frozen=True)
class Aggregate:
    """One declared output of a window: `mean("value")` and the like. `column` is empty for `count()`."""

    kind: AggregateKind
    column: str = ""

    @property
    def partials(self) -> tuple[str, ...]:
        """Names of the partial columns that this output is computed from."""
        names: dict[str, tuple[str, ...]] = {
            "count": ("rows",),
            "sum": (f"{self.column}__sum",),
            "mean": (f"{self.column}__sum", f"{self.column}__n"),
            "minimum": (f"{self.column}__min",),
            "maximum": (f"{self.column}__max",),
        }
        return names[self.kind]


@dataclass(frozen=True)
class WindowSpec:
    """Aggregates per key and event-time span.

    `kind` is tumbling (every == size), hopping (every < size) or session (a span ends after `gap` without records;
    `size` and `every` are zero then). Stored rows hold `window_start`, `window_end`, the key columns and the partials.
    A tumbling window of the length `ENDLESS` is a running total: it is always open.
    """

    name: str
    kind: Literal["tumbling", "hopping", "session"]
    by: tuple[str, ...]
    time: str
    size: timedelta
    every: timedelta
    gap: timedelta
    lateness: timedelta
    aggregates: dict[str, Aggregate]
    input: pl.Schema
    units: dict[str, str] = field(default_factory=dict)

    @property
    def endless(self) -> bool:
        """Whether this is a running total over all time."""
        return self.size == ENDLESS

    @property
    def partials(self) -> tuple[str, ...]:
        """Partial columns in stored order, each once; `rows` is always among them."""
        seen = dict.fromkeys(("rows",))
        for aggregate in self.aggregates.values():
            seen.update(dict.fromkeys(aggregate.partials))
        return tuple(seen)

    @property
    def schema(self) -> pl.Schema:
        """Schema of the stored rows (partials)."""
        columns: dict[str, pl.DataType | type[pl.DataType]] = {"window_start": TIME, "window_end": TIME}
        columns.update({name: self.input[name] for name in self.by})
        for name in self.partials:
            column, _, part = name.rpartition("__")
            columns[name] = pl.Int64 if part in ("rows", "n") else partial_type(part, self.input[column])
        return pl.Schema(columns)

    def combine(self) -> list[pl.Expr]:
        """Expressions that merge partial rows of one group into one partial row."""
        how = {"min": pl.Expr.min, "max": pl.Expr.max}
        return [how.get(name.rpartition("__")[2], pl.Expr.sum)(pl.col(name)) for name in self.partials]

    def outputs(self) -> list[pl.Expr]:
        """Expressions that turn partial columns into the declared outputs, under their declared names."""
        return [output(aggregate).alias(name) for name, aggregate in self.aggregates.items()]


def partial_type(part: str, column: pl.DataType) -> pl.DataType | type[pl.DataType]:
    """Type of a partial: sums of integers are 64-bit, of floats are double; extremes keep the column's type."""
    if part in ("min", "max"):
        return column
    return pl.Float64 if column.is_float() else pl.Int64


def output(aggregate: Aggregate) -> pl.Expr:
    """The declared output of one aggregate over its partial columns; a mean over no values is null."""
    first = pl.col(aggregate.partials[0])
    if aggregate.kind == "mean":
        number = pl.col(aggregate.partials[1])
        return pl.when(number > 0).then(first / number)
    return first
