"""Pieces of OpenAPI that several questions share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from wayside.server.frames import MEDIA, kind
from wayside.server.params import MOMENT, Param
from wayside.server.problems import MEDIA_TYPE, phrase

FORMAT = Param("format", "choice", "Instead of the Accept header.", choices=tuple(MEDIA))
Schema = dict[str, Any]
CELLS: dict[str, Schema] = {
    "str": {"type": ["string", "null"]},
    "int": {"type": ["integer", "null"]},
    "float": {"type": ["number", "null"]},
    "bool": {"type": ["boolean", "null"]},
    "time": {"type": ["string", "null"]},
}
PROBLEM: Schema = {
    "type": "object",
    "title": "Problem",
    "description": "What happened, where, why, and what to do next (RFC 9457).",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "where": {"type": "string"},
        "why": {"type": "string"},
        "next": {"type": "string"},
        "instance": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "where", "why", "next", "instance"],
}
RETRY: Schema = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}}


def problems(*statuses: int) -> dict[str, Schema]:
    """Responses of an operation that are problems."""
    return {
        str(status): {
            "description": phrase(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": RETRY} if status in (429, 503, 507) else {}),
        }
        for status in (*statuses, 431)
    }


def whole(properties: Mapping[str, Schema]) -> Schema:
    """An object that has all of these members."""
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def answer(meaning: str, schema: Schema) -> Schema:
    """A JSON response."""
    return {"description": meaning, "content": {"application/json": {"schema": schema}}}


def parameter(param: Param) -> Schema:
    """A query parameter."""
    schema = param.schema()
    written: Schema = {"name": param.name, "in": "query", "description": param.doc, "required": False}
    if param.repeat:
        written |= {"schema": {"type": "array", "items": schema}, "style": "form", "explode": True}
    else:
        written["schema"] = schema
    if param.example is not None:
        written["example"] = param.example
    return written


def filters(schema: Mapping[str, pl.DataType]) -> list[Schema]:
    """One repeatable filter per column."""
    types: dict[str, Schema] = {
        "str": {"type": "string", "maxLength": 1_024},
        "int": {"type": "integer", "minimum": -(10**18) + 1, "maximum": 10**18 - 1},
        "float": {"type": "number"},
        "bool": {"type": "boolean"},
        "time": MOMENT,
    }
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": f"Only rows whose `{name}` is one of these.",
            "schema": {"type": "array", "items": types[kind(dtype)]},
            "style": "form",
            "explode": True,
        }
        for name, dtype in schema.items()
    ]


def frame_schema(schema: Mapping[str, pl.DataType], units: Mapping[str, str], more: Mapping[str, Schema]) -> Schema:
    """The JSON form of a frame."""
    # One union for all cells: tools understand it, and few of them the tuples of JSON Schema 2020-12.
    kinds = sorted({cell for dtype in schema.values() for cell in CELLS[kind(dtype)]["type"]})
    column = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "enum": list(schema)},
            "type": {"type": "string", "enum": list(CELLS)},
            "unit": {"type": "string", "description": "UCUM code, or empty"},
        },
        "required": ["name", "type", "unit"],
    }
    size = len(schema)
    row = {"type": "array", "items": {"type": kinds}, "minItems": size, "maxItems": size}
    properties: dict[str, Schema] = {
        "columns": {"type": "array", "items": column},
        "rows": {"type": "array", "items": row},
        "next": {"type": ["string", "integer", "null"], "description": "Where the next page starts."},
        **more,
    }
    return whole(properties)


def frame_operation(
    *,
    summary: str,
    name: str,
    tag: str,
    parameters: Sequence[Schema],
    schema: Mapping[str, pl.DataType],
    units: Mapping[str, str],
    more: Mapping[str, Schema] | None = None,
    statuses: Sequence[int] = (422, 503),
) -> Schema:
    """An operation that answers a frame in each of the formats."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    content: dict[str, Schema] = {
        "application/json": {"schema": frame_schema(schema, units, more or {})},
        "text/csv": {"schema": {"type": "string"}},
        MEDIA["parquet"]: binary,
        MEDIA["arrow"]: binary,
    }
    return {
        "summary": summary,
        "operationId": name,
        "tags": [tag],
        "parameters": list(parameters),
        "responses": {"200": {"description": "The rows", "content": content}, **problems(*statuses)},
    }
