"""Tables in PostgreSQL: one row per key, the newest by (time, offset), with tombstones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from wayside.hot import rules
from wayside.hot.columns import folded, search_text, search_texts
from wayside.hot.postgres import columns, copying
from wayside.hot.postgres.columns import listed, quoted
from wayside.hot.rules import DELETED, OFFSET
from wayside.specs import TableSpec

if TYPE_CHECKING:
    import psycopg

SEARCH = "_search"


class PgTable:
    """The statements of one table."""

    def __init__(self, spec: TableSpec, schema: str) -> None:
        self.spec = spec
        self.schema = schema
        self.name = f"{quoted(schema)}.{quoted(spec.name)}"
        self._key = listed(spec.key)

    def create(self, cursor: psycopg.Cursor[Any]) -> None:
        """Create the table when it is missing."""
        declared = rules.stored_schema(self.spec)
        kinds = ", ".join(f"{quoted(name)} {columns.sql_type(dtype)}" for name, dtype in declared.items())
        cursor.execute(
            f'CREATE TABLE IF NOT EXISTS {self.name} ({kinds}, {SEARCH} text COLLATE "C", PRIMARY KEY ({self._key})) '
            "WITH (fillfactor = 70)"  # rows are written again and again: room beside them keeps indexes as they are
        )

    def add(self, cursor: psycopg.Cursor[Any], names: Sequence[str]) -> None:
        """Add columns; they are null in the rows that are there."""
        for name in names:
            kind = columns.sql_type(self.spec.schema[name])
            cursor.execute(f"ALTER TABLE {self.name} ADD COLUMN IF NOT EXISTS {quoted(name)} {kind}")

    def index_search(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write the search text of every row again, after the search columns have changed."""
        spec = self.spec
        if not spec.search:
            return
        names = list(dict.fromkeys([*spec.key, *spec.search]))
        rows = copying.fetch(cursor, pl.Schema({name: spec.schema[name] for name in names}), self.name, "")
        texts = rows.select(*spec.key, search_text(spec.search).alias(SEARCH))
        staged = copying.stage(cursor, self.schema, spec.name, texts)
        same = " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in spec.key)
        cursor.execute(f"UPDATE {self.name} t SET {SEARCH} = s.{SEARCH} FROM {staged} s WHERE {same}")

    def upsert(self, cursor: psycopg.Cursor[Any], rows: pl.DataFrame) -> None:
        """Store the newest row per key (as `rules.newest` gives them), where it is not older than what is there."""
        if self.spec.search:
            rows = rows.with_columns(search_texts(rows, self.spec.search).alias(SEARCH))
        floats = [name for name, dtype in rows.schema.items() if dtype.is_float()]
        rows = rows.with_columns(pl.col(floats).fill_nan(None))  # as in the other stores: no number is null
        if rows.is_empty():
            return
        staged = copying.stage(cursor, self.schema, self.spec.name, rows)
        names = listed(rows.columns)
        changed = [quoted(name) for name in rows.columns if name not in self.spec.key]
        time, offset = quoted(self.spec.time), quoted(OFFSET)
        cursor.execute(
            f"INSERT INTO {self.name} AS t ({names}) SELECT {names} FROM {staged} "
            f"ON CONFLICT ({self._key}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in changed)} "
            f"WHERE (excluded.{time}, excluded.{offset}) >= (t.{time}, t.{offset})"
        )

    def select(
        self,
        cursor: psycopg.Cursor[Any],
        where: Mapping[str, Sequence[Any]] | None,
        search: str,
        after: Sequence[Any] | None,
        limit: int,
    ) -> pl.DataFrame:
        """Live rows in key order."""
        spec = self.spec
        found, values = copying.conditions(where, spec.schema, name=spec.name)
        found.insert(0, f"NOT {DELETED}")
        if search:
            rules.check_search(spec)
            found.append(f"strpos({SEARCH}, %s) > 0")
            values += columns.literals([folded(search)], pl.String())
        if after is not None:
            given = rules.check_after(spec, after)
            marks = ", ".join(f"%s::{columns.bare_type(spec.schema[name])}" for name in spec.key)
            found.append(f"({self._key}) > ({marks})")
            for name, value in zip(spec.key, given, strict=True):
                values += columns.literals([value], spec.schema[name])
        rest = f"WHERE {' AND '.join(found)} ORDER BY {self._key} LIMIT %s"
        return copying.fetch(cursor, spec.schema, self.name, rest, [*values, limit])

    def count(self, cursor: psycopg.Cursor[Any]) -> int:
        """Number of live rows."""
        found = cursor.execute(f"SELECT count(*) FROM {self.name} WHERE NOT {DELETED}").fetchone()
        return int(found[0]) if found else 0

    def expire(self, cursor: psycopg.Cursor[Any], before: str | None) -> None:
        """Drop tombstones whose time lies before `before`, in the text of the time column."""
        kind = columns.bare_type(self.spec.schema[self.spec.time])
        cursor.execute(f"DELETE FROM {self.name} WHERE {DELETED} AND {quoted(self.spec.time)} < %s::{kind}", (before,))
