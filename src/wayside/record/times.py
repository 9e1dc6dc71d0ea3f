"""Event times from text and numbers: ISO 8601 with an offset, or seconds since 1970.

Staged by how common a form is: each stage parses only what the stages before it left, and never row by row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from wayside.specs import TIME

ZULU = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%.fZ")
WHOLE = 20
"""Length of a text of the first form."""
OFFSET = ("%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f%z")
NAIVE = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
IMPOSSIBLE = re.compile("[0-9]{4}-(?:(?:00|1[3-9]|[2-9][0-9])-|[0-9]{2}-(?:00|3[2-9]|[4-9][0-9]))").match
"""The beginning of a text that no form reads: a month or a day that no calendar has."""
FEW = 1000
HANDFUL = 256
"""Texts up to which Python reads the most common forms sooner than Polars hands them to its threads and back."""
COMMON = re.compile(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}(?:[.](?:[0-9]{3}){1,2})?Z"
).fullmatch
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST_SECOND = -62_135_596_800  # 0001-01-01T00:00:00Z: what lies before has no name in most languages
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z: more is milliseconds taken for seconds
FIRST_MICRO = FIRST_SECOND * 1_000_000
LAST_MICRO = (LAST_SECOND + 1) * 1_000_000 - 1


def common_times(values: Sequence[Any]) -> pl.Series | None:
    """Instants of a few texts that all are in one of the most common forms, or null when one may not be."""
    try:
        if len(values) > HANDFUL or not all(map(COMMON, values)):
            return None
        micros = [(datetime.fromisoformat(value) - EPOCH) // MICROSECOND for value in values]
    except (TypeError, ValueError):  # not a text, or a day that its month does not have
        return None
    return pl.Series(micros, dtype=pl.Int64).cast(TIME)


def usual(texts: pl.Expr, size: int = WHOLE) -> pl.Expr:
    """Instants of texts in the most common form, seconds with a Z; null for all others.

    Only of texts that are not as long as whole seconds, fractions of a second are tried.
    """
    return zulu(texts, ZULU[0] if size == WHOLE else ZULU[1])


def zulu(texts: pl.Expr, format: str) -> pl.Expr:
    """Instants of texts of one format that ends in Z."""
    return texts.str.to_datetime(format, strict=False, time_unit="us", time_zone="UTC")


def aware(texts: pl.Expr, format: str) -> pl.Expr:
    """Instants of texts that carry their own offset."""
    return texts.str.to_datetime(format, strict=False, time_unit="us", time_zone="UTC")


def placed(texts: pl.Expr, format: str, zone: str) -> pl.Expr:
    """Instants of wall-clock texts of a zone; null where the wall clock skipped or repeated that time."""
    naive = texts.str.to_datetime(format, strict=False, time_unit="us")
    return naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")


def stages(zone: str | None) -> list[pl.Expr]:
    """All forms but the most common one, in the order in which they are tried."""
    text = pl.col("text")
    local = [placed(text, format, zone) for format in NAIVE] if zone is not None else []
    return [*(zulu(text, format) for format in ZULU), *(aware(text, format) for format in OFFSET), *local]


def parse_times(texts: pl.Series, zone: str | None) -> pl.Series:
    """Instants of ISO 8601 texts; null where a text is not one, or has no offset and the field has no zone."""
    return bounded(other_times(texts, texts.to_frame().select_seq(usual(pl.first())).to_series(), zone))


def bounded(times: pl.Series) -> pl.Series:
    """The instants of the years 1 to 9999; others become null."""
    micros = times.cast(pl.Int64)
    least, most = micros.min(), micros.max()
    if least is None or (least >= FIRST_MICRO and most <= LAST_MICRO):  # type: ignore[operator]  # integers
        return times
    inside = micros.is_between(FIRST_MICRO, LAST_MICRO)
    return times.to_frame().select_seq(pl.when(inside).then(pl.first())).to_series()


def other_times(texts: pl.Series, found: pl.Series, zone: str | None) -> pl.Series:
    """Fill in the instants of texts that are not in the most common form.

    A few texts are tried in all forms at once; many are tried form by form, each time those that are left.
    """
    if found.null_count() == texts.null_count():
        return found
    given = pl.DataFrame([texts.alias("text"), found.alias("found")])
    rows = given.select_seq(pl.arg_where(pl.col("found").is_null() & pl.col("text").is_not_null())).to_series()
    steps = stages(zone)
    for stage in steps if len(rows) > FEW else [pl.coalesce(steps)]:
        parsed = given.select_seq(pl.col("text").gather(rows)).select_seq(stage).to_series()
        if parsed.null_count() < len(parsed):
            found = found.scatter(rows, parsed)
            rows = rows.filter(parsed.is_null())
        if rows.is_empty():
            break
    return found


def parse_seconds(numbers: pl.Series) -> pl.Series:
    """Instants of seconds since 1970; null outside of the years 1 to 9999."""
    return numbers.to_frame().select_seq(instants(pl.first())).to_series()


def whole_seconds(values: list[Any]) -> pl.Series | None:
    """Instants of integers of seconds since 1970, or null when that is not what all of the values are."""
    try:
        seconds = pl.Series(values, dtype=pl.Int64, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        return None
    least, most = seconds.min(), seconds.max()
    if seconds.null_count() or not (isinstance(least, int) and isinstance(most, int)):
        return None
    if least < FIRST_SECOND or most > LAST_SECOND:
        return None
    return (seconds * 1_000_000).cast(TIME)


def instants(seconds: pl.Expr) -> pl.Expr:
    """Instants of seconds since 1970, as an expression."""
    number = seconds.cast(pl.Float64)
    inside = pl.when(number.is_between(FIRST_SECOND, LAST_SECOND)).then(number)
    micros = (inside * 1_000_000).round(0).cast(pl.Int64, strict=False)
    return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def local(naive: pl.Series, zone: str) -> pl.Series:
    """Wall-clock times of a zone as instants; null where the wall clock skipped or repeated that time."""
    placed = naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    return placed.dt.convert_time_zone("UTC").cast(TIME)
