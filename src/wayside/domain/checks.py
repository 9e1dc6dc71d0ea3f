"""Transforms are tried on an empty frame when they are declared, so that mistakes surface at import."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

import polars as pl

from wayside.errors import DeclarationError


def check_transform(
    transform: Callable[[pl.LazyFrame], pl.LazyFrame],
    given: pl.Schema,
    wanted: pl.Schema,
    *,
    where: str,
    allowed: Mapping[str, pl.DataType] | None = None,
) -> None:
    """Run a transform on no rows and compare the schema that comes out with the one declared."""
    name = getattr(transform, "__name__", "transform")
    try:
        result = transform(pl.DataFrame(schema=given).lazy())
        if not isinstance(result, pl.LazyFrame):
            raise DeclarationError(
                f"{name}() returned {type(result).__name__}; a transform returns a LazyFrame.",
                where=where,
                next="Did you forget to return the frame, or call .collect()?",
            )
        found = result.collect().schema
    except pl.exceptions.ColumnNotFoundError as error:
        column = str(error).split('"')[1] if '"' in str(error) else str(error).split("\n")[0]
        near = difflib.get_close_matches(column, list(given), n=1)
        raise DeclarationError(
            f"{name}() uses the column {column!r}, which its input does not have.",
            where=where,
            why=f"Input columns: {', '.join(given)}.",
            next=f"Did you mean {near[0]!r}?" if near else "Add the column to the input record, or take it out.",
        ) from error
    except pl.exceptions.PolarsError as error:
        raise DeclarationError(f"{name}() fails on an empty frame: {error}", where=where) from error
    compare(name, found, wanted, where, dict(allowed or {}))


def compare(name: str, found: pl.Schema, wanted: pl.Schema, where: str, allowed: dict[str, pl.DataType]) -> None:
    """Name each column that is missing, unknown or of another type."""
    wrong = []
    for column, kind in wanted.items():
        if column not in found:
            wrong.append(f"{column!r} is missing")
        elif found[column] != kind:
            wrong.append(f"{column!r} is {found[column]}, required {kind}")
    wrong += [f"{column!r} is not a field" for column in found if column not in wanted and column not in allowed]
    if wrong:
        raise DeclarationError(
            f"{name}() does not give the declared record.",
            where=where,
            why="; ".join(wrong) + ".",
            next="Select and cast exactly the record's fields, or change the record.",
        )


def check_columns(columns: tuple[str, ...], schema: pl.Schema, what: str, where: str) -> None:
    """Every named column must be in the schema."""
    for column in columns:
        if column not in schema:
            near = difflib.get_close_matches(column, list(schema), n=1)
            raise DeclarationError(
                f"{what} names the column {column!r}, which does not exist.",
                where=where,
                why=f"Columns: {', '.join(schema)}.",
                next=f"Did you mean {near[0]!r}?" if near else "",
            )
