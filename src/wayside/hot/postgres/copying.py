"""Frames into and out of a connection by COPY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from wayside.errors import WaysideError
from wayside.hot import rules
from wayside.hot.postgres import columns
from wayside.hot.postgres.columns import listed, quoted

if TYPE_CHECKING:
    import psycopg

SLICE = 50_000
"""Rows that are written as text at a time: what bounds the memory of a large commit."""
MOST_VALUES = 30_000


def stage(cursor: psycopg.Cursor[Any], schema: str, name: str, rows: pl.DataFrame) -> str:
    """Copy rows into a temporary table like the stored one; returns its name. It is empty again at the commit."""
    target = f"pg_temp.{quoted(name)}"
    cursor.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS {quoted(name)} (LIKE {quoted(schema)}.{quoted(name)}) ON COMMIT DELETE ROWS"
    )
    if cursor.execute(f"SELECT 1 FROM {target} LIMIT 1").fetchone() is not None:
        cursor.execute(f"TRUNCATE {target}")  # this transaction has used it before
    with cursor.copy(f"COPY {target} ({listed(rows.columns)}) FROM STDIN") as copy:
        for part in rows.iter_slices(SLICE):
            copy.write(columns.to_copy(part))
    return target


def fetch(
    cursor: psycopg.Cursor[Any], schema: pl.Schema, source: str, rest: str, values: Sequence[Any] = ()
) -> pl.DataFrame:
    """Columns of a table, as a frame; `rest` is what follows the table's name in the query."""
    wanted = ", ".join(columns.read_expression(name, dtype) for name, dtype in schema.items())
    with cursor.copy(f"COPY (SELECT {wanted} FROM {source} {rest}) TO STDOUT", tuple(values)) as copy:
        text = b"".join(bytes(part) for part in copy)
    return columns.from_copy(text, schema)


def conditions(
    where: Mapping[str, Sequence[Any]] | None, schema: pl.Schema, *, name: str
) -> tuple[list[str], list[Any]]:
    """What a filter means in SQL, and its values; null is a value like any other."""
    found: list[str] = []
    given: list[Any] = []
    for column, values in (where or {}).items():
        rules.check_column(column, schema, name=name)
        if len(values) > MOST_VALUES:
            raise WaysideError(
                f"A filter on {column!r} lists {len(values)} values.", why=f"At most {MOST_VALUES} are possible."
            )
        cells = columns.literals([value for value in values if value is not None], schema[column])
        condition = f"{quoted(column)} = ANY(%s::{columns.bare_type(schema[column])}[])"
        if None in values:
            condition = f"({condition} OR {quoted(column)} IS NULL)"
        found.append(condition)
        given.append(cells)
    return found, given
