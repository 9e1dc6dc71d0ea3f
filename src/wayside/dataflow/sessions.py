"""Session windows: spans of activity per key that end after a gap without records.

A row stretches a session when it lies at most `gap` after its last record or before its first. A session closes when
the watermark has passed its end (last record plus gap); a row older than the watermark is late. So no row that is on
time can touch a session that has closed.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wayside.dataflow.partials import instant, micros, partial_parts, raw_parts
from wayside.dataflow.sums import split, split_columns, state_types, upgraded, whole
from wayside.dataflow.watermark import Micros
from wayside.grouping import expression
from wayside.specs import WindowSpec

START, END = "window_start", "window_end"


class SessionOperator:
    """Open sessions as partial rows with their bounds in microseconds."""

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        self.gap = micros(spec.gap)
        self.needed = [*spec.by, *dict.fromkeys(a.column for a in spec.aggregates.values() if a.column)]
        keys = {name: spec.input[name] for name in spec.by}
        self.schema = pl.Schema({START: pl.Int64(), END: pl.Int64(), **keys, **state_types(spec)})
        self.open = pl.DataFrame(schema=self.schema)

    def add(self, frame: pl.DataFrame, times: Micros, watermark: Micros | int) -> pl.Series | None:
        """Take rows in; returns the mask of late rows, or null if there are none."""
        behind = times < watermark
        late = pl.Series("late", behind) if behind.any() else None
        rows = frame.select(self.needed).with_columns(pl.Series(START, times), pl.Series(END, times + self.gap))
        if late is not None:
            rows = rows.filter(~late)
        if rows.height:
            rows = split(rows, split_columns(self.spec))
            single = rows.with_row_index("_row").group_by("_row", START, END, *self.spec.by, maintain_order=True)
            made = [expression(part).alias(part.name) for part in raw_parts(self.spec)]
            partial = single.agg(made).select(list(self.schema))
            self.open = self.merge(pl.concat([self.open, partial]))
        return late

    def absorb(self, saved: Sequence[pl.DataFrame]) -> None:
        """Take in what `save` of other operators returned: sessions of rows that this one has not seen."""
        parts = [part.select(list(self.schema)) for part in saved if part.height]
        if parts:
            self.open = self.merge(pl.concat([self.open, *parts]))

    def merge(self, sessions: pl.DataFrame) -> pl.DataFrame:
        """Join sessions of one key that touch or overlap."""
        by = list(self.spec.by)
        ordered = sessions.sort(*by, START, maintain_order=True)
        reach = pl.col(END).cum_max().shift(1)
        fresh = pl.col(START) > reach
        if by:
            fresh = fresh.over(by)
        numbered = ordered.with_columns(fresh.fill_null(True).alias("_fresh")).with_columns(
            pl.col("_fresh").cum_sum().alias("_session")
        )
        merged = numbered.group_by("_session", *by, maintain_order=True).agg(
            pl.col(START).min(),
            pl.col(END).max(),
            *(expression(part).alias(part.name) for part in partial_parts(self.spec)),
        )
        return merged.select(list(self.schema))

    def close(self, watermark: int) -> pl.DataFrame | None:
        """Take out the sessions that the watermark has passed; null when there are none."""
        if self.open.is_empty():
            return None
        ended = pl.col(END) < watermark
        closing = self.open.filter(ended)
        if closing.is_empty():
            return None
        self.open = self.open.filter(~ended)
        return self.stored(closing)

    def stored(self, sessions: pl.DataFrame) -> pl.DataFrame:
        """Sessions as stored rows."""
        bounds = [instant(pl.col(START)).alias(START), instant(pl.col(END)).alias(END)]
        rows = sessions.with_columns(*bounds, *whole(self.spec)).select(list(self.spec.schema))
        return rows.sort(START, *self.spec.by)

    def frames(self) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
        """The open sessions, as an immutable frame."""
        return [], [self.open]

    def peek(self, frames: tuple[list[pl.DataFrame], list[pl.DataFrame]]) -> pl.DataFrame:
        """Open sessions of frames that `frames` returned, as stored rows."""
        return self.stored(frames[1][0])

    @property
    def rows(self) -> int:
        """Number of open sessions."""
        return self.open.height

    def save(self) -> pl.DataFrame:
        """The state as one frame."""
        return self.open

    def load(self, state: pl.DataFrame) -> None:
        """Replace the state by what `save` returned."""
        kept = upgraded(state, state_types(self.spec)) if state.height else pl.DataFrame(schema=self.schema)
        self.open = kept.select(list(self.schema))
