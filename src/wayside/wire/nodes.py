"""Avro schemas as values: read strictly, written in the one form that Confluent's registry stores and compares.

The form is that of Java's `Schema.toString()`: fixed order of keys, no spaces, primitives as plain names, a named
type spelled out once and referred to afterwards, and doc, aliases and foreign properties kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wayside.errors import WaysideError

PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
NAMED: Final = ("record", "error", "enum", "fixed")
MISSING: Final = object()
"""Stands for a default that is not there, because null is one."""
DEPTH: Final = 64
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OWN: Final = {
    "record": ("type", "name", "namespace", "doc", "fields", "aliases"),
    "error": ("type", "name", "namespace", "doc", "fields", "aliases"),
    "enum": ("type", "name", "namespace", "doc", "symbols", "default", "aliases"),
    "fixed": ("type", "name", "namespace", "doc", "size", "aliases"),
    "array": ("type", "items"),
    "map": ("type", "values"),
}
_FIELD: Final = ("name", "type", "doc", "default", "order", "aliases")
_INTS: Final = {"int": 2**31, "long": 2**63}


class AvroError(WaysideError):
    """A text that is no Avro schema, or a value that does not fit one."""


@dataclass(eq=False)
class Field:
    """One field of a record."""

    name: str
    type: Node
    doc: str | None = None
    default: Any = MISSING
    order: str = "ascending"
    aliases: tuple[str, ...] = ()
    props: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Node:
    """One type. `name` is the full name of a named one; `branches` holds a union's types, `items` what an array or
    map holds; `default` is that of an enum."""

    kind: str
    name: str = ""
    doc: str | None = None
    fields: list[Field] = field(default_factory=list)
    symbols: tuple[str, ...] = ()
    default: str | None = None
    items: Node | None = None
    branches: list[Node] = field(default_factory=list)
    size: int = 0
    aliases: tuple[str, ...] = ()
    props: dict[str, Any] = field(default_factory=dict)

    @property
    def simple(self) -> str:
        """The name without its namespace."""
        return self.name.rpartition(".")[2]

    @property
    def label(self) -> str:
        """What a union's JSON names this branch: the full name, or the kind."""
        return self.name or self.kind

    @property
    def logical(self) -> str:
        """The logical type, or nothing."""
        return str(self.props.get("logicalType", ""))

    @property
    def inner(self) -> Node:
        """What an array or map holds."""
        assert self.items is not None
        return self.items


def parse(text: str) -> Node:
    """Read a schema. Raises AvroError with the place and what is wrong."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise AvroError(f"The schema is not JSON: {error}.") from error
    return Reader().read(value, "", "/", 0)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


class Reader:
    """Reads one schema, remembering the names that it defines."""

    def __init__(self) -> None:
        self.names: dict[str, Node] = {}

    def read(self, value: Any, space: str, path: str, depth: int) -> Node:
        """One type within the namespace `space`. Raises AvroError."""
        if depth > DEPTH:
            raise wrong(f"It is nested more than {DEPTH} deep", path)
        match value:
            case str():
                return self.named(value, space, path)
            case list():
                return self.union(value, space, path, depth)
            case {"type": str(kind)} if kind in _OWN:
                return self.complex(value, kind, space, path, depth)
            case {"type": str(kind)} if kind in PRIMITIVES:
                return Node(kind, props=rest(value, ("type",)))
            case {"type": inner}:
                return self.read(inner, space, path, depth + 1)
        raise wrong(f"A type is a name, an object with `type`, or a list, not {json.dumps(value)[:80]}", path)

    def named(self, name: str, space: str, path: str) -> Node:
        """A primitive, or a type that was defined before."""
        if name in PRIMITIVES:
            return Node(name)
        found = self.names.get(full(name, space)) or self.names.get(name)
        if found is None:
            raise wrong(f"Undefined name: {json.dumps(name)[:200]}", path)
        return found

    def union(self, value: list[Any], space: str, path: str, depth: int) -> Node:
        """A list of types, each kind of unnamed type at most once."""
        branches = [self.read(one, space, f"{path.rstrip('/')}/{at}", depth + 1) for at, one in enumerate(value)]
        seen: set[str] = set()
        for branch in branches:
            if branch.kind == "union":
                raise wrong("A union may not hold a union", path)
            if branch.label in seen:
                raise wrong(f"Duplicate in union: {branch.label}", path)
            seen.add(branch.label)
        return Node("union", branches=branches)

    def complex(self, value: dict[str, Any], kind: str, space: str, path: str, depth: int) -> Node:
        """An object that declares a type."""
        node = Node(kind, props=rest(value, _OWN[kind]))
        place = path.rstrip("/")
        if kind in ("array", "map"):
            word = "items" if kind == "array" else "values"
            if word not in value:
                raise wrong(f"An {kind} needs {word!r}", path)
            node.items = self.read(value[word], space, f"{place}/{word}", depth + 1)
            return node
        node.name, space = self.define(node, value, space, path)
        node.doc = text_or_none(value.get("doc"), path)
        node.aliases = tuple(full(alias, space) for alias in strings(value.get("aliases", []), "aliases", path))
        if kind == "enum":
            enum(node, value, path)
        elif kind == "fixed":
            size = value.get("size")
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                raise wrong("A fixed needs a size of at least 0", path)
            node.size = size
        else:
            self.fields(node, value, space, path, depth)
        return node

    def define(self, node: Node, value: dict[str, Any], space: str, path: str) -> tuple[str, str]:
        """Full name and namespace of a named type, which may be defined once."""
        name, given = value.get("name"), value.get("namespace")
        if not isinstance(name, str) or (given is not None and not isinstance(given, str)):
            raise wrong(f"A {node.kind} needs a name", path)
        whole = name if "." in name else full(name, space if given is None else given)
        if not all(_NAME.fullmatch(part) for part in whole.split(".")) or whole in PRIMITIVES:
            raise wrong(f"Illegal name: {json.dumps(name)[:200]}", path)
        if whole in self.names:
            raise wrong(f"Can't redefine: {whole}", path)
        self.names[whole] = node
        return whole, whole.rpartition(".")[0]

    def fields(self, node: Node, value: dict[str, Any], space: str, path: str, depth: int) -> None:
        """The fields of a record."""
        given = value.get("fields")
        if not isinstance(given, list):
            raise wrong("A record needs a list of fields", path)
        for at, one in enumerate(given):
            place = f"{path.rstrip('/')}/fields/{at}"
            if not isinstance(one, dict) or not isinstance(one.get("name"), str) or "type" not in one:
                raise wrong("A field needs a name and a type", place)
            name, order = one["name"], one.get("order", "ascending")
            if not _NAME.fullmatch(name) or any(name == other.name for other in node.fields):
                raise wrong(f"Illegal or repeated field name: {json.dumps(name)[:200]}", place)
            if order not in ("ascending", "descending", "ignore"):
                raise wrong("The order of a field is ascending, descending or ignore", place)
            kind = self.read(one["type"], space, f"{place}/type", depth + 1)
            found = Field(name, kind, text_or_none(one.get("doc"), place), one.get("default", MISSING), order)
            found.aliases = tuple(strings(one.get("aliases", []), "aliases", place))
            found.props = rest(one, _FIELD)
            if found.default is not MISSING and not fits(kind, found.default):
                shown = json.dumps(found.default)[:80]
                raise wrong(f"Invalid default for field {name}: {shown} not a {json.dumps(kind.kind)}", place)
            node.fields.append(found)


def enum(node: Node, value: dict[str, Any], path: str) -> None:
    """Symbols and default of an enum."""
    symbols = strings(value.get("symbols"), "symbols", path)
    bad = next((one for at, one in enumerate(symbols) if not _NAME.fullmatch(one) or one in symbols[:at]), None)
    if bad is not None:
        raise wrong(f"Illegal or repeated symbol: {json.dumps(bad)[:200]}", path)
    node.symbols = tuple(symbols)
    node.default = value.get("default")
    if node.default is not None and node.default not in symbols:
        raise wrong("The default of an enum is one of its symbols", path)


def fits(node: Node, value: Any) -> bool:
    """Whether a default fits its type; of a union any branch will do."""
    kind = node.kind
    if kind in _INTS:
        return isinstance(value, int) and not isinstance(value, bool) and -_INTS[kind] <= value < _INTS[kind]
    if kind in ("float", "double"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind in ("bytes", "fixed"):
        return isinstance(value, str) and all(ord(letter) < 256 for letter in value)
    if kind == "union":
        return any(fits(branch, value) for branch in node.branches)
    if kind == "array":
        return isinstance(value, list) and all(fits(node.inner, one) for one in value)
    if kind == "map":
        return isinstance(value, dict) and all(fits(node.inner, one) for one in value.values())
    if kind in ("record", "error"):
        return isinstance(value, dict) and all(
            fits(each.type, value[each.name]) if each.name in value else each.default is not MISSING
            for each in node.fields
        )
    simple = {"null": type(None), "boolean": bool, "string": str, "enum": str}
    return isinstance(value, simple[kind])


def full(name: str, space: str) -> str:
    """A name within a namespace."""
    return name if "." in name or not space else f"{space}.{name}"


def rest(value: dict[str, Any], own: Sequence[str]) -> dict[str, Any]:
    """Properties that Avro has no meaning for; they are kept."""
    return {name: one for name, one in value.items() if name not in own}


def strings(value: Any, what: str, path: str) -> list[str]:
    """A list of texts. Raises AvroError."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise wrong(f"{what} is a list of names", path)
    return value


def text_or_none(value: Any, path: str) -> str | None:
    """A doc. Raises AvroError for anything but text."""
    if value is not None and not isinstance(value, str):
        raise wrong("A doc is text", path)
    return value


def wrong(what: str, path: str) -> AvroError:
    """The error for one place of a schema."""
    return AvroError(f"{what}.", where=path)
