"""The changes of one micro-batch on the writing connection, and the declarations that they are checked against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import apsw
import polars as pl

from wayside.hot import checkpoints, definitions, late, rules, windows
from wayside.hot.commits import Changes
from wayside.hot.connection import translated
from wayside.hot.recent import Recent
from wayside.hot.tables import SqlTable
from wayside.specs import TableSpec, WindowSpec
from wayside.values import Checkpoint


class SqlDeclared(definitions.Declared):
    """The declarations, and the statements made from them."""

    def __init__(self) -> None:
        super().__init__()
        self.sql: dict[str, SqlTable] = {}

    def add(self, tables: Sequence[TableSpec], windows: Sequence[WindowSpec]) -> None:
        super().add(tables, windows)
        self.sql = {**self.sql, **{spec.name: SqlTable(spec) for spec in tables}}


class SqliteTransaction:
    """The changes of one micro-batch, written as they come and committed together."""

    def __init__(
        self, connection: apsw.Connection, path: Path, declared: SqlDeclared, now: datetime, *, recent: Recent
    ) -> None:
        self._connection = connection
        self._path = path
        self._declared = declared
        self._now = now
        self._recent = recent
        self._changes = Changes() if recent.number else None

    def upsert(self, table: str, rows: pl.DataFrame) -> None:
        self._declared.table(table)
        with translated(self._path, self._connection):
            self._declared.sql[table].upsert(self._connection, rows)
        if self._changes:
            spec = self._declared.table(table)
            self._changes.upserted(spec, rules.newest(spec, rows))

    def append_windows(self, window: str, rows: pl.DataFrame) -> None:
        spec = self._declared.window(window)
        if not rows.is_empty():
            with translated(self._path, self._connection):
                windows.append(self._connection, spec, rows, self._next(), self._now)
        if self._changes:
            self._changes.closed(window, rules.conform(rows, spec.schema, where=f"window {window!r}"))

    def append_late(self, window: str, rows: pl.DataFrame) -> None:
        spec = self._declared.window(window)
        if not rows.is_empty():
            with translated(self._path, self._connection):
                late.append(self._connection, spec, rows, self._next(), self._now)
        if self._changes:
            self._changes.came_late(window, rows.height)

    def save(self, group: str, checkpoint: Checkpoint) -> None:
        with translated(self._path, self._connection):
            checkpoints.save(self._connection, group, checkpoint)
            if self._changes:
                self._recent.keep(self._connection, group, self._changes.commit(checkpoint.sequence, self._now))

    def _next(self) -> int:
        """The next sequence number: the time, or one more than the last where the clock has not moved on.

        A store that was set aside and computed again thus never gives a number twice, and readers of
        `windows_after` miss nothing.
        """
        found = self._connection.execute(
            "UPDATE sequence SET last = max(last + 1, ?) RETURNING last", (windows.micros(self._now),)
        )
        return int(found.get)
