"""Keeping a Delta table small and quick: old dates go, small files are merged, replaced files are removed."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from wayside import metrics
from wayside.clock import Clock
from wayside.lake.places import TablePlace
from wayside.lake.shape import DATE
from wayside.specs import TIME

if TYPE_CHECKING:
    from deltalake import DeltaTable, PostCommitHookProperties, WriterProperties

log = logging.getLogger(__name__)

SMALL_BYTES = 32 << 20
FAN_IN = 8
CHECKPOINT_EVERY = 20
"""Commits between two checkpoints of the Delta log; opening a table replays what came after the last one."""


def no_hooks() -> PostCommitHookProperties:
    """Checkpoints are written by `tidy`, which syncs them, and not after some append."""
    from deltalake import PostCommitHookProperties

    return PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


def writer() -> WriterProperties:
    """Parquet with zstd: half the bytes of the default."""
    from deltalake import WriterProperties

    return WriterProperties(compression="ZSTD", compression_level=1)


def files(table: DeltaTable) -> pl.DataFrame:
    """The live files of a table: path, date, size in bytes, rows, and when they were stored."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    return actions.select(
        "path",
        pl.col(f"partition.{DATE}").cast(pl.Date).alias(DATE),
        pl.col("size_bytes").alias("bytes"),
        pl.col("num_records").alias("rows"),
        pl.from_epoch("modification_time", time_unit="ms").dt.replace_time_zone("UTC").cast(TIME).alias("stored"),
    )


def leave_out_damaged(table: DeltaTable, place: TablePlace, clock: Clock) -> None:
    """Set data files aside that are missing or cut off, so that the rest of the table can be read."""
    live = files(table).select("path", "bytes", "rows").rows()
    damaged = set(place.damaged([(name, size) for name, size, _ in live]))
    for name, _, rows in live:
        if name in damaged:
            what = f"{place.uri}/{name}"
            log.error("%s holds %s rows of the lake and is missing or cut off: they are left out.", what, rows)
            if not place.set_aside(name, clock):
                metrics.damaged("lake")
    if damaged:
        table.repair(post_commithook_properties=no_hooks())
        place.settle(table.version())


def drop_old(table: DeltaTable, place: TablePlace, limit: datetime) -> None:
    """Drop the dates before `limit` in which nothing was stored since `limit`.

    The second condition keeps a replay of old records: they are old, and their results are new.
    """
    dates = files(table).group_by(DATE).agg(pl.col("stored").max())
    old = dates.filter(pl.col("stored") < limit, pl.col(DATE).is_null() | (pl.col(DATE) < limit.date()))
    for value in old[DATE].sort():
        which = f"{DATE} IS NULL" if value is None else f"{DATE} = '{value.isoformat()}'"
        table.delete(which, post_commithook_properties=no_hooks())
        place.settle(table.version())


def compact(table: DeltaTable, place: TablePlace) -> None:
    """Merge the small files of each date that has many."""
    small = files(table).filter(pl.col("bytes") < SMALL_BYTES).group_by(DATE).len().filter(pl.col("len") >= FAN_IN)
    for value in small[DATE].drop_nulls().sort():
        table.optimize.compact(
            partition_filters=[(DATE, "=", value.isoformat())],
            target_size=4 * SMALL_BYTES,
            max_concurrent_tasks=1,
            writer_properties=writer(),
            post_commithook_properties=no_hooks(),
        )
        place.settle(table.version())


def tidy(table: DeltaTable, place: TablePlace, grace: timedelta) -> None:
    """Remove files that no version within `grace` needs, and shorten the log."""
    hours = int(grace.total_seconds() // 3600)
    table.vacuum(
        retention_hours=hours,
        dry_run=False,
        enforce_retention_duration=False,
        full=True,
        post_commithook_properties=no_hooks(),
    )
    place.settle(table.version())
    if table.version() - place.settle_checkpoint() >= CHECKPOINT_EVERY:
        table.create_checkpoint()
        place.settle_checkpoint(sync=True)
        table.cleanup_metadata()
