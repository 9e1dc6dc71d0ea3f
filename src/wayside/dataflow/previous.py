"""What came before a row for its key: the step with a memory, which is kept per partition and saved with the state.

What a row is told follows from the rows before it in its partition, one by one; how they are cut into batches cannot
be seen. Keys that the horizon has passed are dropped after each batch, which cannot be seen either: no later row would
have been told of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import polars as pl
import structlog

from wayside.dataflow.rows import Rows
from wayside.dataflow.watermark import NEVER, Watermark
from wayside.domain.flow import Previous
from wayside.grouping import numbered

log = structlog.get_logger()
AT, FLOOR, NUMBER, KEY = "_at", "_floor", "_number", "_key"
"""Columns of a memory: event time, and of the rows at hand the oldest time that is remembered, number and key."""


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
        self.schema = pl.Schema({**{name: schema[column] for name, column in columns.items()}, AT: pl.Int64()})
        self.told = dict(zip((*self.taken, *self.totals), earlier.fields, strict=True))
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
        known = self.frames.get(source, pl.DataFrame(schema=self.schema))
        before = known.with_columns(pl.lit(NEVER, pl.Int64).alias(FLOOR), pl.lit(None, pl.Int64).alias(NUMBER))
        both = keyed(pl.concat([before, here.select(before.columns)]), list(self.keys))
        newest = pl.col(AT).cum_max().shift(1).over(KEY)
        counted = both.filter((pl.col(AT) >= newest).fill_null(True))
        last = pl.col(AT).shift(1).over(KEY)
        counted = counted.with_columns((last >= pl.col(FLOOR)).fill_null(False).alias("_known"))
        counted = counted.with_columns((~pl.col("_known")).cum_sum().over(KEY).alias("_life"))
        extremes = [
            getattr(pl.col(name), "cum_max" if total.kind == "maximum" else "cum_min")()
            .forward_fill()
            .over(KEY, "_life")
            for name, total in self.totals.items()
        ]
        counted = counted.with_columns(extremes)
        told = counted.select(
            NUMBER, *(pl.when("_known").then(pl.col(name).shift(1).over(KEY)).alias(name) for name in self.told)
        ).drop_nulls(NUMBER)
        least = self.progress.floor(self.progress.newest.get(source, NEVER))
        latest = counted.unique(KEY, keep="last", maintain_order=True).filter(pl.col(AT) >= least)
        self.frames[source] = latest.select(list(self.schema))
        return told

    # -- state -----------------------------------------------------------------------------------------------------

    def saved(self, source: str) -> pl.DataFrame:
        """The memory of one partition; its first row has no key, and says how far the partition has come."""
        mark = pl.DataFrame({AT: [self.progress.newest[source]]}, schema={AT: pl.Int64})
        return pl.concat([mark, self.frames.get(source, pl.DataFrame(schema=self.schema))], how="diagonal").select(
            list(self.schema)
        )

    def load(self, source: str, saved: pl.DataFrame) -> None:
        """Take over what was saved. A memory of other columns is of another plan: it begins anew."""
        if saved.schema != self.schema:
            log.warning("the memory of a step is of another plan and begins anew", step=self.flow.name)
            return
        self.progress.newest[source] = int(saved[AT][0])
        self.frames[source] = saved[1:]


def keyed(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Rows with the number of their key."""
    cells = numbered(rows, keys)
    if cells is None:
        return rows.with_columns(pl.struct(keys).rank("dense").alias(KEY))
    return rows.with_columns(pl.Series(KEY, cells.numbers))


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
