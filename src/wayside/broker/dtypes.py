"""Topic specs as JSON: readable, and free of anything that depends on a Polars version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from wayside.broker.entry import checksum
from wayside.errors import DeclarationError
from wayside.specs import TopicSpec

_PLAIN: dict[str, type[pl.DataType]] = {
    kind.__name__: kind
    for kind in (
        pl.Binary,
        pl.Boolean,
        pl.Categorical,
        pl.Date,
        pl.Float32,
        pl.Float64,
        pl.Int8,
        pl.Int16,
        pl.Int32,
        pl.Int64,
        pl.Null,
        pl.String,
        pl.Time,
        pl.UInt8,
        pl.UInt16,
        pl.UInt32,
        pl.UInt64,
    )
}


def dtype_to_json(dtype: pl.DataType) -> Any:
    """A name, or a list of a name and its arguments. Raises DeclarationError for what a log cannot hold."""
    match dtype:
        case pl.Datetime():
            return ["Datetime", dtype.time_unit, dtype.time_zone]
        case pl.Duration():
            return ["Duration", dtype.time_unit]
        case pl.Decimal():
            return ["Decimal", dtype.precision, dtype.scale]
        case pl.Enum():
            return ["Enum", dtype.categories.to_list()]
        case pl.List():
            return ["List", dtype_to_json(_instance(dtype.inner))]
        case pl.Array():
            return ["Array", dtype_to_json(_instance(dtype.inner)), dtype.size]
        case pl.Struct():
            return ["Struct", [[f.name, dtype_to_json(_instance(f.dtype))] for f in dtype.fields]]
    name = type(dtype).__name__
    if name not in _PLAIN:
        raise DeclarationError(
            f"A log cannot hold a column of type {dtype}.",
            why="Only types with a stable form on disk are kept: numbers, text, bytes, times, lists, structs.",
            next="Use one of these types.",
        )
    return name


def dtype_from_json(value: Any) -> pl.DataType:
    """The type that `dtype_to_json` wrote."""
    if isinstance(value, str):
        return _PLAIN[value]()
    match value:
        case ["Datetime", unit, zone]:
            return pl.Datetime(unit, zone)
        case ["Duration", unit]:
            return pl.Duration(unit)
        case ["Decimal", precision, scale]:
            return pl.Decimal(precision, scale)
        case ["Enum", categories]:
            return pl.Enum(categories)
        case ["List", inner]:
            return pl.List(dtype_from_json(inner))
        case ["Array", inner, size]:
            return pl.Array(dtype_from_json(inner), size)
        case ["Struct", fields]:
            return pl.Struct({name: dtype_from_json(inner) for name, inner in fields})
    raise ValueError(f"unknown column type {value!r}")


def spec_to_object(spec: TopicSpec) -> dict[str, Any]:
    """The spec as what JSON can carry; times in microseconds."""
    age = spec.retention_age
    return {
        "name": spec.name,
        "schema": [[name, dtype_to_json(_instance(dtype))] for name, dtype in spec.schema.items()],
        "key": list(spec.key),
        "time": spec.time,
        "partitions": spec.partitions,
        "retention_age": None if age is None else age // _MICROSECOND,
        "retention_bytes": spec.retention_bytes,
        "compact": spec.compact,
        "dedup_horizon": spec.dedup_horizon // _MICROSECOND,
        "partitioner": spec.partitioner,
    }


def spec_to_json(spec: TopicSpec) -> bytes:
    """A line with a checksum, and the spec as indented JSON."""
    body = json.dumps(spec_to_object(spec), indent=1, ensure_ascii=False).encode()
    return b"%08x\n%s\n" % (checksum(body), body)


def spec_from_json(data: bytes) -> TopicSpec:
    """The spec that `spec_to_json` wrote. Raises ValueError for anything else."""
    crc, _, body = data.partition(b"\n")
    body = body.removesuffix(b"\n")
    if crc != b"%08x" % checksum(body):
        raise ValueError("the checksum is wrong")
    return spec_from_object({"partitioner": "fnv1a", **json.loads(body)})  # files without it are that old


def spec_from_object(value: Mapping[str, Any]) -> TopicSpec:
    """The spec that `spec_to_object` took apart."""
    age = value["retention_age"]
    return TopicSpec(
        name=value["name"],
        schema=pl.Schema({name: dtype_from_json(dtype) for name, dtype in value["schema"]}),
        key=tuple(value["key"]),
        time=value["time"],
        partitions=value["partitions"],
        retention_age=None if age is None else timedelta(microseconds=age),
        retention_bytes=value["retention_bytes"],
        compact=value["compact"],
        dedup_horizon=timedelta(microseconds=value["dedup_horizon"]),
        partitioner=value.get("partitioner", "murmur2"),
    )


def _instance(dtype: Any) -> pl.DataType:
    instance: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return instance


_MICROSECOND = timedelta(microseconds=1)
