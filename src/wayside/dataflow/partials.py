"""Partial aggregates: made from raw rows, merged with each other, turned into stored rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from wayside.dataflow.sums import PARTS, part_of, split, split_columns, state_columns, state_types, whole
from wayside.grouping import Part, grouped
from wayside.specs import TIME, WindowSpec

SECOND = 1_000_000


def micros(span: timedelta) -> int:
    """A duration in microseconds."""
    return span // timedelta(microseconds=1)


def raw_parts(spec: WindowSpec) -> list[Part]:
    """How the partial columns of a group follow from its raw rows: `rows` counts records, `n` what is not null."""
    how = {"rows": "len", "n": "count"}
    floats = split_columns(spec)
    made: list[Part] = []
    for name in spec.partials:
        column, _, part = name.rpartition("__")
        if part == "sum" and column in floats:
            made += [Part(f"{name}{end}", "sum", part_of(column, number)) for number, end in enumerate(PARTS)]
        else:
            made.append(Part(name, how.get(part, part), column))
    return made


def partial_parts(spec: WindowSpec) -> list[Part]:
    """How they follow from its partial rows."""
    kinds = [(name, name.rpartition("__")[2]) for name in state_columns(spec)]
    return [Part(name, kind if kind in ("min", "max") else "sum", name) for name, kind in kinds]


def from_raw(rows: pl.DataFrame, keys: list[str], spec: WindowSpec) -> pl.DataFrame:
    """One partial row per group of raw rows, sorted by key."""
    return grouped(split(rows, split_columns(spec)), keys, raw_parts(spec))


def collapse(parts: Sequence[pl.DataFrame], keys: list[str], spec: WindowSpec) -> pl.DataFrame:
    """One partial row per group of partial rows, sorted by key as each of the parts."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        columns = {key: spec.input.get(key, pl.Int64()) for key in keys}
        return pl.DataFrame(schema={**columns, **state_types(spec)})
    return grouped(pl.concat(parts), keys, partial_parts(spec))


def present(rows: pl.DataFrame, size: int, spec: WindowSpec) -> pl.DataFrame:
    """Stored rows of a window: bounds as instants; their order stays."""
    start = pl.col("window_start")
    return rows.select(
        instant(start).alias("window_start"),
        instant(start + size).alias("window_end"),
        *(pl.col(name) for name in spec.by),
        *whole(spec),
    )


def instant(micro: pl.Expr) -> pl.Expr:
    """Microseconds since 1970 as an instant."""
    return micro.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(TIME)
