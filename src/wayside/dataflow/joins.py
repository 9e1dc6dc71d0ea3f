"""Joining a flow with a table as of each row's event time.

The table's versions are kept by event time: the newest one, and older ones for as long as rows may still ask for
them. A row meets the newest version that is not younger than itself among those that the log held before it.
"""

from __future__ import annotations

import polars as pl

from wayside.dataflow.tracing import ROW
from wayside.domain.flow import Join, Table

DELETED = "_deleted"
VERSION_TIME = "_time"
KEEP_VERSIONS = 100_000


class Versions:
    """Versions of a table's rows in order of key and time, bounded by dropping all but the newest when too many."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.schema = pl.Schema({**table.spec.schema, DELETED: pl.Boolean()})
        self.frame = pl.DataFrame(schema=self.schema)
        self.keys = 0
        self.known_single: bool | None = None

    def add(self, rows: pl.DataFrame) -> None:
        """Rows of the table's schema plus `_deleted`, in log order: the later of two equal times counts."""
        key, time = list(self.table.spec.key), self.table.spec.time
        merged = pl.concat([self.frame, rows.select(list(self.schema))])
        self.frame = merged.unique([*key, time], keep="last", maintain_order=True).sort(time, maintain_order=True)
        if self.frame.height > max(KEEP_VERSIONS, 4 * self.keys):
            self.frame = self.frame.unique(key, keep="last", maintain_order=True)
            self.keys = self.frame.height
        self.known_single = None

    def load(self, state: pl.DataFrame) -> None:
        """Replace the versions by what a checkpoint held."""
        self.frame = state.select(list(self.schema)) if state.height else pl.DataFrame(schema=self.schema)
        self.known_single = None

    @property
    def single(self) -> bool:
        """Whether each key has one version, and no key or time is null: then versions are found without sorting."""
        if self.known_single is None:
            keys = self.frame.select(self.table.spec.key)
            whole = not any(self.frame[name].null_count() for name in (*keys.columns, self.table.spec.time))
            exact = not any(kind.is_float() for kind in keys.dtypes)  # several numbers are zero, or none
            self.known_single = whole and exact and not keys.is_duplicated().any()
        return self.known_single


def joined(join: Join, versions: Versions, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the join's record and, in `_row`, the numbers of the rows that made them, in the order given."""
    key = list(join.on)
    spec = versions.table.spec
    taken = set(join.source.record.fields)
    wanted = [name for name in spec.schema if name in join.record.fields and name not in taken]
    right = versions.frame.select(*key, pl.col(spec.time).alias(VERSION_TIME), DELETED, *wanted)
    met = (
        looked_up(join, right, rows) if versions.single and set(key) == set(spec.key) else met_as_of(join, right, rows)
    )
    found = pl.col(DELETED).is_not_null() & ~pl.col(DELETED).fill_null(True)
    if join.how == "inner":
        met = met.filter(found)
    else:
        met = met.with_columns(pl.when(found).then(pl.col(name)).alias(name) for name in wanted)
    return met.select(*join.record.fields, ROW)


def looked_up(join: Join, right: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Each row with the one version of its key, which does not count when it is younger than the row."""
    time = join.source.record.time
    assert time is not None  # a join is as of event time
    met = rows.with_row_index(ROW).join(right, on=list(join.on), how="left", maintain_order="left")
    old = pl.col(VERSION_TIME) <= pl.col(time)
    return met.with_columns(pl.when(old).then(pl.col(DELETED)).alias(DELETED))


def met_as_of(join: Join, right: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Each row with the newest version of its key that is not younger than the row."""
    time = join.source.record.time
    left = rows.with_row_index(ROW).sort(time, maintain_order=True)
    return left.join_asof(
        right, left_on=time, right_on=VERSION_TIME, by=list(join.on), strategy="backward", check_sortedness=False
    ).sort(ROW)
