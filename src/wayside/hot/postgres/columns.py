"""How a column of a frame becomes a typed column of PostgreSQL, and back, without loss.

Whole frames travel as COPY text, made and read by Polars column by column: floats in their shortest exact form,
instants to the microsecond. Decided here:

- PostgreSQL's text cannot hold the character U+0000. It is kept as two characters, U+0001 U+0002, and U+0001 itself
  as U+0001 U+0003, so that every text comes back as it was and keeps its place in the order.
- Unsigned 64-bit numbers are `numeric(20)`; times of day, durations and instants in nanoseconds are `bigint` in the
  unit of their column, because PostgreSQL's own types are coarser or normalise them; lists and structs are
  MessagePack in `bytea`.
- Instants must lie in the years 1 to 9999.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import msgspec
import polars as pl

from wayside.errors import DeclarationError, WaysideError
from wayside.hot.columns import from_cells, to_cells, wanted

LONGEST_NAME = 63
_NESTED = (pl.List, pl.Array, pl.Struct)
_TEXT = (pl.String, pl.Categorical, pl.Enum)
_NUMBERS: dict[type[pl.DataType], str] = {
    pl.Boolean: "boolean", pl.Int8: "smallint", pl.UInt8: "smallint", pl.Int16: "smallint", pl.UInt16: "integer",
    pl.Int32: "integer", pl.UInt32: "bigint", pl.Int64: "bigint", pl.UInt64: "numeric(20)", pl.Float32: "real",
    pl.Float64: "double precision", pl.Date: "date", pl.Time: "bigint", pl.Duration: "bigint", pl.Binary: "bytea",
}  # fmt: skip
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
_READ_ESCAPES = (("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r"), ("\\b", "\b"), ("\\f", "\f"), ("\\v", "\v"))


def quoted(name: str) -> str:
    """A name as an SQL identifier. Raises DeclarationError when PostgreSQL would cut it short."""
    if len(name.encode()) > LONGEST_NAME:
        raise DeclarationError(
            f"The name {name!r} is too long for PostgreSQL.",
            why=f"Names have at most {LONGEST_NAME} bytes; this one has {len(name.encode())}.",
            next="Choose a shorter name in the declaration.",
        )
    return '"' + name.replace('"', '""') + '"'


def listed(names: Sequence[str]) -> str:
    """Several identifiers, separated by commas."""
    return ", ".join(map(quoted, names))


def sql_type(dtype: pl.DataType) -> str:
    """The type of a column as it is declared."""
    if isinstance(dtype, _TEXT):
        return 'text COLLATE "C"'  # ordered by bytes, as Polars orders text
    if isinstance(dtype, _NESTED):
        return "bytea"
    if isinstance(dtype, pl.Datetime):
        if dtype.time_unit == "ns":
            return "bigint"
        return "timestamptz" if dtype.time_zone else "timestamp"
    if isinstance(dtype, pl.Decimal):
        return f"numeric({dtype.precision}, {dtype.scale})"
    if (name := _NUMBERS.get(type(dtype))) is not None:
        return name
    raise WaysideError(
        f"A column of type {dtype} cannot be kept in PostgreSQL.",
        why="Columns are numbers, text, bytes, booleans, instants, durations, or lists and structs of them.",
        next="Cast the column in the stream before the table.",
    )


def bare_type(dtype: pl.DataType) -> str:
    """The type without its collation, for casts."""
    return sql_type(dtype).partition(" COLLATE")[0]


def read_expression(name: str, dtype: pl.DataType) -> str:
    """What to select so that `from_copy` gets the column exactly."""
    kind, column = sql_type(dtype), quoted(name)
    if kind == "boolean":
        return f"{column}::int"
    if kind == "date":
        return f"({column} - date '1970-01-01')"
    if kind in ("timestamptz", "timestamp"):
        return f"(extract(epoch FROM {column}) * 1000000)::bigint"
    return f"encode({column}, 'hex')" if kind == "bytea" else column


def to_copy(frame: pl.DataFrame) -> bytes:
    """Rows as COPY text."""
    columns = [
        copy_escaped(column) if column.dtype == pl.String else column
        for column in (literal(column) for column in frame)
    ]
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_csv(buffer, include_header=False, separator="\t", quote_style="never", null_value="\\N")
    return buffer.getvalue()


def from_copy(text: bytes, schema: pl.Schema) -> pl.DataFrame:
    """Rows of COPY text whose columns were selected by `read_expression`."""
    if not text:
        return pl.DataFrame(schema=schema)
    read = {name: travelling(dtype) for name, dtype in schema.items()}
    frame = pl.read_csv(
        text, has_header=False, separator="\t", quote_char=None, null_values="\\N", empty_string_is_null=False,
        schema=read,
    )  # fmt: skip
    return pl.DataFrame([arrived(frame[name], dtype) for name, dtype in schema.items()])


def travelling(dtype: pl.DataType) -> pl.DataType:
    """The type that a column has on its way from the database."""
    if isinstance(dtype, (pl.Datetime, pl.Time, pl.Duration)):
        return pl.Int64()
    if isinstance(dtype, pl.Date):
        return pl.Int32()
    if isinstance(dtype, pl.Boolean):
        return pl.Int8()
    if dtype.is_numeric() and not isinstance(dtype, pl.Decimal):
        return dtype
    return pl.String()


def arrived(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """A column in its own type."""
    if isinstance(dtype, (pl.Binary, *_NESTED)):
        cells = column.str.decode("hex")
        return cells if isinstance(dtype, pl.Binary) else from_cells(column.name, cells.to_list(), dtype)
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ms":
        return (column // 1_000).cast(dtype)
    if column.dtype == pl.String:
        column = unescaped(column)
    return column if column.dtype == dtype else column.cast(dtype)


def literal(column: pl.Series) -> pl.Series:
    """Values as PostgreSQL reads them: numbers as they are, everything else as text."""
    dtype = column.dtype
    if isinstance(dtype, _NESTED):
        return hexadecimal(pl.Series(column.name, to_cells(column), dtype=pl.Binary))
    if isinstance(dtype, pl.Binary):
        return hexadecimal(column)
    if isinstance(dtype, _TEXT):
        return held(column.cast(pl.String))
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "ns":
        zoned = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return zoned.dt.strftime("%Y-%m-%d %H:%M:%S%.6f" + ("+00" if dtype.time_zone else ""))
    if isinstance(dtype, (pl.Datetime, pl.Time, pl.Duration)):
        return column.to_physical()
    return column.cast(pl.String) if isinstance(dtype, (pl.Date, pl.Decimal)) else column


def literals(values: Sequence[Any], dtype: pl.DataType) -> list[str | None]:
    """Values of a filter as text; they are given as `%s::type`."""
    found = literal(wanted(values, dtype))
    if found.dtype == pl.Boolean or found.dtype.is_numeric():
        return [None if value is None else repr(value).lower() for value in found.to_list()]
    return found.to_list()


def hexadecimal(column: pl.Series) -> pl.Series:
    """Bytes as PostgreSQL writes them."""
    return pl.select(pl.lit("\\x") + pl.lit(column).bin.encode("hex")).to_series().alias(column.name)


def held(text: pl.Series) -> pl.Series:
    """Text without U+0000."""
    if not (text.str.contains("\0", literal=True) | text.str.contains("\1", literal=True)).any():
        return text
    return text.str.replace_all("\1", "\1\3", literal=True).str.replace_all("\0", "\1\2", literal=True)


def copy_escaped(text: pl.Series) -> pl.Series:
    """Text as a field of COPY."""
    if not text.str.contains(r"[\\\t\n\r]").any():
        return text
    for plain, escaped in _ESCAPES:
        text = text.str.replace_all(plain, escaped, literal=True)
    return text


def unescaped(text: pl.Series) -> pl.Series:
    """The inverse of `copy_escaped` and `held`. U+0001 U+0004, which `held` never makes, stands in for a backslash."""
    if text.str.contains("\\", literal=True).any():
        text = text.str.replace_all("\\\\", "\1\4", literal=True)
        for escaped, plain in _READ_ESCAPES:
            text = text.str.replace_all(escaped, plain, literal=True)
        text = text.str.replace_all("\1\4", "\\", literal=True)
    if text.str.contains("\1", literal=True).any():
        text = text.str.replace_all("\1\2", "\0", literal=True).str.replace_all("\1\3", "\1", literal=True)
    return text


def packed(value: Any) -> str:
    """A small value as JSON text."""
    return msgspec.json.encode(value, order="deterministic").decode()
