"""Turning the arguments of a declared window into its specification, or into an error that says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from wayside.domain.checks import check_columns
from wayside.durations import duration, spoken
from wayside.errors import DeclarationError
from wayside.record import Record
from wayside.specs import ENDLESS, Aggregate, WindowSpec

ZERO = timedelta(0)
LONGEST = timedelta(days=31)
ALL_TIME = "all time"
Kind = Literal["tumbling", "hopping", "session"]


def length(span: str | timedelta) -> timedelta:
    """A span as a domain writes it; `all time` is longer than any other. Raises ConfigError."""
    return ENDLESS if span == ALL_TIME else duration(span)


def window_spec(
    name: str,
    record: type[Record],
    by: tuple[str, ...],
    spans: Mapping[str, timedelta],
    *,
    lateness: timedelta,
    aggregates: Mapping[str, Aggregate],
) -> WindowSpec:
    """Check and assemble; `spans` holds every, size and gap as far as they were given."""
    where = f"window {name!r}"
    if record.time is None:
        raise DeclarationError("A window needs an event time.", where=where, next="Declare the record with time=.")
    if not aggregates:
        raise DeclarationError("A window without aggregates computes nothing.", where=where, next="Add count=count().")
    schema = record.schema()
    check_columns(by, schema, "`by`", where)
    check_aggregates(aggregates, record, by, where)
    kind, every, size, gap = shape(spans, where)
    if lateness < ZERO:
        raise DeclarationError("`lateness` cannot be negative.", where=where)
    units = {label: record.units().get(a.column, "") for label, a in aggregates.items() if a.kind != "count"}
    return WindowSpec(
        name,
        kind,
        by,
        record.time,
        size,
        every,
        gap,
        lateness,
        dict(aggregates),
        schema,
        {k: u for k, u in units.items() if u},
    )


def check_aggregates(
    aggregates: Mapping[str, Aggregate], record: type[Record], by: tuple[str, ...], where: str
) -> None:
    """Aggregates take numeric columns and names that are free."""
    schema = record.schema()
    for label, aggregate in aggregates.items():
        if label in by or label in ("window_start", "window_end"):
            raise DeclarationError(f"The output {label!r} has the name of another column.", where=where)
        if aggregate.kind == "count":
            continue
        check_columns((aggregate.column,), schema, f"`{label}`", where)
        if not schema[aggregate.column].is_numeric():
            raise DeclarationError(
                f"`{label}` is the {aggregate.kind} of {aggregate.column!r}, which is not a number.",
                where=where,
                why=f"It is {schema[aggregate.column]}.",
            )


def shape(spans: Mapping[str, timedelta], where: str) -> tuple[Kind, timedelta, timedelta, timedelta]:
    """Kind, every, size and gap of a window."""
    if ENDLESS in spans.values():
        if set(spans) != {"every"}:
            raise DeclarationError("A window over all time has no `size` and no `gap`.", where=where)
        return "tumbling", ENDLESS, ENDLESS, ZERO
    gap = spans.get("gap")
    if gap is not None:
        if len(spans) > 1:
            raise DeclarationError("A session has a `gap` only; it has no `every` or `size`.", where=where)
        bounded("gap", gap, where)
        return "session", ZERO, ZERO, gap
    every = spans.get("every")
    if every is None:
        raise DeclarationError("A window needs `every` or `gap`.", where=where, next='Write every="10s" or gap="5m".')
    size = spans.get("size", every)
    bounded("every", every, where)
    bounded("size", size, where)
    if size < every or size % every != ZERO:
        raise DeclarationError(
            "`size` must be a multiple of `every`.", where=where, why=f"size={spoken(size)}, every={spoken(every)}."
        )
    return ("tumbling" if size == every else "hopping"), every, size, ZERO


def bounded(label: str, span: timedelta, where: str) -> None:
    """Spans run from one millisecond to 31 days."""
    if not timedelta(milliseconds=1) <= span <= LONGEST:
        raise DeclarationError(f"`{label}` must be between 1 ms and 31 days.", where=where, why=f"Got {spoken(span)}.")
