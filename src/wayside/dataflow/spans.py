"""Tumbling and hopping windows as an incremental operator: partial aggregates per open window and key.

Raw rows of open windows are kept as they come and aggregated once, when their window closes or when they have
outgrown a bound. That is cheaper than aggregating every batch where there are many keys, and the same where there
are few. Window bounds are integers (microseconds) inside and instants outside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from wayside.dataflow.partials import collapse, from_raw, micros, present
from wayside.dataflow.sums import state_types, upgraded
from wayside.dataflow.watermark import END_OF_TIME, Micros
from wayside.specs import WindowSpec

START = "window_start"
MAX_FRAMES = 512
MAX_ROWS = 1_000_000


class SpanOperator:
    """Windows of fixed length. Not thread-safe: one engine thread feeds it; `snapshot_frames` may be read by others."""

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        self.every = micros(spec.every)
        self.size = micros(spec.size)
        self.needed = [*spec.by, *dict.fromkeys(a.column for a in spec.aggregates.values() if a.column)]
        self.raw: list[pl.DataFrame] = []
        self.partial: list[pl.DataFrame] = []
        self.rows = 0
        self.floor = 0
        self.first = END_OF_TIME

    def add(self, frame: pl.DataFrame, times: Micros, watermark: Micros | int) -> pl.Series | None:
        """Take rows in; returns the mask of rows late for at least one of their windows, or null."""
        newest = times - np.mod(times, self.every)
        late: npt.NDArray[np.bool_] | None = None
        values = frame[self.needed]
        for back in range(self.size // self.every):
            starts = newest - back * self.every
            behind = starts + self.size <= watermark
            if behind.any():
                late = behind if late is None else late | behind
                mask = pl.Series(~behind)
                self.keep(values.filter(mask), starts[~behind])
            else:
                self.keep(values, starts)
        return None if late is None else pl.Series("late", late)

    def keep(self, values: pl.DataFrame, starts: Micros) -> None:
        """Hold rows of windows that are open."""
        if not len(starts):
            return
        self.raw.append(values.hstack([pl.Series(START, starts)]))
        self.rows += len(starts)
        self.first = min(self.first, int(starts.min()))
        if len(self.raw) > MAX_FRAMES or self.rows > max(MAX_ROWS, 4 * self.floor):
            self.compact()

    def absorb(self, saved: Sequence[pl.DataFrame]) -> None:
        """Take in what `save` of other operators returned: partial rows of rows that this one has not seen."""
        parts = [part for part in saved if part.height]
        if not parts:
            return
        self.partial = [self.aggregate(self.raw, [*self.partial, *parts])]
        self.raw = []
        self.rows = self.floor = self.partial[0].height
        self.first = int(self.partial[0][START].min())  # type: ignore[arg-type]  # not empty

    def compact(self) -> None:
        """Aggregate what is held, so that memory follows the number of keys and not of rows."""
        self.partial = [self.aggregate(self.raw, self.partial)]
        self.raw = []
        self.rows = self.floor = self.partial[0].height

    def aggregate(self, raw: Sequence[pl.DataFrame], partial: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """One partial row per window and key of the given frames."""
        keys = [START, *self.spec.by]
        parts = list(partial)
        if raw:
            parts.append(from_raw(pl.concat(raw), keys, self.spec))
        return collapse(parts, keys, self.spec)

    def close(self, watermark: int) -> pl.DataFrame | None:
        """Take out the windows that end at or before the watermark; null when there are none."""
        if self.first + self.size > watermark:
            return None
        ended = pl.col(START) + self.size <= watermark
        raw, partial = pl.concat(self.raw) if self.raw else None, pl.concat(self.partial) if self.partial else None
        closing = self.aggregate(
            [] if raw is None else [raw.filter(ended)], [] if partial is None else [partial.filter(ended)]
        )
        self.raw = [] if raw is None else [left for left in [raw.filter(~ended)] if left.height]
        self.partial = [] if partial is None else [left for left in [partial.filter(~ended)] if left.height]
        held = [*self.raw, *self.partial]
        self.rows = sum(part.height for part in held)
        self.floor = sum(part.height for part in self.partial)
        self.first = min((int(part[START].min()) for part in held), default=END_OF_TIME)  # type: ignore[arg-type]  # never null
        return present(closing, self.size, self.spec) if closing.height else None

    def frames(self) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
        """What is held now, as immutable frames: raw rows and partial rows."""
        return list(self.raw), list(self.partial)

    def peek(self, frames: tuple[list[pl.DataFrame], list[pl.DataFrame]]) -> pl.DataFrame:
        """Open windows of frames that `frames` returned, as stored rows."""
        return present(self.aggregate(*frames), self.size, self.spec)

    def save(self) -> pl.DataFrame:
        """The state as one frame of partial rows; holding is compacted by it."""
        self.compact()
        return self.partial[0]

    def load(self, state: pl.DataFrame) -> None:
        """Replace the state by what `save` returned."""
        state = upgraded(state, state_types(self.spec))
        self.raw, self.partial = [], [state] if state.height else []
        self.rows = self.floor = state.height
        self.first = int(state[START].min()) if state.height else END_OF_TIME  # type: ignore[arg-type]  # not empty
