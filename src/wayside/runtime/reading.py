"""The lake and the store of a data folder, read beside the process that writes them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from wayside.errors import NotFoundError, WaysideError
from wayside.hot.sqlite import SqliteStore
from wayside.lake.query import SEQUENCE, Sources
from wayside.runtime import parts
from wayside.runtime.chosen import chosen_plan
from wayside.runtime.folder import Folder
from wayside.settings import Settings


@contextmanager
def sources(settings: Settings) -> Iterator[Sources]:
    """Everything that a query may read, as far as it is there. Raises NotFoundError for an empty data folder."""
    folder = Folder(settings.data_dir)
    plan = chosen_plan(settings.domains)
    tables = [table.spec for table in plan.tables.values()]
    windows = [window.spec for window in plan.windows.values()]
    if settings.profile == "cluster":
        parts.check(settings)
        store = parts.store_of(settings, plan, folder)
        try:
            yield Sources(parts.lake_of(settings, folder, read_only=True), store, tables, windows)
        finally:
            store.close()
        return
    there = settings.lake_url or folder.lake.is_dir()
    lake = parts.lake_of(settings, folder, read_only=True) if there else None
    if lake is None and not folder.hot.is_file():
        raise NotFoundError(
            "There is nothing to ask yet.",
            where=str(folder.root),
            next="Start `wayside up` with this data folder first, or name another with --data-dir.",
        )
    if not folder.hot.is_file():
        yield Sources(lake)
        return
    local = SqliteStore(folder.hot, read_only=True)
    try:
        local.ensure(tables, windows)
        yield Sources(lake, local, tables, windows)
    finally:
        local.close()


def chosen(found: Sources, table: str, where: str | None) -> pl.LazyFrame:
    """Rows of `schema.name` for which a condition in SQL is true. Raises NotFoundError, WaysideError."""
    views = {f"{view.schema}.{view.name}": view for view in found.views()}
    view = views.get(table)
    if view is None:
        near = difflib.get_close_matches(table, views, n=1, cutoff=0.4)
        raise NotFoundError(
            f"There is no {table!r} to read.",
            why=f"There is: {', '.join(sorted(views))}.",
            next=f"Did you mean {near[0]!r}?" if near else "",
        )
    rows = view.frame
    if view.newest:
        rows = rows.sort(SEQUENCE).unique(list(view.newest), keep="last", maintain_order=True).drop(SEQUENCE)
    if where is None:
        return rows
    try:
        rows = rows.filter(pl.sql_expr(where))
        rows.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise WaysideError(
            "The condition cannot be understood.",
            where=where,
            why=str(error).splitlines()[0],
            next=f"Columns: {', '.join(view.frame.collect_schema())}.",
        ) from error
    return rows
