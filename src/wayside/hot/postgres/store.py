"""The hot store in a schema of PostgreSQL: one process writes it, any number read it and follow its commits.

Nothing here decides which row is newer or what a filter means: `rules` does, for every store.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from wayside.clock import SYSTEM, Clock
from wayside.errors import CorruptDataError, UnavailableError
from wayside.hot import definitions
from wayside.hot.commits import KeptCommits
from wayside.hot.postgres import columns, migrations
from wayside.hot.postgres.checkpoints import Checkpoints
from wayside.hot.postgres.columns import quoted
from wayside.hot.postgres.connection import LAYOUT_SECONDS, WRITE_SECONDS, Readers, Server, Writer
from wayside.hot.postgres.tables import PgTable
from wayside.hot.postgres.transaction import PgDeclared, PostgresTransaction
from wayside.hot.postgres.windows import PgWindow
from wayside.specs import TableSpec, WindowSpec
from wayside.values import Checkpoint, Commit

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)
PAUSE = 0.25
"""Seconds between two attempts to open the store."""


class PostgresStore:
    """A hot store in the database at `dsn`.

    `timeout` (seconds) bounds each question, `write_timeout` each transaction, also of a
    server that stands still. The first connection is tried for `patience` seconds. While the server
    is away, everything raises UnavailableError; the store comes back by itself. Raises MissingExtraError without
    psycopg, ConfigError for a DSN that cannot be understood.
    """

    rebuilt = False
    damaged: CorruptDataError | None = None

    def __init__(
        self,
        dsn: str,
        *,
        schema: str = "wayside",
        clock: Clock = SYSTEM,
        readers: int = 6,
        timeout: float = 10.0,
        write_timeout: float = WRITE_SECONDS,
        patience: float = 0.0,
    ) -> None:
        self._schema = schema
        self._clock = clock
        self._server = Server(dsn, SYSTEM)
        self._declared = PgDeclared(schema)
        self._checkpoints = Checkpoints(schema)
        self._readers = Readers(self._server, number=readers, timeout=timeout)
        self._writer = Writer(self._server, schema)
        self._write_within = write_timeout
        self._writing = threading.RLock()
        self.commits = KeptCommits(self._commits)
        self._prepare(patience)

    def ensure(self, tables: Sequence[TableSpec], windows: Sequence[WindowSpec]) -> None:
        with self._alone() as cursor:
            for table in tables:
                self._ensure_table(cursor, PgTable(table, self._schema))
            for window in windows:
                self._ensure_window(cursor, PgWindow(window, self._schema))
        self._declared.add(tables, windows)
        with self._writing:
            self._writer.drop()  # its temporary tables have the old columns

    @contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        with self._write() as cursor:
            yield PostgresTransaction(cursor, self._declared, self._checkpoints, self._clock.now())

    def checkpoint(self, group: str) -> Checkpoint | None:
        with self._readers.snapshot() as cursor:
            return self._checkpoints.load(cursor, group)

    def table(
        self,
        name: str,
        *,
        where: Mapping[str, Sequence[Any]] | None = None,
        search: str = "",
        limit: int = 1_000,
        after: tuple[Any, ...] | None = None,
    ) -> pl.DataFrame:
        self._declared.table(name)
        with self._readers.snapshot() as cursor:
            return self._declared.pg_tables[name].select(cursor, where, search, after, limit)

    def count(self, name: str) -> int:
        self._declared.table(name)
        with self._readers.snapshot() as cursor:
            return self._declared.pg_tables[name].count(cursor)

    def windows(
        self, name: str, start: datetime, end: datetime, *, where: Mapping[str, Sequence[Any]] | None = None
    ) -> pl.DataFrame:
        self._declared.window(name)
        with self._readers.snapshot() as cursor:
            return self._declared.pg_windows[name].between(cursor, start, end, where)

    def late(self, name: str, *, limit: int = 1_000) -> pl.DataFrame:
        self._declared.window(name)
        with self._readers.snapshot() as cursor:
            return self._declared.pg_windows[name].late(cursor, limit)

    def late_count(self, name: str) -> int:
        """Number of late rows kept for a window."""
        self._declared.window(name)
        with self._readers.snapshot() as cursor:
            return self._declared.pg_windows[name].late_count(cursor)

    def windows_after(self, name: str, sequence: int, *, max_rows: int = 500_000) -> tuple[int, pl.DataFrame]:
        self._declared.window(name)
        with self._readers.snapshot() as cursor:
            return self._declared.pg_windows[name].after(cursor, sequence, max_rows)

    def expire(self, before: datetime) -> int:
        with self._write() as cursor:
            for table in self._declared.pg_tables.values():
                time = table.spec.schema[table.spec.time]
                table.expire(cursor, columns.literals([before], time)[0])
            return sum(window.expire(cursor, before) for window in self._declared.pg_windows.values())

    def compact(self) -> int:
        """PostgreSQL's own autovacuum does it."""
        return 0

    def close(self) -> None:
        """Close all connections, after the running transaction."""
        with self._writing:
            self._readers.close()
            self._writer.drop()

    def _commits(self, group: str, sequence: int, limit: int) -> tuple[int, list[Commit]]:
        with self._readers.snapshot() as cursor:
            return self._checkpoints.after(cursor, group, sequence, limit)

    def _prepare(self, patience: float) -> None:
        """Make or migrate the schema, as soon as the server answers."""
        until = SYSTEM.monotonic() + patience
        while True:
            try:
                with self._alone():
                    return
            except UnavailableError as error:
                if SYSTEM.monotonic() >= until:
                    raise
                log.info("%s Trying again.", error.what)
                SYSTEM.sleep(PAUSE)

    @contextmanager
    def _alone(self) -> Iterator[psycopg.Cursor[Any]]:
        """A transaction that changes the layout, on a connection of its own; others that do wait."""
        connection = self._server.connect("-c client_min_messages=warning")
        try:
            limited = self._server.asked(connection, LAYOUT_SECONDS)
            with limited, connection.transaction(), connection.cursor() as cursor:
                migrations.migrate(cursor, self._schema, where=self._server.where)
                yield cursor
        finally:
            connection.close()

    @contextmanager
    def _write(self) -> Iterator[psycopg.Cursor[Any]]:
        """One transaction on the writing connection: committed when the block ends well, else rolled back."""
        with self._writing, self._server.translated():
            connection = self._writer.take()
            try:
                limited = self._server.asked(connection, self._write_within)
                with limited, connection.transaction(), connection.cursor() as cursor:
                    yield cursor
            finally:
                if connection.closed or connection.broken:
                    self._writer.drop()

    def _ensure_table(self, cursor: psycopg.Cursor[Any], table: PgTable) -> None:
        name, new = table.spec.name, definitions.of_table(table.spec)
        old = self._stored(cursor, "table", name)
        if old == new:
            return
        table.create(cursor)
        if old is not None:
            table.add(cursor, definitions.added(f"table {name!r}", old, new))
            if old["search"] != new["search"]:
                table.index_search(cursor)
        self._remember(cursor, "table", name, new)

    def _ensure_window(self, cursor: psycopg.Cursor[Any], window: PgWindow) -> None:
        name = window.spec.name
        for kind, new in (("window", definitions.of_window(window.spec)), ("late", window.definition())):
            old = self._stored(cursor, kind, name)
            if old == new:
                continue
            window.create(cursor)
            if old is not None:
                definitions.added(f"{kind} {name!r}", old, new, droppable=True)
                window.add(cursor)
            self._remember(cursor, kind, name, new)

    def _stored(self, cursor: psycopg.Cursor[Any], kind: str, name: str) -> definitions.Definition | None:
        found = cursor.execute(
            f"SELECT body FROM {quoted(self._schema)}._definitions WHERE kind = %s AND name = %s", (kind, name)
        ).fetchone()
        return None if found is None else definitions.decode(found[0])

    def _remember(self, cursor: psycopg.Cursor[Any], kind: str, name: str, new: definitions.Definition) -> None:
        cursor.execute(
            f"INSERT INTO {quoted(self._schema)}._definitions VALUES (%s, %s, %s) "
            "ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body",
            (kind, name, definitions.encode(new)),
        )
