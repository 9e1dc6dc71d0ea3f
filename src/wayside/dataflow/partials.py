"""Partial aggregates: made from raw rows, merged with each other, turned into stored rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from wayside.specs import TIME, WindowSpec

SECOND = 1_000_000


def micros(span: timedelta) -> int:
    """A duration in microseconds."""
    return span // timedelta(microseconds=1)


def raw_expressions(spec: WindowSpec) -> list[pl.Expr]:
    """Expressions that aggregate raw values of one group into its partial columns."""
    return [partial(*name.rpartition("__")[::2]).alias(name) for name in spec.partials]


def partial(column: str, part: str) -> pl.Expr:
    """One partial of a raw column: `rows` counts records, `n` the values that are not null."""
    source = pl.col(column) if column else pl.len()
    made = {"rows": pl.len(), "n": source.count(), "sum": source.sum(), "min": source.min(), "max": source.max()}[part]
    return made.cast(pl.Int64) if part in ("rows", "n") else made


def from_raw(rows: pl.DataFrame, keys: list[str], spec: WindowSpec) -> pl.DataFrame:
    """One partial row per group of raw rows."""
    return rows.group_by(keys).agg(raw_expressions(spec)).select(*keys, *spec.partials)


def collapse(parts: Sequence[pl.DataFrame], keys: list[str], spec: WindowSpec) -> pl.DataFrame:
    """One partial row per group of partial rows."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        columns = {key: spec.input.get(key, pl.Int64()) for key in keys}
        return pl.DataFrame(schema={**columns, **{name: spec.schema[name] for name in spec.partials}})
    return pl.concat(parts).group_by(keys).agg(spec.combine())


def present(rows: pl.DataFrame, size: int, spec: WindowSpec) -> pl.DataFrame:
    """Stored rows of a window: bounds as instants, sorted by start and key."""
    start = pl.col("window_start")
    return rows.select(
        instant(start).alias("window_start"),
        instant(start + size).alias("window_end"),
        *(pl.col(name) for name in (*spec.by, *spec.partials)),
    ).sort("window_start", *spec.by)


def instant(micro: pl.Expr) -> pl.Expr:
    """Microseconds since 1970 as an instant."""
    return micro.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(TIME)
