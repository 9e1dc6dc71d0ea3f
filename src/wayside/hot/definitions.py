"""How a store remembers what a table or window looked like, and which changes it can live with.

A column that was added is null in the rows of before. Everything else (another key, another type, another size of
window) would mix two meanings under one name, so it is refused with the way to rebuild.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict

import msgspec

from wayside.errors import DeclarationError, NotFoundError
from wayside.specs import TableSpec, WindowSpec


class Definition(TypedDict):
    """What is stored about one table or window: its identity (all of it must stay) and its columns."""

    identity: dict[str, list[str]]
    columns: dict[str, str]
    search: list[str]


def of_table(spec: TableSpec) -> Definition:
    """The stored description of a table."""
    return {
        "identity": {"key": list(spec.key), "time": [spec.time]},
        "columns": {name: str(dtype) for name, dtype in spec.schema.items()},
        "search": list(spec.search),
    }


def of_window(spec: WindowSpec) -> Definition:
    """The stored description of a window; lateness may change freely."""
    spans = [f"{span.total_seconds():.6f}" for span in (spec.size, spec.every, spec.gap)]
    return {
        "identity": {"by": list(spec.by), "kind": [spec.kind], "size, every and gap in seconds": spans},
        "columns": {name: str(dtype) for name, dtype in spec.schema.items()},
        "search": [],
    }


def encode(definition: Definition) -> str:
    """Stable text of a definition."""
    return msgspec.json.encode(definition, order="deterministic").decode()


def decode(text: str) -> Definition:
    """The inverse of `encode`."""
    return msgspec.json.decode(text, type=Definition)


def added(name: str, old: Definition, new: Definition, *, droppable: bool = False) -> list[str]:
    """Columns that are new in `new`; a change that cannot be migrated raises a DeclarationError.

    With `droppable`, columns may disappear (stored rows that still have them are read without).
    """
    for part, found in new["identity"].items():
        if old["identity"].get(part) != found:
            _refuse(name, f"{part}: stored {old['identity'].get(part)}, declared {found}")
    for column, dtype in old["columns"].items():
        if column not in new["columns"] and not droppable:
            _refuse(name, f"the column {column!r} is stored and no longer declared")
        if new["columns"].get(column, dtype) != dtype:
            _refuse(name, f"column {column!r}: stored as {dtype}, declared as {new['columns'][column]}")
    return [column for column in new["columns"] if column not in old["columns"]]


def table_change(old: TableSpec, new: TableSpec) -> list[str]:
    """Columns that the new declaration of a table adds; raises DeclarationError when it does more than that."""
    return added(f"table {new.name!r}", of_table(old), of_table(new))


def window_change(old: WindowSpec, new: WindowSpec) -> list[str]:
    """Partial columns that the new declaration of a window adds; raises DeclarationError for other changes."""
    return added(f"window {new.name!r}", of_window(old), of_window(new), droppable=True)


def _refuse(name: str, why: str) -> None:
    raise DeclarationError(
        f"The stored {name} does not fit its declaration any more.",
        where=name,
        why=f"Only adding columns is possible without recomputing; {why}.",
        next="Run `wayside rebuild` to recompute the hot store from the log, or undo the change.",
    )


class Declared:
    """The tables and windows that a store has been told of."""

    def __init__(self) -> None:
        self.tables: dict[str, TableSpec] = {}
        self.windows: dict[str, WindowSpec] = {}

    def add(self, tables: Sequence[TableSpec], windows: Sequence[WindowSpec]) -> None:
        """Remember them, in place of older ones of the same name."""
        self.tables = {**self.tables, **{spec.name: spec for spec in tables}}
        self.windows = {**self.windows, **{spec.name: spec for spec in windows}}

    def table(self, name: str) -> TableSpec:
        """The table of this name; raises NotFoundError."""
        if name not in self.tables:
            raise _unknown("table", name, self.tables)
        return self.tables[name]

    def window(self, name: str) -> WindowSpec:
        """The window of this name; raises NotFoundError."""
        if name not in self.windows:
            raise _unknown("window", name, self.windows)
        return self.windows[name]


def _unknown(kind: str, name: str, known: Iterable[str]) -> NotFoundError:
    return NotFoundError(f"There is no {kind} {name!r}.", why=f"Known: {', '.join(known) or 'none'}.")
