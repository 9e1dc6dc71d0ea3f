"""What every store does to the rows it is given: check, cast, order, and keep the newest per key.

The rules live here once, so that a store in memory, in SQLite or in Postgres cannot disagree about them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from wayside import grouping
from wayside.errors import NotFoundError, WaysideError
from wayside.hot.columns import wanted
from wayside.specs import TIME, TableSpec, WindowSpec

log = logging.getLogger(__name__)

OFFSET = "_offset"
DELETED = "_deleted"
SEQUENCE = "_seq"
LATE_PLACE = ("_topic", "_partition", "_offset")


def conform(rows: pl.DataFrame, schema: pl.Schema, *, where: str) -> pl.DataFrame:
    """The columns of `schema`, in its order and types; a missing column is an error that names it."""
    missing = [name for name in schema if name not in rows.columns]
    if missing:
        raise WaysideError(
            f"Rows for {where} lack the column {missing[0]!r}.",
            where=where,
            why=f"Required: {', '.join(schema)}; found: {', '.join(rows.columns)}.",
        )
    if all(rows.schema[name] == dtype for name, dtype in schema.items()):
        return rows if rows.width == len(schema) and rows.columns == list(schema) else rows[list(schema)]
    return rows.select(pl.col(name).cast(dtype, strict=True) for name, dtype in schema.items())


def widen(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Stored rows of an older schema in the shape of a newer one: columns added since then are null."""
    if rows.schema == schema:
        return rows
    present = rows.schema
    return rows.select(
        pl.col(name).cast(dtype) if name in present else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in schema.items()
    )


def stored_schema(spec: TableSpec) -> pl.Schema:
    """Columns of a table as they are stored: the declared ones, the offset and the tombstone mark."""
    return pl.Schema({**spec.schema, OFFSET: pl.Int64(), DELETED: pl.Boolean()})


def newest(spec: TableSpec, rows: pl.DataFrame) -> pl.DataFrame:
    """The winner per key by (time, offset), in key order.

    Rows with a null in the key or the time have no place in a table: they are left out, with a warning.
    """
    rows = conform(rows, stored_schema(spec), where=f"table {spec.name!r}")
    needed = [*spec.key, spec.time]
    placed = grouping.without_nulls(rows, needed)
    if placed.height < rows.height:
        log.warning(
            "Table %s: %d row(s) with a null in %s cannot be placed and are left out.",
            spec.name,
            rows.height - placed.height,
            ", ".join(needed),
        )
    return grouping.newest(placed, spec.key, spec.time, OFFSET)


def newest_windows(spec: WindowSpec, rows: pl.DataFrame) -> pl.DataFrame:
    """One row per (start, end, key): the one that was stored last. `rows` carry their sequence."""
    return rows.sort(SEQUENCE, maintain_order=True).unique(
        [*spec.by, "window_start", "window_end"], keep="last", maintain_order=True
    )


def late_schema(spec: WindowSpec) -> pl.Schema:
    """Columns of a late row: those of the window's input, and its place in the log."""
    return pl.Schema({**spec.input, "_topic": pl.String(), "_partition": pl.Int64(), "_offset": pl.Int64()})


def allowed(rows: pl.DataFrame, where: Mapping[str, Sequence[Any]] | None, *, name: str) -> pl.DataFrame:
    """Rows whose columns hold one of the allowed values; null is a value like any other."""
    for column, values in (where or {}).items():
        check_column(column, rows.schema, name=name)
        among = wanted(values, rows.schema[column])
        rows = rows.filter(pl.col(column).is_in(among.implode(), nulls_equal=True))
    return rows


def check_column(column: str, schema: pl.Schema, *, name: str) -> None:
    """A filter on a column that does not exist is an error that names those that do."""
    if column not in schema:
        raise NotFoundError(f"{name!r} has no column {column!r}.", why=f"It has {', '.join(schema)}.")


def check_after(spec: TableSpec, after: Sequence[Any]) -> tuple[Any, ...]:
    """The key after which a page begins; it must have one value per key column."""
    if len(after) != len(spec.key):
        raise WaysideError(
            f"The position of a page of {spec.name!r} is its whole key.",
            why=f"Required: {', '.join(spec.key)}; found {len(after)} value(s).",
        )
    return tuple(after)


def check_search(spec: TableSpec) -> None:
    """Searching a table without search columns is an error, not an empty answer."""
    if not spec.search:
        raise WaysideError(
            f"The table {spec.name!r} cannot be searched.",
            why="No column of it was declared for searching.",
            next="Name the columns in the table's declaration: search=[...].",
        )


def cut(rows: pl.DataFrame, max_rows: int) -> tuple[int, pl.DataFrame]:
    """The first rows by sequence, about `max_rows` of them and whole sequences only; and the sequence reached."""
    if rows.is_empty():
        return -1, rows
    rows = rows.sort(SEQUENCE, maintain_order=True)
    sequences = rows[SEQUENCE]
    last = sequences[min(max(max_rows, 1), rows.height) - 1]
    if last != sequences[0] and rows.height > max_rows and sequences[max_rows] == last:
        last = sequences.filter(sequences < last)[-1]
    return int(last), rows.filter(pl.col(SEQUENCE) <= last)


def inside(start: Any, end: Any) -> pl.Expr:
    """Windows that lie wholly in [start, end)."""
    return (pl.col("window_start") >= pl.lit(start, TIME)) & (pl.col("window_end") <= pl.lit(end, TIME))
