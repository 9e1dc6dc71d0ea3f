"""Whether data written with one Avro schema can be read with another, and where it cannot.

The rules are those of Avro's schema resolution; places and words are those of Confluent's registry.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from wayside.wire.nodes import MISSING, Field, Node

Trouble = Literal[
    "NAME_MISMATCH",
    "FIXED_SIZE_MISMATCH",
    "MISSING_ENUM_SYMBOLS",
    "READER_FIELD_MISSING_DEFAULT_VALUE",
    "TYPE_MISMATCH",
    "MISSING_UNION_BRANCH",
]
PROMOTED: dict[str, tuple[str, ...]] = {
    "long": ("int",),
    "float": ("int", "long"),
    "double": ("int", "long", "float"),
    "bytes": ("string",),
    "string": ("bytes",),
}
"""What a reader's type takes besides itself."""
WORDS: dict[Trouble, str] = {
    "FIXED_SIZE_MISMATCH": (
        "The size of FIXED type field at path '{path}' in the {reader} schema does not match with the {writer} schema"
    ),
    "TYPE_MISMATCH": (
        "The type (path '{path}') of a field in the {reader} schema does not match with the {writer} schema"
    ),
    "NAME_MISMATCH": "The name of the schema has changed (path '{path}')",
    "MISSING_ENUM_SYMBOLS": (
        "The {reader} schema is missing enum symbols '{detail}' at path '{path}' in the {writer} schema"
    ),
    "MISSING_UNION_BRANCH": (
        "The {reader} schema is missing a type inside a union field at path '{path}' in the {writer} schema"
    ),
    "READER_FIELD_MISSING_DEFAULT_VALUE": (
        "The field '{detail}' at path '{path}' in the {reader} schema has no default value and is missing in the "
        "{writer} schema"
    ),
}


@dataclass(frozen=True)
class Difference:
    """One reason why the reader cannot read: what, where in the reader's schema, and a detail."""

    kind: Trouble
    path: str
    detail: str
    reader: str = "new"
    writer: str = "old"

    def __str__(self) -> str:
        words = WORDS[self.kind].format(path=self.path, detail=self.detail, reader=self.reader, writer=self.writer)
        return f"{{errorType:'{self.kind}', description:'{words}', additionalInfo:'{self.detail}'}}"


def differences(reader: Node, writer: Node, *, reader_is_new: bool = True) -> list[Difference]:
    """Why `reader` cannot read what `writer` has written; empty when it can."""
    found = Comparison().compare(reader, writer, "")
    return found if reader_is_new else [replace(each, reader="old", writer="new") for each in found]


@dataclass
class Comparison:
    """One comparison. A pair is compared once: while that goes on it is taken as fine, which ends recursion, and
    where it is met again its first difference stands for all, which keeps the work linear."""

    known: dict[tuple[int, int], list[Difference]] = field(default_factory=dict)

    def compare(self, reader: Node, writer: Node, path: str) -> list[Difference]:
        """Differences of two types at a place of the reader's schema."""
        pair = (id(reader), id(writer))
        if pair in self.known:
            return self.known[pair]
        self.known[pair] = []
        alike = reader.kind == writer.kind or {reader.kind, writer.kind} == {"record", "error"}
        found = self.alike(reader, writer, path) if alike else self.unlike(reader, writer, path)
        self.known[pair] = found[:1]
        return found

    def alike(self, reader: Node, writer: Node, path: str) -> list[Difference]:
        """Both are of one kind."""
        match reader.kind:
            case "array":
                return self.compare(reader.inner, writer.inner, f"{path}/items")
            case "map":
                return self.compare(reader.inner, writer.inner, f"{path}/values")
            case "fixed":
                sizes = f"expected: {writer.size}, found: {reader.size}"
                wrong = reader.size != writer.size
                other = [Difference("FIXED_SIZE_MISMATCH", f"{path}/size", sizes)] if wrong else []
                return self.names(reader, writer, path) + other
            case "enum":
                return self.names(reader, writer, path) + symbols(reader, writer, path)
            case "record" | "error":
                found = self.names(reader, writer, path)
                for at, each in enumerate(reader.fields):
                    found += self.one_field(each, writer, f"{path}/fields/{at}")
                return found
            case "union":
                return self.branches(reader, writer, path)
        return []

    def branches(self, reader: Node, writer: Node, path: str) -> list[Difference]:
        """Each branch that may have been written must be readable."""
        return [
            Difference("MISSING_UNION_BRANCH", f"{path}/{at}", lacking(branch))
            for at, branch in enumerate(writer.branches)
            if self.compare(reader, branch, f"{path}/{at}")
        ]

    def unlike(self, reader: Node, writer: Node, path: str) -> list[Difference]:
        """The kinds differ: promotion, or one of the two is a union."""
        if writer.kind == "union":
            return [each for branch in writer.branches for each in self.compare(reader, branch, path)]
        if reader.kind == "union":
            if any(not self.compare(branch, writer, path) for branch in reader.branches):
                return []
            return [Difference("MISSING_UNION_BRANCH", path or "/", lacking(writer))]
        if writer.kind in PROMOTED.get(reader.kind, ()):
            return []
        kinds = f"reader type: {reader.kind.upper()} not compatible with writer type: {writer.kind.upper()}"
        return [Difference("TYPE_MISMATCH", path or "/", kinds)]

    def names(self, reader: Node, writer: Node, path: str) -> list[Difference]:
        """Names must agree without their namespaces, or the reader knows the writer's as an alias."""
        if reader.simple == writer.simple or writer.name in reader.aliases:
            return []
        return [Difference("NAME_MISMATCH", f"{path}/name", f"expected: {writer.name}")]

    def one_field(self, each: Field, writer: Node, path: str) -> list[Difference]:
        """A field of the reader's record: written under its name or an alias, or it has a default."""
        names = (each.name, *each.aliases)
        written = next((other for name in names for other in writer.fields if other.name == name), None)
        if written is not None:
            return self.compare(each.type, written.type, f"{path}/type")
        if each.default is not MISSING or (each.type.kind == "enum" and each.type.default is not None):
            return []
        return [Difference("READER_FIELD_MISSING_DEFAULT_VALUE", path, each.name)]


def symbols(reader: Node, writer: Node, path: str) -> list[Difference]:
    """Symbols that may have been written and that the reader does not know."""
    missing = [one for one in writer.symbols if one not in reader.symbols]
    if not missing or reader.default is not None:
        return []
    return [Difference("MISSING_ENUM_SYMBOLS", f"{path}/symbols", f"[{', '.join(sorted(missing))}]")]


def lacking(node: Node) -> str:
    """The detail of a branch that a union does not have."""
    return f"reader union lacking writer type: {node.kind.upper()}"
