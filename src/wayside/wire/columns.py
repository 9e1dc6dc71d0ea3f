"""Columns as JSON can carry them, and back: which text or number stands for a value of each type.

| column | in JSON |
|---|---|
| Datetime with a zone | text, ISO 8601 in UTC with microseconds and `Z`: `2026-01-01T12:00:00.000000Z` |
| Datetime without a zone | the same without `Z` |
| Date, Time | text, `2026-01-01`, `12:00:00.000000000` |
| Duration | integer, in the column's unit (microseconds) |
| Float | number in the shortest form that gives the same bits; text `NaN`, `Infinity`, `-Infinity` |
| Decimal | text, so that no reader makes a binary fraction of it |
| Binary | text, base64 |
| Enum, Categorical | text |
| List, Array, Struct | array, array, object of the above |
"""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import msgspec
import polars as pl

from wayside.errors import DeclarationError

Dtype = Any
"""A type of Polars; its classes and its instances are both used as types there."""

NONFINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_DIGITS = {"ms": 6, "us": 6, "ns": 9}
_BOUNDS: dict[Any, tuple[int, int | None]] = {
    pl.Int8: (-(2**7), 2**7 - 1),
    pl.Int16: (-(2**15), 2**15 - 1),
    pl.Int32: (-(2**31), 2**31 - 1),
    pl.Int64: (-(2**63), 2**63 - 1),
    pl.UInt8: (0, 2**8 - 1),
    pl.UInt16: (0, 2**16 - 1),
    pl.UInt32: (0, 2**32 - 1),
    pl.UInt64: (0, None),
}


def wire_type(dtype: Dtype) -> Dtype:
    """The type of the column that stands for one of this type in JSON."""
    match dtype:
        case pl.Datetime() | pl.Date() | pl.Time() | pl.Decimal() | pl.Binary() | pl.Enum() | pl.Categorical():
            return pl.String()
        case pl.Duration():
            return pl.Int64()
        case pl.List():
            return pl.List(wire_type(dtype.inner))
        case pl.Array():
            return pl.List(wire_type(dtype.inner))
        case pl.Struct():
            return pl.Struct({field.name: wire_type(field.dtype) for field in dtype.fields})
    return dtype


def to_wire(column: pl.Expr, dtype: Dtype) -> pl.Expr:
    """The column as JSON carries it; floats that are no numbers are left to the caller."""
    if wire_type(dtype) == dtype:
        return column
    match dtype:
        case pl.Datetime():
            zoned = column if dtype.time_zone in (None, "UTC") else column.dt.convert_time_zone("UTC")
            return zoned.dt.strftime(_instants(dtype, zone="Z" if dtype.time_zone else ""))
        case pl.Date():
            return column.dt.strftime("%Y-%m-%d")
        case pl.Time():
            return column.dt.strftime("%H:%M:%S%.9f")
        case pl.Duration():
            return column.to_physical()
        case pl.Binary():
            return column.bin.encode("base64")
        case pl.List():
            return column.list.eval(to_wire(pl.element(), dtype.inner))
        case pl.Array():
            return to_wire(column.arr.to_list(), pl.List(dtype.inner))
        case pl.Struct():
            parts = [to_wire(column.struct.field(f.name), f.dtype).alias(f.name) for f in dtype.fields]
            return pl.when(column.is_not_null()).then(pl.struct(parts))
    return column.cast(pl.String)


def from_wire(column: pl.Expr, dtype: Dtype) -> pl.Expr:
    """The column that `to_wire` made this one of. Evaluation raises where a value does not fit."""
    if wire_type(dtype) == dtype:
        return column
    match dtype:
        case pl.Datetime(time_zone=None):
            return column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit=dtype.time_unit)
        case pl.Datetime():  # any ISO 8601 text with an offset, as a stranger may write it
            instant = column.str.to_datetime("%+", time_unit=dtype.time_unit, time_zone="UTC")
            return instant.dt.convert_time_zone(dtype.time_zone or "UTC")
        case pl.Date():
            return column.str.to_date("%Y-%m-%d")
        case pl.Time():
            return column.str.to_time("%H:%M:%S%.f")
        case pl.Binary():
            return column.str.decode("base64")
        case pl.List():
            return column.list.eval(from_wire(pl.element(), dtype.inner))
        case pl.Array():
            return from_wire(column, pl.List(dtype.inner)).cast(dtype)
        case pl.Struct():
            parts = [from_wire(column.struct.field(f.name), f.dtype).alias(f.name) for f in dtype.fields]
            return pl.when(column.is_not_null()).then(pl.struct(parts)).cast(dtype)
    return column.cast(dtype)


def no_number(column: pl.Expr, dtype: Dtype) -> pl.Expr | None:
    """Which rows hold a float that JSON has no number for; null when the type has no floats."""
    if dtype in (pl.Float32, pl.Float64):
        return column.is_finite().not_().fill_null(False)
    match dtype:
        case pl.List():
            inner = no_number(pl.element(), dtype.inner)
            return None if inner is None else column.list.eval(inner).list.any().fill_null(False)
        case pl.Struct():
            parts = [no_number(column.struct.field(f.name), f.dtype) for f in dtype.fields]
            found = [part for part in parts if part is not None]
            return pl.any_horizontal(found) if found else None
    return None


def json_type(dtype: Dtype) -> Any:
    """What msgspec shall take for a value of a wire type; everything may be null or, in an object, missing."""
    bounds = _BOUNDS.get(dtype if isinstance(dtype, type) else type(dtype))
    if bounds is not None:
        return Annotated[int, msgspec.Meta(ge=bounds[0], le=bounds[1])] | None
    match dtype:
        case pl.Boolean():
            return bool | None
        case pl.Float32() | pl.Float64():
            return float | str | None
        case pl.String():
            return str | None
        case pl.Null():
            return None
        case pl.List():
            inner: Any = json_type(dtype.inner)
            return list[inner] | None
        case pl.Struct():
            fields = {field.name: json_type(field.dtype) for field in dtype.fields}
            made: Any = TypedDict("Object", fields, total=False)  # type: ignore[misc] # the type is made at run time
            return made | None
    raise DeclarationError(
        f"JSON cannot carry a column of type {dtype}.",
        why="Only numbers, text, bytes, times, lists and structs have a form in a message.",
        next="Use one of these types.",
    )


def with_names(value: Any) -> Any:
    """A value of Python in which the floats that are no numbers are named, at any depth."""
    match value:
        case float():
            if value != value:
                return "NaN"
            return value if value - value == 0 else ("Infinity" if value > 0 else "-Infinity")
        case list():
            return [with_names(item) for item in value]
        case dict():
            return {name: with_names(item) for name, item in value.items()}
    return value


def without_names(value: Any, dtype: Dtype) -> Any:
    """The opposite of `with_names` for a value of a wire type. Raises KeyError for any other text."""
    match dtype:
        case pl.Float32() | pl.Float64():
            return NONFINITE[value] if isinstance(value, str) else value
        case pl.List() if value is not None:
            return [without_names(item, dtype.inner) for item in value]
        case pl.Struct() if value is not None:
            return {field.name: without_names(value.get(field.name), field.dtype) for field in dtype.fields}
    return value


def has_floats(dtype: Dtype) -> bool:
    """Whether there are floats somewhere in a type."""
    return no_number(pl.element(), dtype) is not None


def _instants(dtype: Dtype, *, zone: str) -> str:
    return f"%Y-%m-%dT%H:%M:%S%.{_DIGITS[dtype.time_unit]}f{zone}"
