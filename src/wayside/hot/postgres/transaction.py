"""The changes of one micro-batch on the writing connection, and the declarations that they are checked against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from wayside.hot import definitions, rules
from wayside.hot.commits import Changes
from wayside.hot.postgres.checkpoints import Checkpoints
from wayside.hot.postgres.columns import quoted
from wayside.hot.postgres.tables import PgTable
from wayside.hot.postgres.windows import PgWindow
from wayside.specs import TIME, TableSpec, WindowSpec
from wayside.values import Checkpoint

if TYPE_CHECKING:
    import psycopg


class PgDeclared(definitions.Declared):
    """The declarations, and the statements made from them."""

    def __init__(self, schema: str) -> None:
        super().__init__()
        self.schema = schema
        self.pg_tables: dict[str, PgTable] = {}
        self.pg_windows: dict[str, PgWindow] = {}

    def add(self, tables: Sequence[TableSpec], windows: Sequence[WindowSpec]) -> None:
        super().add(tables, windows)
        self.pg_tables = {**self.pg_tables, **{spec.name: PgTable(spec, self.schema) for spec in tables}}
        self.pg_windows = {**self.pg_windows, **{spec.name: PgWindow(spec, self.schema) for spec in windows}}


class PostgresTransaction:
    """The changes of one micro-batch, written as they come and committed together."""

    def __init__(
        self, cursor: psycopg.Cursor[Any], declared: PgDeclared, checkpoints: Checkpoints, now: datetime
    ) -> None:
        self._cursor = cursor
        self._declared = declared
        self._checkpoints = checkpoints
        self._now = now
        self._changes = Changes()

    def upsert(self, table: str, rows: pl.DataFrame) -> None:
        spec = self._declared.table(table)
        newest = rules.newest(spec, rows)
        self._declared.pg_tables[table].upsert(self._cursor, newest)
        self._changes.upserted(spec, newest)

    def append_windows(self, window: str, rows: pl.DataFrame) -> None:
        spec = self._declared.window(window)
        rows = rules.conform(rows, spec.schema, where=f"window {window!r}")
        if not rows.is_empty():
            self._declared.pg_windows[window].append(self._cursor, rows, self._next(), self._now)
            self._changes.closed(window, rows)

    def append_late(self, window: str, rows: pl.DataFrame) -> None:
        spec = self._declared.window(window)
        rows = rules.conform(rows, rules.late_schema(spec), where=f"late rows of {window!r}")
        if not rows.is_empty():
            self._declared.pg_windows[window].append_late(self._cursor, rows, self._next(), self._now)
            self._changes.came_late(window, rows.height)

    def save(self, group: str, checkpoint: Checkpoint) -> None:
        self._checkpoints.save(self._cursor, group, checkpoint)
        self._checkpoints.remember(self._cursor, group, self._changes.commit(checkpoint.sequence, self._now))

    def _next(self) -> int:
        """The next sequence number: the time, or one more than the last where the clock has not moved on."""
        micros = int(pl.Series([self._now], dtype=TIME).to_physical()[0])
        found = self._cursor.execute(
            f"UPDATE {quoted(self._declared.schema)}._sequence SET last = greatest(last + 1, %s) RETURNING last",
            (micros,),
        ).fetchone()
        assert found is not None, "the migration made the row"
        return int(found[0])
