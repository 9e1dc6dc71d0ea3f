"""The one text of an Avro schema: what the registry stores, compares and answers."""

from __future__ import annotations

import json
from typing import Any

from wayside.wire.nodes import MISSING, Field, Node


def canonical(node: Node) -> str:
    """The schema as Java's `Schema.toString()` writes it."""
    return json.dumps(plain(node, "", set()), separators=(",", ":"), ensure_ascii=False)


def plain(node: Node, space: str, known: set[str]) -> Any:
    """The schema as JSON values; types named in `known` are referred to, relative to the namespace `space`."""
    if node.kind == "union":
        return [plain(branch, space, known) for branch in node.branches]
    if node.name:
        return named(node, space, known)
    if node.kind in ("array", "map"):
        word = "items" if node.kind == "array" else "values"
        return {"type": node.kind, word: plain(node.inner, space, known), **node.props}
    return {"type": node.kind, **node.props} if node.props else node.kind


def named(node: Node, space: str, known: set[str]) -> Any:
    """A named type: spelled out the first time."""
    own, _, name = node.name.rpartition(".")
    if node.name in known:
        return name if own == space else node.name
    known.add(node.name)
    written: dict[str, Any] = {"type": node.kind, "name": name}
    if own != space:
        written["namespace"] = own
    if node.doc is not None:
        written["doc"] = node.doc
    if node.kind == "enum":
        written["symbols"] = list(node.symbols)
        if node.default is not None:
            written["default"] = node.default
    elif node.kind == "fixed":
        written["size"] = node.size
    else:
        written["fields"] = [one_field(each, own, known) for each in node.fields]
    written.update(node.props)
    if node.aliases:
        written["aliases"] = [relative(alias, own) for alias in node.aliases]
    return written


def one_field(each: Field, space: str, known: set[str]) -> dict[str, Any]:
    """One field of a record."""
    written: dict[str, Any] = {"name": each.name, "type": plain(each.type, space, known)}
    if each.doc is not None:
        written["doc"] = each.doc
    if each.default is not MISSING:
        written["default"] = each.default
    if each.order != "ascending":
        written["order"] = each.order
    if each.aliases:
        written["aliases"] = list(each.aliases)
    return {**written, **each.props}


def relative(name: str, space: str) -> str:
    """A name as it is written within a namespace."""
    own, _, simple = name.rpartition(".")
    return simple if own == space else name
