"""What came before a row for its key: the step with a memory, which is kept per partition and saved with the state.

What a row is told follows from the rows before it in its partition, one by one; how they are cut into batches cannot
be seen. Keys that the horizon has passed are dropped after each batch, which cannot be seen either: no later row would
have been told of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import structlog

from wayside.dataflow.rows import Rows
from wayside.dataflow.watermark import NEVER, Watermark
from wayside.domain.flow import Previous

log = structlog.get_logger()
AT, FLOOR, NUMBER, KEY, HASH = "_at", "_floor", "_number", "_key", "_hash"
"""Columns of a memory: event time; of the rows at hand the oldest time that is remembered; number, key, its hash."""


class Kept:
    """The memory of one step: the newest row of each key, by partition, and how far each partition has come."""

    def __init__(self, flow: Previous) -> None:
        earlier, schema = flow.earlier, flow.source.record.schema()
        self.flow = flow
        self.time = str(flow.source.record.time)
        self.keys = {f"_k{number}": name for number, name in enumerate(earlier.by)}
        self.taken = {f"_c{number}": name for number, name in enumerate(earlier.columns.values())}
        self.totals = {f"_r{number}": aggregate for number, aggregate in enumerate(earlier.running.values())}
        columns = self.keys | self.taken | {name: aggregate.column for name, aggregate in self.totals.items()}
        self.read = [pl.col(column).alias(name) for name, column in columns.items()]
        self.schema = pl.Schema(
            {**{name: schema[column] for name, column in columns.items()}, AT: pl.Int64(), HASH: pl.UInt64()}
        )
        self.told = dict(zip((*self.taken, *self.totals), earlier.fields, strict=True))
        self.nothing = hashed(pl.DataFrame(schema=self.schema), list(self.keys))
        self.frames: dict[str, pl.DataFrame] = {}
        self.progress = Watermark(earlier.horizon // timedelta(microseconds=1), float("inf"))

    @property
    def rows(self) -> int:
        """Keys that are remembered."""
        return sum(frame.height for frame in self.frames.values())

    def run(self, rows: Rows) -> Rows:
        """The rows beside what came before them, at their own places; the memory takes them in."""
        floors = self.progress.judge(rows.source, rows.times(self.time), rows.appended, 0.0)
        here = rows.frame.select(
            *self.read,
            pl.col(self.time).to_physical().alias(AT),
            pl.lit(floors, pl.Int64).alias(FLOOR) if isinstance(floors, int) else pl.Series(FLOOR, floors),
            pl.int_range(pl.len(), dtype=pl.Int64).alias(NUMBER),
        ).drop_nulls(list(self.keys))
        told = self.remembered(rows.source, here) if here.height else here.select(NUMBER, *self.told)
        numbers = pl.DataFrame({NUMBER: np.arange(rows.frame.height)})
        placed = numbers.join(told, on=NUMBER, how="left", maintain_order="left").select(*self.told).rename(self.told)
        frame = pl.concat([rows.frame, placed], how="horizontal").select(list(self.flow.record.fields))
        return Rows(rows.topic, rows.partition, frame, rows.offsets, rows.appended)

    def remembered(self, source: str, here: pl.DataFrame) -> pl.DataFrame:
        """What each row with a whole key is told, with the row's number; the memory takes the rows in."""
        known = self.frames.get(source, self.nothing)
        here = hashed(here, list(self.keys))
        touched = known[HASH].is_in(
            here[HASH].unique().implode()
        )  # two keys may share a hash, and are told apart below
        before = known.filter(touched).with_columns(
            pl.lit(NEVER, pl.Int64).alias(FLOOR), pl.lit(None, pl.Int64).alias(NUMBER)
        )
        rows, groups = grouped(pl.concat([before, here.select(before.columns)]), list(self.keys))
        rows, first = counted(rows, groups)
        at = rows[AT].to_numpy()
        lives = first.copy()  # a row that is the first of its key, or that finds it forgotten
        lives[1:] |= at[:-1] < rows[FLOOR].to_numpy()[1:]
        rows = self.totalled(rows, lives)
        prior = pl.int_range(-1, rows.height - 1, eager=True)
        told = rows.select(pl.col(list(self.told)).gather(prior.set(pl.Series(lives), None)))
        told = told.with_columns(rows[NUMBER]).drop_nulls(NUMBER)
        least = self.progress.floor(self.progress.newest.get(source, NEVER))
        latest = rows.filter(pl.Series(np.append(first[1:], True)))
        kept = pl.concat([known.filter(~touched), latest.select(known.columns)])
        self.frames[source] = kept.filter(kept[AT] >= least)
        return told

    def totalled(self, rows: pl.DataFrame, lives: npt.NDArray[np.bool_]) -> pl.DataFrame:
        """Rows with their extremes so far in place of the values."""
        if not self.totals:
            return rows
        life = pl.Series("_life", np.cumsum(lives))
        cumulated = {"maximum": pl.Expr.cum_max, "minimum": pl.Expr.cum_min}
        return rows.with_columns(life).with_columns(
            cumulated[total.kind](pl.col(name)).forward_fill().over("_life") for name, total in self.totals.items()
        )

    # -- state -----------------------------------------------------------------------------------------------------

    def saved(self, source: str) -> pl.DataFrame:
        """The memory of one partition; its first row has no key, and says how far the partition has come."""
        mark = pl.DataFrame({AT: [self.progress.newest[source]]}, schema={AT: pl.Int64})
        kept = self.frames.get(source, self.nothing)
        return pl.concat([mark, kept], how="diagonal").select(list(self.schema))

    def load(self, source: str, saved: pl.DataFrame) -> None:
        """Take over what was saved. A memory of other columns is of another plan: it begins anew."""
        if saved.schema != self.schema:
            log.warning("the memory of a step is of another plan and begins anew", step=self.flow.name)
            return
        self.progress.newest[source] = int(saved[AT][0])
        self.frames[source] = hashed(saved[1:], list(self.keys))


def hashed(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Rows with a number that follows from their key."""
    return rows.with_columns(pl.struct(keys).hash(0).alias(HASH))


def grouped(rows: pl.DataFrame, keys: list[str]) -> tuple[pl.DataFrame, npt.NDArray[Any]]:
    """Rows key by key, each key's in the order in which they stand, and numbers of the keys."""
    found = rows[HASH].to_numpy()
    order = np.argsort(found, kind="stable")
    ordered, numbers = rows[order], found[order]
    same = numbers[1:] == numbers[:-1]
    for key in keys:
        column = ordered[key]
        if same.any() and not (column[1:] == column[:-1]).to_numpy()[same].all():
            break  # two keys share a hash
    else:
        return ordered, numbers
    ranks = rows.select(pl.struct(keys).rank("dense")).to_series().to_numpy()
    order = np.argsort(ranks, kind="stable")
    return rows[order], ranks[order]


def counted(rows: pl.DataFrame, groups: npt.NDArray[np.int64]) -> tuple[pl.DataFrame, npt.NDArray[np.bool_]]:
    """Rows of groups without those that are older than one before them, and which are the first of their group."""
    at = rows[AT].to_numpy()
    first = np.append(True, groups[1:] != groups[:-1])
    if not (at[1:][~first[1:]] < at[:-1][~first[1:]]).any():
        return rows, first
    newest = rows.with_columns(pl.Series(KEY, groups)).select(pl.col(AT).cum_max().over(KEY)).to_series().to_numpy()
    keeps = at >= newest
    return rows.filter(pl.Series(keeps)), np.append(True, groups[keeps][1:] != groups[keeps][:-1])


def saved_memories(kept: Mapping[str, Kept]) -> dict[str, pl.DataFrame]:
    """The memories of steps by name and partition."""
    return {
        f"{name}@{source}": memory.saved(source) for name, memory in kept.items() for source in memory.progress.newest
    }


def load_memory(kept: Mapping[str, Kept], place: str, saved: pl.DataFrame) -> None:
    """Give a step back the memory of one partition; that of a step which the plan no longer has is left."""
    name, _, source = place.partition("@")
    if name in kept:
        kept[name].load(source, saved)
