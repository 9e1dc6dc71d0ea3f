"""Other people's schema languages, written from a Record: JSON Schema, Arrow, reference text."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from wayside.record.base import Record
from wayside.record.fields import KEY_LENGTH, FieldSpec

ARROW = {
    "str": pa.large_string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
}
INT64 = 2**63


def arrow_schema(record: type[Record]) -> pa.Schema:
    """Arrow schema with units and docs as field metadata."""
    return pa.schema(
        [
            pa.field(name, ARROW[spec.kind], nullable=spec.optional, metadata={"unit": spec.unit, "doc": spec.doc})
            for name, spec in record.fields.items()
        ]
    )


def json_schema(record: type[Record]) -> dict[str, Any]:
    """JSON Schema (2020-12) of one message of this record."""
    return {
        "type": "object",
        "title": record.__name__,
        "description": (record.__doc__ or "").strip(),
        "properties": {name: property_schema(spec, name in record.key) for name, spec in record.fields.items()},
        "required": [name for name, spec in record.fields.items() if not spec.optional],
        "examples": [example(record)],
    }


def property_schema(spec: FieldSpec, key: bool) -> dict[str, Any]:
    """JSON Schema of one field."""
    schema: dict[str, Any]
    if spec.kind == "time":
        instant = {"type": "string", "format": "date-time", "description": "ISO 8601 with an offset"}
        schema = {"anyOf": [instant, {"type": "number", "description": "seconds since 1970 in UTC"}]}
    else:
        names = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
        schema = {"type": names[spec.kind]}
    if spec.choices:
        schema["enum"] = list(spec.choices)
    limits = {
        "minimum": spec.ge if spec.ge is not None else (-INT64 if spec.kind == "int" else None),
        "maximum": spec.le if spec.le is not None else (INT64 - 1 if spec.kind == "int" else None),
        "minLength": spec.min_length if spec.min_length is not None else (1 if key and spec.kind == "str" else None),
        "maxLength": spec.max_length if spec.max_length is not None else (KEY_LENGTH if key else None),
        "pattern": f"^(?:{spec.pattern})$" if spec.pattern else None,
    }
    if spec.kind != "str" or spec.choices:
        limits.update(minLength=None, maxLength=None)
    schema.update({name: value for name, value in limits.items() if value is not None})
    if spec.optional:
        schema = {"anyOf": [schema, {"type": "null"}]}
    words = " ".join(part for part in (spec.doc, f"Unit (UCUM): {spec.unit}." if spec.unit else "") if part)
    if words:
        schema["description"] = words
    return schema


def example(record: type[Record]) -> dict[str, Any]:
    """One message that passes every rule of a field, from the fields' own examples where they are given."""
    return {name: example_value(spec) for name, spec in record.fields.items() if not spec.optional or spec.example}


def example_value(spec: FieldSpec) -> Any:
    """A value that keeps the field's rules."""
    if spec.example is not None:
        return spec.example
    if spec.choices:
        return spec.choices[0]
    if spec.kind in ("int", "float"):
        low = spec.ge if spec.ge is not None else min(0.0, spec.le if spec.le is not None else 0.0)
        return int(low) if spec.kind == "int" else float(low)
    return {"str": spec.name[: spec.max_length] or "x", "bool": True, "time": "2026-01-01T12:00:00Z"}[spec.kind]


def reference(record: type[Record]) -> str:
    """Markdown reference of a record: meaning, fields with type and unit, and every rule by name."""
    lines = [f"### {record.__name__}", "", (record.__doc__ or "").strip(), ""]
    lines += ["| field | type | unit | meaning |", "|---|---|---|---|"]
    for name, spec in record.fields.items():
        marks = [spec.kind + (", optional" if spec.optional else "")]
        marks += ["key"] if name in record.key else []
        marks += ["event time"] if name == record.time else []
        lines.append(f"| `{name}` | {', '.join(marks)} | {spec.unit} | {spec.doc} |")
    lines += ["", "| rule | meaning |", "|---|---|"]
    lines += [f"| `{rule.name}` | {rule.message} |" for rule in record.rules()]
    return "\n".join(lines) + "\n"
