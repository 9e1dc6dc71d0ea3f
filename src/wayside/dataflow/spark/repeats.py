"""Records that came twice within a partition: all but the first are left out, as every reader of the log does it.

A record is a repeat when a record with the same id stands before it in its partition and was appended at most `WINDOW`
(or the topic's deduplication horizon, if that is shorter) before it, in whole seconds of Kafka's append time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from wayside.dataflow.watermark import Micros

WINDOW = 180
SECOND = 1_000_000
SCHEMA = pl.Schema({"id": pl.UInt64(), "at": pl.Int64()})


class Repeats:
    """The ids of one partition that may still come again: their hashes, and the seconds at which they were appended."""

    def __init__(self, horizon: int, recent: pl.DataFrame | None = None) -> None:
        self.window = min(horizon, WINDOW)
        self.recent = pl.DataFrame(schema=SCHEMA) if recent is None else recent

    def fresh(self, ids: pl.Series, appended: Micros) -> npt.NDArray[np.bool_] | None:
        """Which messages to keep, or null when none is a repeat; `ids` are null where there is none."""
        if ids.null_count() == len(ids):
            return None
        at = pl.Series("at", appended // SECOND)
        named = pl.DataFrame([hashed(ids).alias("id"), at]).with_row_index("number").filter(ids.is_not_null())
        known = self.recent.select(pl.lit(None, dtype=pl.UInt32).alias("number"), "id", "at")
        both = pl.concat([known, named])
        before = pl.col("at").shift(1).over("id")
        repeated = both.filter(pl.col("number").is_not_null() & (pl.col("at") - before <= self.window))["number"]
        newest = int(at.max())  # type: ignore[arg-type]  # there is an id, so there is a row
        recent = both.filter(pl.col("at") >= newest - self.window).unique("id", keep="last", maintain_order=True)
        self.recent = recent.select("id", "at")
        if not len(repeated):
            return None
        keep = np.ones(len(ids), dtype=np.bool_)
        keep[repeated.to_numpy()] = False
        return keep


def hashed(ids: pl.Series) -> pl.Series:
    """Numbers that stand for ids, the same in every process."""
    return ids.hash(0)
