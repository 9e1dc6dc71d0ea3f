"""The lake as Delta tables `<root>/<tier>/<name>` in a folder or a bucket, readable by anything that reads Delta.

Each append is one Delta commit that also carries (app, version), so that the same append again is seen and left out.
Rows are read through Polars only: `DeltaTable.to_pyarrow_table` aborts the interpreter at its exit (measured with
deltalake 1.6.6 beside pyarrow 26, in one run of three). deltalake is imported when the first table is touched: it
costs 16 MB and 0.1 s.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from wayside.clock import SYSTEM, Clock
from wayside.errors import DiskFullError, NotFoundError, StorageFailedError, UnavailableError, WaysideError
from wayside.lake import upkeep
from wayside.lake.places import Folder, LakePlace, TablePlace
from wayside.lake.shape import DATE, check_name, check_types, shaped
from wayside.values import Tier

if TYPE_CHECKING:
    from deltalake import DeltaTable

_CONFIGURATION = {"delta.logRetentionDuration": "interval 1 days"}


class DeltaLake:
    """Tables in three tiers below `root`, a folder or another place. One process writes; any number may read.

    `grace` is how long replaced files stay for readers that still hold an older version. With `read_only` the lake of
    another, running process is read: nothing is mended, and an append is refused.
    """

    def __init__(
        self,
        root: Path | LakePlace,
        *,
        clock: Clock = SYSTEM,
        grace: timedelta = timedelta(hours=1),
        read_only: bool = False,
    ) -> None:
        self._root = Folder(root) if isinstance(root, Path) else root
        self._clock = clock
        self._grace = grace
        self._read_only = read_only
        self._open: dict[str, DeltaTable] = {}
        self._lock = threading.RLock()

    def append(self, tier: Tier, name: str, rows: pl.DataFrame, *, app: str, version: int, time: str = "") -> None:
        check_name(tier, name)
        place = self._root.table(tier, name)
        if self._read_only:
            raise StorageFailedError("The lake was opened for reading only.", where=self._root.where)
        with self._lock, _translated(place.uri):
            table = self._table(place)
            if table is not None and version <= _applied(table, app):
                return
            fresh = shaped(rows, time=time)
            if table is not None:
                check_types(f"{tier}.{name}", _schema(table), fresh.schema)
            self._write(place, fresh, app, version)

    def version(self, tier: Tier, name: str, app: str) -> int:
        check_name(tier, name)
        place = self._root.table(tier, name)
        with self._lock, _translated(place.uri):
            table = self._table(place)
            return -1 if table is None else _applied(table, app)

    def scan(self, tier: Tier, name: str) -> pl.LazyFrame:
        from deltalake import DeltaTable

        check_name(tier, name)
        place = self._root.table(tier, name)
        if not place.exists():
            raise NotFoundError(f"The lake has no table {tier}.{name}.", where=self._root.where)
        with self._lock, _translated(place.uri):
            if not self._read_only and self._table(place) is None:
                raise NotFoundError(f"The lake has no table {tier}.{name}.", where=self._root.where)
            # A handle of its own: the lazy frame is collected later, while ours has moved on.
            return pl.scan_delta(DeltaTable(place.uri, storage_options=place.options))

    def tables(self) -> list[tuple[Tier, str]]:
        with _translated(self._root.where):
            return self._root.tables()

    def maintain(self, *, keep: timedelta) -> None:
        limit = self._clock.now() - keep
        for tier, name in self.tables():
            place = self._root.table(tier, name)
            with self._lock, _translated(place.uri):
                table = self._table(place)
                if table is not None:
                    upkeep.leave_out_damaged(table, place, self._clock)
                    upkeep.drop_old(table, place, limit)
                    upkeep.compact(table, place)
                    upkeep.tidy(table, place, self._grace)

    def _write(self, place: TablePlace, rows: pl.DataFrame, app: str, version: int) -> None:
        from deltalake import CommitProperties, Transaction, write_deltalake

        place.prepare()
        # A path instead of the handle would read every commit since the last checkpoint again, each on its own thread.
        write_deltalake(
            self._open.get(place.uri, place.uri),
            rows,
            mode="append",
            partition_by=[DATE],
            schema_mode="merge",
            storage_options=place.options,
            configuration=_CONFIGURATION,
            commit_properties=CommitProperties(app_transactions=[Transaction(app, version)]),
            post_commithook_properties=upkeep.no_hooks(),
            writer_properties=upkeep.writer(),
        )
        table = self._table(place)
        assert table is not None
        place.settle(table.version())

    def _table(self, place: TablePlace) -> DeltaTable | None:
        """The table as it is now; null when there is none. At the first sight, what is damaged is mended."""
        if place.uri not in self._open:
            if not place.exists():
                return None
            from deltalake import DeltaTable

            if not self._read_only:
                place.mend(self._clock)
            if not DeltaTable.is_deltatable(place.uri, place.options):
                return None
            table = DeltaTable(place.uri, storage_options=place.options)
            if not self._read_only:
                upkeep.leave_out_damaged(table, place, self._clock)
            self._open[place.uri] = table
        table = self._open[place.uri]
        table.update_incremental()
        return table


def _applied(table: DeltaTable, app: str) -> int:
    version = table.transaction_version(app)
    return -1 if version is None else version


def _schema(table: DeltaTable) -> pl.Schema:
    return pl.Schema(table.schema().to_arrow())


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Errors of Delta and of the storage become errors of Wayside."""
    try:
        yield
    except WaysideError:
        raise
    except Exception as error:  # deltalake raises its own, OSError and bare Exception for failures of the disk
        text = str(error).partition("\n")[0]
        if "os error 28" in str(error) or "No space left" in str(error):
            raise DiskFullError(
                "The disk of the lake is full.",
                where=where,
                why=text,
                next="Free some space; writing then resumes.",
            ) from error
        if "://" in where:
            raise UnavailableError(
                "The storage of the lake does not answer, or refuses.",
                where=where,
                why=" ".join(str(error).split())[:300],
                next="Check lake_url, lake_config and the storage; what is missing is written when it answers again.",
            ) from error
        raise StorageFailedError("A table of the lake cannot be read or written.", where=where, why=text) from error
