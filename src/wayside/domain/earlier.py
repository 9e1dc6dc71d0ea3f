"""What a row is told of the rows before it of its key: the description, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from wayside.domain.checks import check_columns, check_transform
from wayside.errors import DeclarationError
from wayside.record import Record
from wayside.specs import Aggregate


@dataclass(frozen=True)
class Earlier:
    """Key columns; by name of the new field the column of the row before; minima and maxima over all rows before."""

    by: tuple[str, ...]
    columns: Mapping[str, str]
    running: Mapping[str, Aggregate]
    horizon: timedelta

    @property
    def fields(self) -> tuple[str, ...]:
        """The new fields."""
        return (*self.columns, *self.running)


def check_earlier(earlier: Earlier, source: type[Record], into: type[Record], where: str) -> None:
    """Raise DeclarationError unless the description fits the record before and the one after."""
    schema = source.schema()
    if source.time is None:
        raise DeclarationError("What came before follows from the event time.", where=where, next="Declare time=.")
    if not earlier.by or not earlier.fields:
        raise DeclarationError("A step over what came before needs `by`, and `columns` or `running`.", where=where)
    if earlier.horizon <= timedelta(0):
        raise DeclarationError("`horizon` must be longer than nothing.", where=where)
    check_columns(earlier.by, schema, "`by`", where)
    check_columns(tuple(earlier.columns.values()), schema, "`columns`", where)
    for name, aggregate in earlier.running.items():
        if aggregate.kind not in ("minimum", "maximum"):
            raise DeclarationError(
                f"`{name}` is a {aggregate.kind}, which is not kept from row to row.",
                where=where,
                next="Use minimum() or maximum(), or a window.",
            )
        check_columns((aggregate.column,), schema, f"`{name}`", where)
        if not (schema[aggregate.column].is_numeric() or schema[aggregate.column].is_temporal()):
            raise DeclarationError(
                f"`{name}` is the {aggregate.kind} of {aggregate.column!r}, which is neither a number nor a time.",
                where=where,
                why=f"It is {schema[aggregate.column]}.",
            )
    for name in earlier.fields:
        if name in schema or (name in earlier.columns and name in earlier.running):
            raise DeclarationError(f"The field {name!r} exists already.", where=where, next="Take another name.")
        if name in into.fields and not into.fields[name].optional:
            raise DeclarationError(f"The field {name!r} must be optional: a first row has none before it.", where=where)
    taken = [pl.col(column).alias(name) for name, column in earlier.columns.items()]
    taken += [pl.col(aggregate.column).alias(name) for name, aggregate in earlier.running.items()]
    fields = list(into.fields)
    check_transform(lambda rows: rows.with_columns(taken).select(fields), schema, into.schema(), where=where)
