"""Sums of floats that do not depend on the order in which they are added.

A value is split without error into three parts, of which the first is a multiple of 2⁻² and the second one of 2⁻³⁵.
Sums of such parts are exact as long as they stay below 2⁵¹ and 2¹⁸, and the third ones below 2⁵³ times the last place
of the smallest value; so they are the same for any order and any grouping, and so is the number that is made of the
three in the end. That covers a million values per window and key, of up to two billions, whose last place is 2⁻⁶⁹ or
more (all of magnitude 10⁻⁵ and up; decimal fractions and zero among them). Beyond, sums are as good as sums of
doubles are: to about one part in 10¹².
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from wayside.specs import WindowSpec

FIRST = 1.5 * 2.0**50
"""Adding and taking away this number rounds to a multiple of 2⁻²."""
SECOND = 1.5 * 2.0**17
"""The same for 2⁻³⁵."""
PARTS = ("", ".2", ".3")
"""What is appended to a column's name for each part. No field of a record has a dot in its name."""


def split_columns(spec: WindowSpec) -> list[str]:
    """Columns of floats of which the window has a sum."""
    named = [name.rpartition("__") for name in spec.partials]
    return [column for column, _, part in named if part == "sum" and spec.input[column] == pl.Float64]


def split(rows: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Rows with the parts of these columns, under names that `part_of` gives; a null adds nothing."""
    made: list[pl.Series] = []
    for column in columns:
        values = rows[column].fill_null(0.0).to_numpy()
        high = (values + FIRST) - FIRST
        rest = values - high
        middle = (rest + SECOND) - SECOND
        parts = (high, middle, rest - middle)
        made += [pl.Series(part_of(column, number), part) for number, part in enumerate(parts)]
    return rows.with_columns(made) if made else rows


def part_of(column: str, number: int) -> str:
    """The name of one part of a column of raw values."""
    return f"{column}.{number + 1}"


def state_columns(spec: WindowSpec) -> list[str]:
    """Partial columns of an open window: those that are stored, and of each sum of floats the other parts."""
    floats = {f"{column}__sum" for column in split_columns(spec)}
    return [f"{name}{part}" for name in spec.partials for part in (PARTS if name in floats else ("",))]


def state_types(spec: WindowSpec) -> dict[str, Any]:
    """Types of the partial columns of an open window."""
    return {name: spec.schema[name.partition(".")[0]] for name in state_columns(spec)}


def whole(spec: WindowSpec) -> list[pl.Expr]:
    """The partial columns as they are stored: of each sum the parts in one number."""
    floats = {f"{column}__sum" for column in split_columns(spec)}
    return [joined(name) if name in floats else pl.col(name) for name in spec.partials]


def joined(name: str) -> pl.Expr:
    """The number that is nearest to the three parts of a sum together.

    What is lost when the first two are added is kept (Knuth's two-sum) and added to the third, so that only the last
    addition rounds.
    """
    first, second, third = (pl.col(f"{name}{part}") for part in PARTS)
    total = first + second
    of_second = total - first
    lost = (first - (total - of_second)) + (second - of_second)
    return (total + (lost + third)).alias(name)


def upgraded(state: pl.DataFrame, types: Mapping[str, Any]) -> pl.DataFrame:
    """A state that was saved before sums had parts."""
    missing = [pl.lit(0.0).alias(name) for name in types if name not in state.columns]
    keys = [name for name in state.columns if name not in types]
    return state.with_columns(missing).select(*keys, *types) if missing else state
