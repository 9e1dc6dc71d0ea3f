"""The hot store in one SQLite file: the embedded engine's memory of what is true now.

One connection writes, under a lock; readers have their own and never wait for it. Nothing here decides which row is
newer or what a block holds: `rules` does, for every store.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw
import polars as pl

from wayside import metrics
from wayside.clock import SYSTEM, Clock
from wayside.errors import CorruptDataError, NotFoundError, StorageFailedError
from wayside.files import REAL
from wayside.hot import checkpoints, compaction, definitions, late, recent, repair, windows
from wayside.hot.columns import literals
from wayside.hot.commits import KeptCommits
from wayside.hot.connection import Readers, default_vfs, open_writer, require_sound_library, translated
from wayside.hot.tables import SqlTable
from wayside.hot.transaction import SqlDeclared, SqliteTransaction
from wayside.specs import TableSpec, WindowSpec
from wayside.values import Checkpoint, Commit

log = logging.getLogger(__name__)

_CREATE = """
CREATE TABLE IF NOT EXISTS definitions (
    kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sequence (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL);
INSERT OR IGNORE INTO sequence VALUES (1, 0);
"""


class SqliteStore:
    """A hot store in the file `path`.

    `rebuilt` is true when a damaged file was set aside at opening: everything must be computed again from the log.
    `damaged` is the error of the first damage that was met since then: only the next opening can mend it, so the
    process should end.
    `timeout` (seconds) bounds each reading. With `read_only` the file of another, running process is read: nothing
    is checked, created or set aside, and a transaction is refused. The last `commits` commits are kept for followers
    in other processes; the embedded engine has none. Raises StorageFailedError when the file cannot be
    opened, NotFoundError when it is to be read and is not there.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock = SYSTEM,
        readers: int = 4,
        timeout: float = 5.0,
        vfs: str | None = None,
        read_only: bool = False,
        commits: int = 0,
    ) -> None:
        require_sound_library(apsw.sqlite_lib_version())
        self._path = path
        self._clock = clock
        self._declared = SqlDeclared()
        self._recent = recent.Recent(commits)
        self.commits = KeptCommits(self._commits)
        self._writing = threading.RLock()
        self._failed = ""
        self.rebuilt = False
        self.damaged: CorruptDataError | None = None
        vfs = default_vfs() if vfs is None else vfs
        self._readers = Readers(path, vfs, clock=clock, number=readers, timeout=timeout)
        self._writer: apsw.Connection | None = None
        if not read_only:
            self._open(vfs)
        elif not path.exists():
            raise NotFoundError("There is no hot store yet.", where=str(path), next="Run `wayside up` first.")

    def ensure(self, tables: Sequence[TableSpec], windows: Sequence[WindowSpec]) -> None:
        if self._writer is None:
            with self._read() as connection:
                there = [spec for spec in tables if _stored(connection, "table", spec.name)]
            self._declared.add(there, windows)
            return
        with self._write() as connection:
            for table in tables:
                _ensure_table(connection, table)
            for window in windows:
                old, new = _stored(connection, "window", window.name), definitions.of_window(window)
                if old is not None:
                    definitions.added(f"window {window.name!r}", old, new, droppable=True)
                _remember(connection, "window", window.name, new)
        self._declared.add(tables, windows)

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        with self._write() as connection:
            yield SqliteTransaction(connection, self._path, self._declared, self._clock.now(), recent=self._recent)

    def checkpoint(self, group: str) -> Checkpoint | None:
        with self._read() as connection:
            return checkpoints.load(connection, group)

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
        with self._read() as connection:
            return self._declared.sql[name].select(connection, where or {}, search, after, limit)

    def count(self, name: str) -> int:
        self._declared.table(name)
        with self._read() as connection:
            return self._declared.sql[name].count(connection)

    def windows(
        self, name: str, start: datetime, end: datetime, *, where: Mapping[str, Sequence[Any]] | None = None
    ) -> pl.DataFrame:
        spec = self._declared.window(name)
        with self._read() as connection:
            return windows.between(connection, spec, start, end, where or {})

    def late(self, name: str, *, limit: int = 1_000) -> pl.DataFrame:
        spec = self._declared.window(name)
        with self._read() as connection:
            return late.newest(connection, spec, limit)

    def late_count(self, name: str) -> int:
        """Number of late rows kept for a window."""
        self._declared.window(name)
        with self._read() as connection:
            return late.count(connection, name)

    def windows_after(self, name: str, sequence: int, *, max_rows: int = 500_000) -> tuple[int, pl.DataFrame]:
        spec = self._declared.window(name)
        with self._read() as connection:
            return windows.after(connection, spec, sequence, max_rows)

    def expire(self, before: datetime) -> int:
        with self._write() as connection:
            for sql in self._declared.sql.values():
                sql.expire(connection, literals([before], sql.spec.schema[sql.spec.time])[0])
            stored = windows.micros(before)
            return windows.expire(connection, stored) + late.expire(connection, stored)

    def compact(self) -> int:
        """Merge small blocks, beside running readers and transactions; returns the number of merges."""
        merges = 0
        for spec in self._declared.windows.values():
            while (run := self._worth_merging(spec)) and self._merge(spec, run):
                merges += 1
            with self._write() as connection:
                merges += late.compact(connection, spec)
        return merges

    def close(self) -> None:
        """Close all connections, after the running transaction."""
        with self._writing:
            self._readers.close()
            try:
                if self._writer is not None:
                    self._writer.close()
            except apsw.Error as error:
                log.warning("%s was not tidied up at closing (%s); the next opening does it.", self._path, error)

    def _open(self, vfs: str) -> None:
        REAL.make_folder(self._path.parent)
        if found := repair.examine(self._path, vfs):
            kept = repair.set_aside(self._path, clock=self._clock)
            self.rebuilt = True
            metrics.damaged("hot")
            log.error("%s was damaged (%s). It is kept as %s; the log is computed again.", self._path, found, kept)
        with translated(self._path):
            self._writer = open_writer(self._path, vfs)
        with self._write() as connection:
            for statements in (_CREATE, windows.CREATE, late.CREATE, checkpoints.CREATE, recent.CREATE):
                connection.execute(statements)
            connection.pragma("application_id", repair.APPLICATION)
            connection.pragma("user_version", repair.FORMAT)

    def _commits(self, group: str, sequence: int, limit: int) -> tuple[int, list[Commit]]:
        with self._read() as connection:
            saved = checkpoints.load(connection, group)
            return saved.sequence if saved else 0, recent.after(connection, group, sequence, limit)

    def _worth_merging(self, spec: WindowSpec) -> tuple[compaction.Group, ...]:
        with self._read() as connection:
            return compaction.plan(compaction.groups(connection, spec))

    def _merge(self, spec: WindowSpec, run: Sequence[compaction.Group]) -> bool:
        with self._read() as connection:
            merge = compaction.read(connection, spec, run)
        try:
            with self._write() as connection:
                compaction.exchange(connection, spec, merge)
        except compaction.GoneError:
            return False
        return True

    @contextmanager
    def _read(self) -> Iterator[apsw.Connection]:
        try:
            with self._readers.snapshot() as connection:
                yield connection
        except CorruptDataError as error:
            self._suspect(error)
            raise

    @contextmanager
    def _write(self) -> Iterator[apsw.Connection]:
        """One transaction on the writing connection: committed when the block ends well, else rolled back."""
        with self._writing:
            connection = self._writer
            if connection is None:
                raise StorageFailedError("The hot store was opened for reading only.", where=str(self._path))
            if self._failed:
                raise StorageFailedError(self._failed, where=str(self._path), next="Restart the process.")
            try:
                with translated(self._path, connection):
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
                    connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back(connection, error)
                raise

    def _roll_back(self, connection: apsw.Connection, error: BaseException) -> None:
        if repair.is_final(error.__cause__):
            self._failed = "Syncing the hot store failed: nothing is written any more."
        if isinstance(error, CorruptDataError):
            self._suspect(error)
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error as second:
            self._failed = f"A transaction of the hot store could not be rolled back: {second}."

    def _suspect(self, error: CorruptDataError) -> None:
        """Remember damage of the file, here and for the next opening."""
        repair.suspect(self._path)
        if self.damaged is None:
            self.damaged = error
            metrics.damaged("hot")
            log.error("%s", error)


def _ensure_table(connection: apsw.Connection, table: TableSpec) -> None:
    sql = SqlTable(table)
    sql.create(connection)
    old, new = _stored(connection, "table", table.name), definitions.of_table(table)
    if old is not None:
        sql.add(connection, definitions.added(f"table {table.name!r}", old, new))
        if old["search"] != new["search"]:
            sql.index_search(connection)
    _remember(connection, "table", table.name, new)


def _stored(connection: apsw.Connection, kind: str, name: str) -> definitions.Definition | None:
    found = connection.execute("SELECT body FROM definitions WHERE kind = ? AND name = ?", (kind, name)).get
    return None if found is None else definitions.decode(found)


def _remember(connection: apsw.Connection, kind: str, name: str, definition: definitions.Definition) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO definitions VALUES (?, ?, ?)", (kind, name, definitions.encode(definition))
    )
