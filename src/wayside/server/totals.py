"""Running totals as of an instant of the past: the totals of now, less what was counted since.

No copy of them is kept for each instant. What a total counts are records, and those since are in the log, or in the
lake where the log has let go of them: so the answer is exact as long as these are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from polars.dataframe.group_by import GroupBy

from wayside.domain import Flow, Window
from wayside.domain.flow import Derived, Join
from wayside.errors import UnknownPastError
from wayside.server.history import FOREVER, records, source_behind, step
from wayside.server.problems import ProblemError
from wayside.server.services import Services
from wayside.server.windows import filtered
from wayside.specs import WindowSpec, partial_type

Where = Mapping[str, Sequence[Any]] | None
INSTANT = timedelta(microseconds=1)
ALL = "_all"
"""The one group of rows that are not grouped."""


def totals_at(services: Services, window: Window, at: datetime, by: Sequence[str], where: Where) -> pl.DataFrame:
    """Partial sums by some of the total's keys, of the records whose event time is not after `at`.

    Raises UnknownPastError where records cannot be taken out again (extremes, and joins that drop rows), where too many
    would have to be read, and where the total began to be counted after the instant.
    """
    spec = window.spec
    check(window)
    standing = services.engine.standing(spec.name)
    now = grouped(filtered(standing.rows, where), by).agg(spec.combine())
    try:
        needed = {*by, *(where or {}), spec.time, *(one.column for one in spec.aggregates.values() if one.column)}
        source = source_behind(window.source, f"total {spec.name!r}", needed, spec.time)
        until = {part: offset for (topic, part), offset in standing.positions.items() if topic == source.topic.name}
        found = [
            step(source, frame, {}).filter(pl.col(spec.time) > at)
            for frame in records(services, source.topic, (at + INSTANT, FOREVER), until=until)
        ]
    except ProblemError as error:
        raise UnknownPastError(
            f"The total {spec.name!r} of that instant is not known.", why=f"{error.detail} {error.why}".strip()
        ) from error
    parts = [parts_of(spec, filtered(rows, where), by) for rows in found]
    since = grouped(pl.concat(parts or [now.clear()]).drop(ALL, strict=False), by).agg(spec.combine())
    return less(spec, now, since, by or [ALL]).select(*by, *spec.partials)


def check(window: Window) -> None:
    """Raise UnknownPastError for a total that does not tell what it was."""
    spec, flow = window.spec, window.source
    inner = dropping(flow)
    if inner is not None:
        why = f"The join {inner.name!r} drops rows, and which ones it dropped is not kept."
    elif any(name.endswith(("__min", "__max")) for name in spec.partials):
        why = "The least and the greatest of all cannot be told without those that came later."
    else:
        return
    raise UnknownPastError(f"The total {spec.name!r} of an instant of the past is not known.", why=why)


def dropping(flow: Flow) -> Join | None:
    """The first join behind a flow that drops rows without a match."""
    while isinstance(flow, Derived):
        if isinstance(flow, Join) and flow.how == "inner":
            return flow
        flow = flow.source
    return None


def parts_of(spec: WindowSpec, rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Partial rows of raw ones."""
    made: list[pl.Expr] = []
    for name in spec.partials:
        column, _, part = name.rpartition("__")
        if name == "rows":
            made.append(pl.len().cast(pl.Int64).alias(name))
        elif part == "n":
            made.append(pl.col(column).count().cast(pl.Int64).alias(name))
        else:
            made.append(pl.col(column).cast(partial_type(part, spec.input[column])).sum().alias(name))
    return grouped(rows, by).agg(made).select(*by, *spec.partials)


def grouped(rows: pl.DataFrame, by: Sequence[str]) -> GroupBy:
    """Rows by some columns; all together without any."""
    return rows.group_by(*by) if by else rows.with_columns(pl.lit(0).alias(ALL)).group_by(ALL)


def less(spec: WindowSpec, now: pl.DataFrame, since: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """What is left of totals; keys of which nothing had been counted yet are not there."""
    later = since.rename({name: f"{name}__later" for name in spec.partials})
    both = now.join(later, on=list(by), how="full", coalesce=True, nulls_equal=True)
    left = both.select(
        *by, *(pl.col(name).fill_null(0) - pl.col(f"{name}__later").fill_null(0) for name in spec.partials)
    )
    if left.filter(pl.col("rows") < 0).height:
        raise UnknownPastError(
            f"The total {spec.name!r} of that instant is not known.",
            why="It was begun anew since, and has counted less than what came later.",
        )
    return left.filter(pl.col("rows") > 0).sort(*by)
