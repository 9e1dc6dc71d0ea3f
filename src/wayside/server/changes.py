"""What commits changed, merged and filtered for a subscriber's wish, and written as server-sent events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import polars as pl

from wayside.domain import Plan
from wayside.server import frames
from wayside.server.params import of_column
from wayside.server.windows import declared, filtered
from wayside.specs import TableSpec, WindowSpec
from wayside.values import Commit

DELETED = "_deleted"


@dataclass(frozen=True)
class Wish:
    """What one subscriber wants to hear of; `where` holds column and text, as they were given."""

    tables: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()


def allowed(frame: pl.DataFrame, where: Sequence[tuple[str, str]]) -> pl.DataFrame:
    """Rows that a wish lets through; a filter on a column that the frame lacks says nothing about it."""
    values: dict[str, list[Any]] = {}
    for name, text in where:
        if name in frame.schema:
            values.setdefault(name, []).append(of_column("where", text, frame.schema[name]))
    return filtered(frame, values)


def merge(plan: Plan, commits: Sequence[Commit]) -> Commit:
    """Several commits as one: per key the newest row of a table, all rows of windows, the sum of late rows."""
    if len(commits) == 1:
        return commits[0]
    tables: dict[str, list[pl.DataFrame]] = {}
    windows: dict[str, list[pl.DataFrame]] = {}
    late: dict[str, int] = {}
    for commit in commits:
        for name, rows in commit.tables.items():
            tables.setdefault(name, []).append(rows)
        for name, rows in commit.windows.items():
            windows.setdefault(name, []).append(rows)
        for name, count in commit.late.items():
            late[name] = late.get(name, 0) + count
    last = commits[-1]
    newest = {name: newest_rows(plan.tables[name].spec, rows) for name, rows in tables.items() if name in plan.tables}
    return Commit(last.sequence, last.at, newest, {name: pl.concat(rows) for name, rows in windows.items()}, late)


def newest_rows(spec: TableSpec, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """The newest row per key by event time; of equal times the later commit's."""
    ordered = pl.concat(frames).sort(spec.time, maintain_order=True)
    return ordered.unique(list(spec.key), keep="last", maintain_order=True)


def changed(
    plan: Plan, commit: Commit, wish: Wish, now: datetime, open: Mapping[str, pl.DataFrame] | None = None
) -> bytes | None:
    """The `commit` event of a wish, or null when nothing of it changed; `open` adds windows that are not closed."""
    tables = {
        name: table_object(plan, name, rows)
        for name in wish.tables
        if name in commit.tables and (rows := allowed(commit.tables[name], wish.where)).height
    }
    windows: dict[str, Any] = {}
    for name in wish.windows:
        sources = ((commit.windows, False), (open or {}, True))
        parts = [state(source[name], is_open) for source, is_open in sources if name in source]
        if parts and (seen := allowed(pl.concat(parts), wish.where)).height:
            windows[name] = window_object(plan.windows[name].spec, seen)
    late = {name: count for name, count in commit.late.items() if name in wish.windows and count}
    if not (tables or windows or late):
        return None
    body = {"sequence": commit.sequence, "now": frames.iso(now), "tables": tables, "windows": windows, "late": late}
    return event("commit", body, commit.sequence)


def table_object(plan: Plan, name: str, rows: pl.DataFrame) -> dict[str, Any]:
    """Changed rows of a table; keys of rows that are gone stand in `deleted`."""
    table = plan.tables[name]
    columns = list(table.spec.schema)
    deleted: list[tuple[Any, ...]] = []
    if DELETED in rows.columns:
        deleted = frames.plain(rows.filter(pl.col(DELETED)).select(table.spec.key)).rows()
        rows = rows.filter(~pl.col(DELETED))
    return frames.as_object(rows.select(columns), table.source.record.units(), deleted=deleted)


def state(rows: pl.DataFrame, open: bool) -> pl.DataFrame:
    """Partial rows with the column that tells whether their windows are open."""
    return rows.with_columns(open=pl.lit(open))


def window_object(spec: WindowSpec, rows: pl.DataFrame) -> dict[str, Any]:
    """Partial rows of a window as users see them; they carry the column `open`."""
    return frames.as_object(declared(spec, rows), spec.units)


def event(name: str, body: Any, id: int | None = None) -> bytes:
    """One server-sent event. JSON has no line breaks of its own, so that it fits one data line."""
    head = f"id: {id}\n" if id is not None else ""
    return head.encode() + b"event: " + name.encode() + b"\ndata: " + orjson.dumps(body) + b"\n\n"
