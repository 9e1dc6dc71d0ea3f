"""The rules that every lake follows: names, types that Delta can hold, and the date that a row is filed under."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import polars as pl

from wayside.errors import WaysideError
from wayside.values import Tier

DATE = "_date"
"""Partition column: the event date in UTC."""

TIERS: tuple[Tier, ...] = ("bronze", "silver", "gold")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_UNSIGNED: dict[type[pl.DataType], pl.DataType] = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Decimal(20, 0),
}


def check_name(tier: str, name: str) -> None:
    """Names become folders: one path part of letters, digits, dots, dashes and underscores."""
    if tier not in TIERS or not _NAME.fullmatch(name):
        raise WaysideError(
            f"{tier}/{name!r} cannot be a table of the lake.",
            why="The tier is bronze, silver or gold; the name starts with a letter, digit or underscore and holds "
            "nothing but those, dots and dashes.",
        )


def shaped(rows: pl.DataFrame, *, time: str) -> pl.DataFrame:
    """Rows in types that Delta has, with their date.

    Unsigned integers become wider signed ones (the largest a decimal), durations and times of day integers
    (microseconds and nanoseconds), choices text, instants microseconds in UTC. A column of nothing but the null type
    is left out: it has no type yet.
    """
    kept = [name for name, dtype in rows.schema.items() if dtype != pl.Null]
    # Two steps: the first brings spans and instants to microseconds, the second to what Delta calls them.
    rows = rows.select(pl.col(name).cast(_in_micros(rows.schema[name])) for name in kept)
    rows = rows.select(pl.col(name).cast(delta_type(rows.schema[name])) for name in kept)
    return rows if DATE in rows.columns else rows.with_columns(date_of(rows.schema, time=time))


def date_of(schema: pl.Schema, *, time: str) -> pl.Expr:
    """The event date: of the column `time`, of the window's start, or of the first instant of the row."""
    instants = [name for name, dtype in schema.items() if dtype == pl.Datetime]
    declared = [name for name in (time, "window_start") if name in instants]
    found = declared + [name for name in instants if not name.startswith("_")] + instants
    if not found:
        return pl.lit(None, pl.Date).alias(DATE)
    return pl.col(found[0]).dt.date().alias(DATE)


def delta_type(dtype: pl.DataType) -> pl.DataType:
    """The type as Delta stores it. Raises WaysideError for what it cannot store at all."""
    if isinstance(dtype, pl.Object):
        raise WaysideError("A column of Python objects cannot be kept in the lake.", next="Cast it to a plain type.")
    if isinstance(dtype, (pl.Duration, pl.Time)):
        return pl.Int64()
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return pl.String()
    if isinstance(dtype, (pl.List, pl.Array, pl.Struct)):
        return _inside(dtype, delta_type)
    return _UNSIGNED.get(type(dtype), dtype)


def check_types(table: str, stored: pl.Schema, given: pl.Schema) -> None:
    """A column keeps its type for good: Delta would quietly cast numbers to text. Raises WaysideError."""
    for name, dtype in given.items():
        if name in stored and stored[name] != dtype:
            raise WaysideError(
                f"The column {name!r} of {table} has changed its type.",
                where=table,
                why=f"The table holds {stored[name]}; the new rows hold {dtype}.",
                next="Give the column a new name, or the table.",
            )


def _in_micros(dtype: pl.DataType) -> pl.DataType:
    if isinstance(dtype, pl.Duration):
        return pl.Duration("us")
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", "UTC" if dtype.time_zone else None)
    if isinstance(dtype, (pl.List, pl.Array, pl.Struct)):
        return _inside(dtype, _in_micros)
    return dtype


def _inside(dtype: pl.List | pl.Array | pl.Struct, change: Callable[[pl.DataType], pl.DataType]) -> pl.DataType:
    """The nested type with `change` applied to what it holds; arrays of a fixed length become lists."""
    if isinstance(dtype, pl.Struct):
        return pl.Struct([pl.Field(field.name, change(_instance(field.dtype))) for field in dtype.fields])
    return pl.List(change(_instance(dtype.inner)))


def _instance(dtype: Any) -> pl.DataType:
    """Polars may hold `pl.Int64` where it means `pl.Int64()`."""
    found: pl.DataType = dtype if isinstance(dtype, pl.DataType) else dtype()
    return found
