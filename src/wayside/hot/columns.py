"""How a column of a frame becomes cells of a database row, and back, without loss.

Numbers, text and bytes are stored as they are; instants, dates and durations as integers (microseconds or days);
nested values as MessagePack. A float that is not a number is stored as null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import polars as pl

from wayside.errors import WaysideError

_TEMPORAL = (pl.Datetime, pl.Date, pl.Time, pl.Duration)
_TEXT = (pl.String, pl.Categorical, pl.Enum)
_NESTED = (pl.List, pl.Array, pl.Struct)


def storage(dtype: pl.DataType) -> str:
    """The database's type name for a column: INTEGER, REAL, TEXT or BLOB."""
    if dtype.is_integer() or isinstance(dtype, (*_TEMPORAL, pl.Boolean)):
        return "INTEGER"
    if dtype.is_float():
        return "REAL"
    if isinstance(dtype, (*_TEXT, pl.Decimal)):
        return "TEXT"
    if isinstance(dtype, (pl.Binary, *_NESTED)):
        return "BLOB"
    raise WaysideError(
        f"A column of type {dtype} cannot be kept in the hot store.",
        why="Columns are numbers, text, bytes, booleans, instants, durations, or lists and structs of them.",
        next="Cast the column in the stream before the table.",
    )


def to_cells(column: pl.Series) -> list[Any]:
    """The column's values as the database stores them."""
    dtype = column.dtype
    if isinstance(dtype, _TEMPORAL):
        return column.cast(pl.Int64).to_list()
    if dtype == pl.UInt64:
        return column.reinterpret(signed=True).to_list()
    if isinstance(dtype, pl.Decimal):
        return column.cast(pl.String).to_list()
    if isinstance(dtype, _NESTED):
        pack = msgspec.msgpack.Encoder().encode
        return [None if value is None else pack(value) for value in column.to_list()]
    return column.to_list()


def from_cells(name: str, cells: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    """The inverse of `to_cells`."""
    if isinstance(dtype, pl.Date):
        return pl.Series(name, cells, dtype=pl.Int32).cast(dtype)
    if isinstance(dtype, _TEMPORAL):
        return pl.Series(name, cells, dtype=pl.Int64).cast(dtype)
    if dtype == pl.UInt64:
        return pl.Series(name, cells, dtype=pl.Int64).reinterpret(signed=False)
    if isinstance(dtype, pl.Boolean):
        return pl.Series(name, cells, dtype=pl.Int8).cast(dtype)
    if isinstance(dtype, (pl.Decimal, pl.Categorical, pl.Enum)):
        return pl.Series(name, cells, dtype=pl.String).cast(dtype)
    if isinstance(dtype, _NESTED):
        unpack = msgspec.msgpack.Decoder().decode
        values = [None if cell is None else unpack(cell) for cell in cells]
        return pl.Series(name, values, dtype=dtype, strict=False)
    return pl.Series(name, cells, dtype=dtype)


def wanted(values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    """Values of a filter as a column; a value that the column can never hold is refused."""
    try:
        return pl.Series("value", list(values), dtype=dtype, strict=True)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise WaysideError(
            "A filter holds a value of the wrong type.", why=f"The column is {dtype}: {reason}"
        ) from error


def literals(values: Sequence[Any], dtype: pl.DataType) -> list[Any]:
    """Values of a filter as cells."""
    return to_cells(wanted(values, dtype))


def fold(text: pl.Expr) -> pl.Expr:
    """Text as searching compares it: compatibility-composed and in lower case, both sigmas alike."""
    return text.str.normalize("NFKC").str.to_lowercase().str.replace_all("ς", "σ", literal=True)


def folded(text: str) -> str:
    """The same for one text; the separator that joins several columns never matches."""
    found = pl.select(fold(pl.lit(text.replace("\x1f", " ")))).item()
    return str(found)


def search_text(columns: Sequence[str]) -> pl.Expr:
    """What a search looks into: all search columns of a row, folded and joined."""
    return fold(joined(columns))


def search_texts(rows: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The same of all rows. ASCII is composed as it is, and seeing that takes a thirtieth of composing it."""
    text = rows.select_seq(joined(columns)).to_series()
    if text.str.len_bytes().sum() == text.str.len_chars().sum():
        return text.str.to_lowercase()
    return text.to_frame().select_seq(fold(pl.first())).to_series()


def joined(columns: Sequence[str]) -> pl.Expr:
    """Search columns of a row in one text."""
    return pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in columns], separator="\x1f")
