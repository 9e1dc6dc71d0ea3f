"""What the lake has: older records and windows than log and hot store keep, and what streams have made of records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from wayside.domain import Flow, Stream, Topic
from wayside.errors import NotFoundError
from wayside.server.problems import ProblemError
from wayside.server.services import Services
from wayside.specs import WindowSpec
from wayside.values import Tier, partition_name

MOST = 5_000_000
"""Rows of the lake that one question may read."""
EVERY = pl.lit(value=True)
TRIES = 5
"""Readings of a table of the lake until nothing was appended meanwhile."""
DATE = "_date"
"""The column by which the lake files rows: the day of their event time in UTC."""
Span = tuple[datetime, datetime]


def kept(services: Services, topic: Topic, span: Span, cut: Mapping[int, int]) -> Iterator[pl.DataFrame]:
    """A topic's records in [start, end) below the offsets `cut` of its partitions, in the order of the log.

    Raises ProblemError when they are too many.
    """
    time = topic.record.time
    if not cut or time is None:
        return
    older = pl.any_horizontal(
        (pl.col("_partition") == partition) & (pl.col("_offset") < offset) for partition, offset in cut.items()
    )
    rows = rows_of(services, ("bronze", topic.name), time, span, older)
    if rows is not None and rows.height:
        yield as_declared(rows.sort("_partition", "_offset"), topic.record.schema())


def made(services: Services, flow: Flow, topic: str, span: Span) -> tuple[pl.DataFrame, dict[int, int]] | None:
    """What a stream has made of a topic, in [start, end), and the offset up to which the lake has it by partition.

    Null where the lake has nothing of it, or less than the log has let go of. It spares running the stream again, and
    was made with what the stream knew at the time.
    """
    if services.lake is None or not isinstance(flow, Stream) or flow.record.time is None:
        return None
    lake = services.lake
    starts = {info.partition: info.start for info in services.broker.partitions(topic)}

    def reached() -> dict[int, int]:
        return {part: lake.version("silver", flow.name, partition_name(topic, part)) for part in starts}

    for _ in range(TRIES):
        before = reached()
        if any(before[part] < start for part, start in starts.items() if start) or max(before.values()) <= 0:
            return None
        rows = rows_of(services, ("silver", flow.name), flow.record.time, span, EVERY)
        if rows is None:
            return None
        if before == reached():  # so the rows are those of just these offsets
            return as_declared(rows, flow.record.schema()), before
    return None


def closed(services: Services, spec: WindowSpec, span: Span) -> pl.DataFrame | None:
    """Closed windows inside [start, end) of which the lake alone may know, as partial rows; null where none can be.

    Of two rows of one window and key, which only a recomputation leaves, the later one is valid.
    """
    start, end = span
    end = min(end, services.clock.now() - services.hot_keep + timedelta(days=1))
    if spec.endless or start >= end:
        return None
    rows = rows_of(services, ("gold", spec.name), "window_start", (start, end), pl.col("window_end") <= end)
    if rows is None:
        return None
    newest = rows.sort("_seq").unique(["window_start", "window_end", *spec.by], keep="last", maintain_order=True)
    return as_declared(newest, spec.schema)


def rows_of(services: Services, table: tuple[Tier, str], time: str, span: Span, chosen: pl.Expr) -> pl.DataFrame | None:
    """Rows of a table of the lake in [start, end); null without such a table. Raises ProblemError for too many."""
    if services.lake is None:
        return None
    start, end = span
    days = pl.col(DATE).is_between(start.date(), end.date())
    within = pl.col(time).is_between(start, end, closed="left")
    try:
        # One by one, so that whole days are left out before anything of them is read.
        frame = services.lake.scan(*table).filter(days).filter(within).filter(chosen)
        rows = frame.limit(MOST + 1).collect()
    except NotFoundError:
        return None
    if rows.height > MOST:
        raise ProblemError(422, "The range holds too many records to look through.", next="Ask for a shorter range.")
    return rows


def as_declared(rows: pl.DataFrame, schema: Mapping[str, Any] | pl.Schema) -> pl.DataFrame:
    """Rows of the lake in the types of their declaration; a column that is younger than they are is null."""
    columns: Sequence[pl.Expr] = [
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    ]
    return rows.select(columns)
