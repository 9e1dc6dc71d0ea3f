"""Closed windows and late rows in PostgreSQL: one row each, found by key, by time, and by the order of storing.

A window that is computed again takes the place of its row and a new number in the order of storing, so that whoever
reads in that order meets it once more. A late row is stored once, by its place in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from wayside.hot import definitions, rules
from wayside.hot.postgres import columns, copying
from wayside.hot.postgres.columns import listed, quoted
from wayside.hot.rules import LATE_PLACE, OFFSET, SEQUENCE
from wayside.specs import TIME, WindowSpec

if TYPE_CHECKING:
    import psycopg

STORED = "_stored"
MARKS = pl.Schema({SEQUENCE: pl.Int64(), STORED: TIME})


def late_name(name: str) -> str:
    """The table of a window's late rows."""
    return f"{name}__late"


class PgWindow:
    """The statements of one window."""

    def __init__(self, spec: WindowSpec, schema: str) -> None:
        self.spec = spec
        self.schema = schema
        self.place = [*spec.by, "window_start", "window_end"]
        self.name = f"{quoted(schema)}.{quoted(spec.name)}"
        self.late_name = f"{quoted(schema)}.{quoted(late_name(spec.name))}"

    def create(self, cursor: psycopg.Cursor[Any]) -> None:
        """Create what is missing: the tables of closed windows and of late rows, with their indexes."""
        self._create(cursor, self.name, self.spec.schema, f"UNIQUE NULLS NOT DISTINCT ({listed(self.place)})")
        self._create(cursor, self.late_name, rules.late_schema(self.spec), f"UNIQUE ({listed(LATE_PLACE)})")
        for table, names in ((self.name, ["window_start"]), (self.name, [SEQUENCE]), (self.late_name, [SEQUENCE])):
            self._index(cursor, table, names)
        for table in (self.name, self.late_name):
            self._index(cursor, table, [STORED], "USING brin ")

    def add(self, cursor: psycopg.Cursor[Any]) -> None:
        """Add the columns that the stored tables lack; they are null in the rows that are there."""
        for table, schema in ((self.name, self.spec.schema), (self.late_name, rules.late_schema(self.spec))):
            for name, dtype in schema.items():
                kind = columns.sql_type(dtype)
                cursor.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {quoted(name)} {kind}")

    def append(self, cursor: psycopg.Cursor[Any], rows: pl.DataFrame, sequence: int, now: datetime) -> None:
        """Store closed rows; of one window and key the last counts."""
        rows = rows.unique(self.place, keep="last", maintain_order=True)
        rows = rows.with_columns(pl.lit(sequence, pl.Int64).alias(SEQUENCE), pl.lit(now, TIME).alias(STORED))
        staged = copying.stage(cursor, self.schema, self.spec.name, rows)
        names = listed(rows.columns)
        changes = ", ".join(f"{quoted(n)} = excluded.{quoted(n)}" for n in rows.columns if n not in self.place)
        cursor.execute(
            f"INSERT INTO {self.name} ({names}) SELECT {names} FROM {staged} "
            f"ON CONFLICT ({listed(self.place)}) DO UPDATE SET {changes}"
        )

    def append_late(self, cursor: psycopg.Cursor[Any], rows: pl.DataFrame, sequence: int, now: datetime) -> None:
        """Store the late rows that are not there yet."""
        rows = rows.unique(LATE_PLACE, keep="first", maintain_order=True)
        rows = rows.with_columns(pl.lit(sequence, pl.Int64).alias(SEQUENCE), pl.lit(now, TIME).alias(STORED))
        staged = copying.stage(cursor, self.schema, late_name(self.spec.name), rows)
        names = listed(rows.columns)
        cursor.execute(f"INSERT INTO {self.late_name} ({names}) SELECT {names} FROM {staged} ON CONFLICT DO NOTHING")

    def between(
        self, cursor: psycopg.Cursor[Any], start: datetime, end: datetime, where: Mapping[str, Sequence[Any]] | None
    ) -> pl.DataFrame:
        """Closed windows inside [start, end), ordered by start and key."""
        found, values = copying.conditions(where, self.spec.schema, name=self.spec.name)
        found += ["window_start >= %s::timestamptz", "window_start < %s::timestamptz", "window_end <= %s::timestamptz"]
        first, last = columns.literals([start, end], TIME)
        rest = f"WHERE {' AND '.join(found)}"
        rows = copying.fetch(cursor, self.spec.schema, self.name, rest, [*values, first, last, last])
        return rows.sort("window_start", *self.spec.by, "window_end")

    def after(self, cursor: psycopg.Cursor[Any], sequence: int, max_rows: int) -> tuple[int, pl.DataFrame]:
        """Rows stored after `sequence` in the order of storing, and the position reached."""
        order = pl.Schema({SEQUENCE: pl.Int64()})
        rest = f"WHERE {SEQUENCE} > %s ORDER BY {SEQUENCE} LIMIT %s"
        reached, _ = rules.cut(copying.fetch(cursor, order, self.name, rest, [sequence, max_rows + 1]), max_rows)
        reached = max(reached, sequence)
        both = pl.Schema({**self.spec.schema, **order})
        rest = f"WHERE {SEQUENCE} > %s AND {SEQUENCE} <= %s ORDER BY {SEQUENCE}"
        return reached, copying.fetch(cursor, both, self.name, rest, [sequence, reached])

    def late(self, cursor: psycopg.Cursor[Any], limit: int) -> pl.DataFrame:
        """The late rows that came last, newest first."""
        rest = f"ORDER BY {SEQUENCE} DESC, {OFFSET} DESC LIMIT %s"
        return copying.fetch(cursor, rules.late_schema(self.spec), self.late_name, rest, [limit])

    def late_count(self, cursor: psycopg.Cursor[Any]) -> int:
        """Number of late rows that are kept."""
        found = cursor.execute(f"SELECT count(*) FROM {self.late_name}").fetchone()
        return int(found[0]) if found else 0

    def expire(self, cursor: psycopg.Cursor[Any], before: datetime) -> int:
        """Drop what was stored before `before`; returns the number of commits that it came from."""
        dropped = 0
        for table in (self.name, self.late_name):
            found = cursor.execute(
                f"WITH gone AS (DELETE FROM {table} WHERE {STORED} < %s::timestamptz RETURNING {SEQUENCE}) "
                f"SELECT count(DISTINCT {SEQUENCE}) FROM gone",
                columns.literals([before], TIME),
            ).fetchone()
            dropped += int(found[0]) if found else 0
        return dropped

    def definition(self) -> definitions.Definition:
        """What must stay of the late rows' table: the types of its columns."""
        kinds = {name: str(dtype) for name, dtype in rules.late_schema(self.spec).items()}
        return {"identity": {}, "columns": kinds, "search": []}

    def _create(self, cursor: psycopg.Cursor[Any], table: str, schema: pl.Schema, unique: str) -> None:
        kinds = ", ".join(
            f"{quoted(name)} {columns.sql_type(dtype)}" for name, dtype in [*schema.items(), *MARKS.items()]
        )
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} ({kinds}, {unique})")

    def _index(self, cursor: psycopg.Cursor[Any], table: str, names: list[str], how: str = "") -> None:
        there = "SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = 1 "
        there += "WHERE i.indrelid = %s::regclass AND a.attname = %s"
        if cursor.execute(there, (table, names[0])).fetchone() is None:
            cursor.execute(f"CREATE INDEX ON {table} {how}({listed(names)})")
