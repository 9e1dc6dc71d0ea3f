"""Avro's own JSON: a value of a union names its branch (`{"string": "x"}`), bytes are text of the first 256 letters.

What is read becomes values for the encoder, what was decoded becomes JSON. `friendly` gives the same without the
names of branches and with instants as ISO 8601, as a record of Wayside is posted.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from wayside.wire.nodes import MISSING, AvroError, Node, fits

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = {"timestamp-millis": timedelta(milliseconds=1), "timestamp-micros": timedelta(microseconds=1)}
_NAMED_FLOATS: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def from_json(node: Node, value: Any, path: str = "") -> Any:
    """The value for the encoder that a value of JSON stands for. Raises AvroError with the place."""
    kind = node.kind
    if kind == "union":
        return from_union(node, value, path)
    if kind in ("record", "error"):
        if not isinstance(value, dict):
            raise refused(node, value, path)
        return {each.name: of_field(each, value, f"{path}/{each.name}") for each in node.fields}
    if kind == "array" and isinstance(value, list):
        return [from_json(node.inner, one, f"{path}/{at}") for at, one in enumerate(value)]
    if kind == "map" and isinstance(value, dict):
        return {name: from_json(node.inner, one, f"{path}/{name}") for name, one in value.items()}
    if kind in ("float", "double") and isinstance(value, str) and value in _NAMED_FLOATS:
        return _NAMED_FLOATS[value]
    if kind == "enum" and value not in node.symbols:
        raise refused(node, value, path)
    if kind in ("array", "map") or not fits(node, value):
        raise refused(node, value, path)
    if kind in ("bytes", "fixed"):
        data = value.encode("latin-1")
        if kind == "fixed" and len(data) != node.size:
            raise refused(node, value, path)
        return data
    return float(value) if kind in ("float", "double") else value


def of_field(each: Any, value: dict[str, Any], path: str) -> Any:
    """The value of one field of a record, or its default."""
    if each.name in value:
        return from_json(each.type, value[each.name], path)
    if each.default is MISSING:
        raise AvroError(f"Expected field name not found: {each.name}.", where=path)
    node = each.type
    if node.kind != "union":
        return from_json(node, each.default, path)
    branch = next(one for one in node.branches if fits(one, each.default))
    return from_json(branch, each.default, path)


def from_union(node: Node, value: Any, path: str) -> Any:
    """Null, or an object with the branch's name as its only key."""
    if value is None:
        if any(branch.kind == "null" for branch in node.branches):
            return None
        raise refused(node, value, path)
    if not isinstance(value, dict) or len(value) != 1:
        raise refused(node, value, path)
    ((label, inner),) = value.items()
    for branch in node.branches:
        if label in (branch.label, branch.simple or branch.kind):
            found = from_json(branch, inner, f"{path}/{label}")
            return (branch.name, found) if branch.name else found
    raise AvroError(f"Unknown union branch {json.dumps(label)[:100]}.", where=path or "/")


def to_json(node: Node, value: Any) -> Any:
    """The JSON of a decoded value, with the names of branches."""
    match node.kind:
        case "union":
            if value is None:
                return None
            branch, inner = chosen(node, value)
            return {branch.label: to_json(branch, inner)}
        case "record" | "error":
            return {each.name: to_json(each.type, value[each.name]) for each in node.fields}
        case "array":
            return [to_json(node.inner, one) for one in value]
        case "map":
            return {name: to_json(node.inner, one) for name, one in value.items()}
        case "bytes" | "fixed":
            return value.decode("latin-1")
        case "float" | "double":
            return value if value - value == 0 else str(value).replace("inf", "Infinity").replace("nan", "NaN")
    return value


def friendly(node: Node, value: Any) -> Any:
    """A value for the encoder as one would post it to a topic: plain values, instants in ISO 8601."""
    match node.kind:
        case "union":
            if value is None:
                return None
            branch, inner = chosen(node, value)
            return friendly(branch, inner)
        case "record" | "error":
            return {each.name: friendly(each.type, value[each.name]) for each in node.fields}
        case "array":
            return [friendly(node.inner, one) for one in value]
        case "map":
            return {name: friendly(node.inner, one) for name, one in value.items()}
        case "bytes" | "fixed":
            return value.decode("latin-1")
        case "long" if node.logical in _UNITS:
            return instant(value, _UNITS[node.logical])
    return value


def instant(value: int, unit: timedelta) -> Any:
    """ISO 8601 in UTC; beyond the years that it can write, the number itself."""
    try:
        return (_EPOCH + value * unit).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return value


def chosen(node: Node, value: Any) -> tuple[Node, Any]:
    """The branch that a value belongs to, and the value without a name that the codec put beside it."""
    if isinstance(value, tuple):
        label, inner = value
        return next(branch for branch in node.branches if branch.name == label), inner
    for branch in node.branches:
        if branch.kind != "null" and belongs(branch, value):
            return branch, value
    raise AvroError(f"{json.dumps(value, default=str)[:100]} belongs to no branch of its union.")


def belongs(node: Node, value: Any) -> bool:
    """Whether a decoded value can be one of this type, by its own type."""
    match value:
        case bool():
            return node.kind == "boolean"
        case int():
            return node.kind in ("int", "long", "float", "double") and (node.kind != "int" or -(2**31) <= value < 2**31)
        case float():
            return node.kind in ("float", "double")
        case bytes():
            return node.kind == "bytes" or (node.kind == "fixed" and len(value) == node.size)
        case str():
            return node.kind == "string" or (node.kind == "enum" and value in node.symbols)
        case list():
            return node.kind == "array"
    return node.kind in ("map", "record", "error")


def refused(node: Node, value: Any, path: str) -> AvroError:
    """The error for a value of another type."""
    expected = "/".join(branch.label for branch in node.branches) if node.kind == "union" else node.label
    return AvroError(f"Expected {expected}. Got {json.dumps(value)[:100]}.", where=path or "/")
