"""Which row of its source a transformed row comes from: its place in the log must not follow from batches.

A transform is a function of the user's. A column of a type that no arithmetic touches goes through it with the rows;
where a transform selects its columns, that column is selected with them. Whether this changes anything else is tried
before it is relied upon. Rows that cannot be traced keep their order if their number is the same; otherwise all of
them count as rows of the batch's first offset, which is why such a transform is to be avoided before windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import polars as pl

from wayside.domain import Stream
from wayside.record.eager import run

ROW = "_row"
MARK = "_wayside_row"
KIND = pl.Struct({"row": pl.UInt32()})
Transform = Callable[[pl.LazyFrame], pl.LazyFrame]


class Selecting:
    """A LazyFrame whose `select` keeps the mark."""

    def __init__(self, frame: pl.LazyFrame) -> None:
        self.frame = frame

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.frame, name)
        if not callable(method):
            return method

        def call(*given: Any, **named: Any) -> Any:
            made = method(*given, **named)
            return Selecting(made) if isinstance(made, pl.LazyFrame) else made

        return call

    def select(self, *columns: Any, **named: Any) -> Selecting:
        """Select, and keep the mark."""
        one = columns[0] if len(columns) == 1 else columns
        wanted = one if isinstance(one, Iterable) and not isinstance(one, str | pl.Expr) else columns
        return Selecting(self.frame.select(*wanted, pl.col(MARK), **named))

    def pipe(self, function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Call a function with this frame."""
        return function(self, *given, **named)


def selecting(transform: Transform) -> Transform:
    """The transform, run over a frame whose `select` keeps the mark."""

    def marked(frame: pl.LazyFrame) -> pl.LazyFrame:
        made: Any = transform(Selecting(frame))  # type: ignore[arg-type]  # it has what a LazyFrame has
        found: pl.LazyFrame = made.frame if isinstance(made, Selecting) else made
        return found

    return marked


class Tracer:
    """Runs the transform of one stream, and tells of each row where it comes from, in the column `_row`."""

    def __init__(self, stream: Stream) -> None:
        self.transform: Transform = stream.transform
        self.fields = list(stream.record.fields)
        empty = stream.source.record.empty()
        self.plain = self.transform(empty.lazy()).select(self.fields).collect().schema
        ways = [self.transform, selecting(self.transform)]
        self.way = next((way for way in ways if self.keeps(way, empty)), None)
        self.proven = self.way is not ways[1]

    def keeps(self, way: Transform, empty: pl.DataFrame) -> bool:
        """Whether the mark comes out, and everything else as without it."""
        try:
            made = way(empty.with_columns(pl.lit(None, dtype=KIND).alias(MARK)).lazy()).collect()
        except Exception:  # whatever an extra column breaks
            return False
        if made.schema.get(MARK) != KIND or not set(self.fields) <= set(made.columns):
            return False
        return bool(made.select(self.fields).schema == self.plain)

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that the transform makes, in the order of the record's fields, and `_row`."""
        if self.way is not None and not self.proven:
            self.prove(self.way, frame)
        if self.way is None:
            made = run(self.transform, frame).select(self.fields)
            if made.height == frame.height:
                return made.with_row_index(ROW).select(*self.fields, ROW)
            return made.with_columns(pl.lit(0, dtype=pl.UInt32).alias(ROW))
        made = run(self.way, marked(frame))
        return made.select(*self.fields, pl.col(MARK).struct.field("row").alias(ROW))

    def prove(self, way: Transform, frame: pl.DataFrame) -> None:
        """Compare with the transform as it is, until it has made rows: an aggregate has fewer."""
        plain = run(self.transform, frame).select(self.fields)
        try:
            traced = run(way, marked(frame)).select(self.fields)
        except Exception:  # the mark has broken something, and the transform as it is has not
            traced = None
        if traced is None or not traced.equals(plain):
            self.way = None
        self.proven = plain.height > 1 or self.way is None


def marked(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows with their numbers."""
    number = pl.int_range(frame.height, dtype=pl.UInt32, eager=True).alias("row")
    return frame.with_columns(pl.DataFrame([number]).to_struct(MARK))
