"""What a table held at an instant of the past, found again in the records that its rows are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from wayside.domain import Table
from wayside.domain.feeds import Transform
from wayside.record.times import EPOCH
from wayside.server.history import records, source_of, through
from wayside.server.services import Services
from wayside.server.windows import filtered
from wayside.specs import TableSpec

INSTANT = timedelta(microseconds=1)
EVERY = pl.lit(value=True)


def as_of(
    services: Services, table: Table, at: datetime, back: timedelta | None, where: Mapping[str, Sequence[Any]] | None
) -> pl.DataFrame:
    """The table's rows at an instant, as far as their records are not older than `back` (null: as far as records are
    kept), in the order of keys.

    Raises ProblemError where the log does not keep what the table is made of, or holds too much of it.
    """
    spec, time = table.spec, table.spec.time
    origin = source_of(services.plan, f"table {spec.name!r}", spec.name, set(spec.schema), time)
    columns = origin.topic.record.schema()
    there = (pl.col(table.gone).is_null() | (pl.col(table.gone) <= at)) if table.gone is not None else EVERY
    # What a step makes of a row may say when the thing went; only then must all rows pass it.
    told = table.gone is None or table.gone in columns
    keyed = told and {*spec.key, time} <= set(columns)
    early = {name: values for name, values in (where or {}).items() if keyed and name in spec.key}
    span, own = (at - back if back is not None else EPOCH, at + INSTANT), origin.topic.record.time
    within = pl.col(own).is_between(*span, closed="left") if own is not None else EVERY
    within = within & there if told else within
    found = [filtered(frame.filter(within), early) for frame in records(services, origin.topic, span)]
    rows = pl.concat(found) if found else origin.topic.record.empty()
    made = transformed(rows, origin.steps, spec, keyed=keyed)
    made = newest(made.filter(pl.col(time).is_between(*span, closed="left") & (EVERY if told else there)), spec)
    if table.deleted is not None:
        made = made.filter(~table.deleted.fill_null(value=False))
    return filtered(made, where).sort(spec.key).select(list(spec.schema)).head(services.limits.rows)


def newest(rows: pl.DataFrame, spec: TableSpec) -> pl.DataFrame:
    """The last row of each key by event time; of equal times the later one in the log."""
    return rows.sort(spec.time, maintain_order=True).unique(list(spec.key), keep="last", maintain_order=True)


def transformed(rows: pl.DataFrame, steps: Sequence[Transform], spec: TableSpec, *, keyed: bool) -> pl.DataFrame:
    """What the steps make of records: of the newest of each key only, where that is enough."""
    if not steps:
        return rows
    if keyed:
        few = newest(rows, spec)
        made = through(few, steps).collect()
        # A step makes rows of single rows, whatever the batch, so what it does to the newest ones is what counts:
        # unless it leaves some out, or gives them other keys or times.
        place = [*spec.key, spec.time]
        if made.height == few.height and made.select(place).sort(place).equals(few.select(place).sort(place)):
            return made
    return through(rows, steps).collect()
