"""From frames of text or loosely typed columns to a record's columns, by the rules of JSON messages.

Text is read strictly: `12.5` is a number, `1_000`, `12,5` and `NaN` are not. A cell that cannot be read
refuses its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from wayside.record.base import Record
from wayside.record.fields import FieldSpec
from wayside.record.judge import Decoded, validate
from wayside.record.times import bounded, local, parse_seconds, parse_times
from wayside.specs import TIME
from wayside.values import Rejection

NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
INTEGER = r"^[+-]?[0-9]+$"
WORDS = {"true": True, "false": False, "1": True, "0": False}
MESSAGES = {
    "str": "must be text",
    "int": "must be an integer of 64 bits",
    "float": "must be a number",
    "bool": "must be true or false",
    "time": "must be ISO 8601 with an offset, or seconds since 1970",
}


@dataclass(frozen=True)
class Cast:
    """Columns of the record, and for each column where a given value could not be read."""

    frame: pl.DataFrame
    failed: dict[str, pl.Series]


def cast(record: type[Record], given: pl.DataFrame) -> Cast:
    """Columns of the record from columns of the same names; a missing column is all null, others are left out."""
    columns: list[pl.Series] = []
    failed: dict[str, pl.Series] = {}
    for name, spec in record.fields.items():
        if name not in given.columns:
            columns.append(pl.Series(name, [None] * given.height, dtype=spec.polars))
            continue
        source = given[name]
        column = READERS[spec.kind](source, spec).alias(name)
        if column.null_count() > source.null_count():
            failed[name] = column.is_null() & source.is_not_null()
        columns.append(column)
    return Cast(pl.DataFrame(columns), failed)


def judge(record: type[Record], typed: Cast, received: datetime) -> Decoded:
    """Split into rows that keep all rules, and the rejections of the others, in row order."""
    frame = typed.frame
    rows = pl.Series("row", range(frame.height), dtype=pl.UInt32)
    rejections: dict[int, Rejection] = {}
    for name, bad in typed.failed.items():
        kind = record.fields[name].kind
        rule, message = f"{name}.{'instant' if kind == 'time' else 'type'}", f"`{name}` {MESSAGES[kind]}."
        for row in bad.arg_true():
            rejections.setdefault(row, Rejection(row, rule, message))
    if rejections:
        keep = ~rows.is_in(list(rejections))
        frame, rows = frame.filter(keep), rows.filter(keep)
    judged = validate(record, frame, rows, received)
    every = sorted([*rejections.values(), *judged.rejections], key=lambda rejection: rejection.row)
    return Decoded(judged.frame, judged.rows, every)


def nothing(source: pl.Series, spec: FieldSpec) -> pl.Series:
    """A column in which every value failed."""
    return pl.Series([None] * len(source), dtype=spec.polars)


def to_text(source: pl.Series, spec: FieldSpec) -> pl.Series:
    """Text, and what has one plain way to be written."""
    if source.dtype.is_nested() or source.dtype in (pl.Binary, pl.Object):
        return nothing(source, spec)
    return source.cast(pl.String)


def to_float(source: pl.Series, spec: FieldSpec) -> pl.Series:
    """Numbers, and text that is one."""
    if source.dtype == pl.String:
        source = pl.select(pl.when(source.str.contains(NUMBER)).then(source)).to_series()
    elif not source.dtype.is_numeric() and source.dtype != pl.Null:
        return nothing(source, spec)
    return source.cast(pl.Float64, strict=False)


def to_int(source: pl.Series, spec: FieldSpec) -> pl.Series:
    """Integers, whole numbers of other types, and text that is an integer."""
    if source.dtype == pl.String:
        source = pl.select(pl.when(source.str.contains(INTEGER)).then(source.str.strip_prefix("+"))).to_series()
        return source.cast(pl.Int64, strict=False)
    if not source.dtype.is_numeric() and source.dtype != pl.Null:
        return nothing(source, spec)
    whole = source.cast(pl.Int64, strict=False)
    if source.dtype.is_integer() or source.dtype == pl.Null:
        return whole
    return pl.select(pl.when(whole.cast(pl.Float64) == source.cast(pl.Float64)).then(whole)).to_series()


def to_bool(source: pl.Series, spec: FieldSpec) -> pl.Series:
    """Booleans, and the words and digits for them."""
    if source.dtype == pl.String:
        return source.str.to_lowercase().replace_strict(WORDS, default=None, return_dtype=pl.Boolean)
    return source.cast(pl.Boolean) if source.dtype in (pl.Boolean, pl.Null) else nothing(source, spec)


def to_time(source: pl.Series, spec: FieldSpec) -> pl.Series:
    """Instants: aware times, wall-clock times where the field has a zone, ISO 8601 text, seconds since 1970."""
    if source.dtype == pl.String:
        seconds = parse_seconds(to_float(source, spec))
        return pl.select(pl.coalesce(parse_times(source, spec.zone), seconds)).to_series()
    if isinstance(source.dtype, pl.Datetime):
        if source.dtype.time_zone is not None:
            return source.cast(TIME)
        return nothing(source, spec) if spec.zone is None else local(source.cast(pl.Datetime("us")), spec.zone)
    if source.dtype.is_numeric() or source.dtype == pl.Null:
        return parse_seconds(source.cast(pl.Float64))
    return nothing(source, spec)


READERS: dict[str, Callable[[pl.Series, FieldSpec], pl.Series]] = {
    "str": to_text,
    "int": to_int,
    "float": to_float,
    "bool": to_bool,
    "time": lambda source, spec: bounded(to_time(source, spec)),
}
