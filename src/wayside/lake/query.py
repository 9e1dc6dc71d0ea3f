"""SQL over the tiers and the hot store: read only, in a sandbox of its own, within time and memory.

DuckDB runs in memory and sees nothing but views: `bronze.x`, `silver.x`, `gold.x` over the lake and `hot.x` over
tables and closed windows of the hot store. The views read through Polars, with columns and filters pushed down, so
that the SQL itself needs no access to files: it is switched off before the query is seen, and the switches are locked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.io.plugins import register_io_source

from wayside.errors import OverloadedError, WaysideError
from wayside.ports import HotStore, Lake
from wayside.specs import TableSpec, WindowSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS = 10_000
SECONDS = 10.0
MEMORY = "256MB"
SEQUENCE = "_seq"
_PAGE_ROWS = 50_000
_AS_TEXT = ("INTERVAL", "BIT", "TIME WITH TIME ZONE", "BIGNUM", "MAP", "UNION", "VARIANT", "GEOMETRY")
"""Types of DuckDB that a frame cannot hold (Polars 2.1 panics on an interval); they are shown as text."""


@dataclass(frozen=True)
class View:
    """One view: its name, what it reads, and the columns of which only the newest row by `_seq` counts."""

    schema: str
    name: str
    frame: pl.LazyFrame
    newest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sources:
    """What a query may read: the lake, and of the hot store the tables and windows that are named."""

    lake: Lake | None = None
    hot: HotStore | None = None
    tables: Sequence[TableSpec] = ()
    windows: Sequence[WindowSpec] = ()

    def views(self) -> Iterator[View]:
        """Every view, none of them read yet."""
        keys = {spec.name: (*spec.by, "window_start", "window_end") for spec in self.windows}
        if self.lake is not None:
            for tier, name in self.lake.tables():
                frame = self.lake.scan(tier, name)
                recomputable = tier == "gold" and name in keys and SEQUENCE in frame.collect_schema()
                yield View(tier, name, frame, keys[name] if recomputable else ())
        if self.hot is not None:
            for table in self.tables:
                yield View("hot", table.name, table_frame(self.hot, table))
            for window in self.windows:
                yield View("hot", window.name, window_frame(self.hot, window), keys[window.name])


def sql(query: str, sources: Sources, *, rows: int = ROWS, seconds: float = SECONDS) -> pl.DataFrame:
    """The first `rows` rows of one SELECT statement. Raises WaysideError, or OverloadedError when time is up."""
    import duckdb

    connection = duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": 2})
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    try:
        with _translated(seconds):
            _prepare(connection, sources)
            timer.start()
            return _answer(connection, _single(connection, query), rows)
    finally:
        timer.cancel()
        connection.close()


def table_frame(hot: HotStore, spec: TableSpec) -> pl.LazyFrame:
    """A table of the hot store, read page by page when it is asked for."""

    def pages() -> Iterator[pl.DataFrame]:
        after: tuple[Any, ...] | None = None
        while True:
            page = hot.table(spec.name, limit=_PAGE_ROWS, after=after)
            yield page
            if page.height < _PAGE_ROWS:
                return
            after = page.select(spec.key).row(-1)

    return _source(pages, spec.schema)


def window_frame(hot: HotStore, spec: WindowSpec) -> pl.LazyFrame:
    """The closed windows that the hot store holds, with their declared outputs and `_seq`, block by block."""
    empty = pl.LazyFrame(schema={**spec.schema, SEQUENCE: pl.Int64})

    def pages() -> Iterator[pl.DataFrame]:
        position, found = hot.windows_after(spec.name, -1, max_rows=_PAGE_ROWS)
        while found.height:
            yield found.with_columns(spec.outputs())
            position, found = hot.windows_after(spec.name, position, max_rows=_PAGE_ROWS)

    return _source(pages, empty.with_columns(spec.outputs()).collect_schema())


def _source(pages: Callable[[], Iterator[pl.DataFrame]], schema: pl.Schema) -> pl.LazyFrame:
    """Pages as a lazy frame that is asked for the needed columns and rows only."""

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        for page in pages():
            found = page if predicate is None else page.filter(predicate)
            found = found if columns is None else found.select(columns)
            yield found if left is None else found.head(left)
            left = None if left is None else left - found.height
            if left is not None and left <= 0:
                return
        yield pl.DataFrame(schema=schema).select(columns or pl.all())

    return register_io_source(read, schema=schema)


def _prepare(connection: DuckDBPyConnection, sources: Sources) -> None:
    """Make the views, then lock the door."""
    connection.execute("SET TimeZone = 'UTC'; SET python_enable_replacements = false")
    for schema in ("bronze", "silver", "gold", "hot"):
        connection.execute(f"CREATE SCHEMA {schema}")
    for view in sources.views():
        source = f"{view.schema}.{view.name}"
        connection.register(source, view.frame)
        select = f"SELECT * FROM {_quoted(source)}"
        if view.newest:
            keys = ", ".join(map(_quoted, view.newest))
            select += f" QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {SEQUENCE} DESC) = 1"
            select = f"SELECT * EXCLUDE ({SEQUENCE}) FROM ({select})"
        connection.execute(f"CREATE VIEW {view.schema}.{_quoted(view.name)} AS {select}")
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")


def _single(connection: DuckDBPyConnection, query: str) -> str:
    """The one statement of a query, which only reads, without what follows it."""
    import duckdb

    kinds = [statement.type.name for statement in connection.extract_statements(query)]
    if kinds != ["SELECT"] or "\0" in query:
        raise WaysideError(
            "Only one statement that reads can be run.",
            why=f"Required: a single SELECT; found: {', '.join(kinds) or 'nothing'}.",
            next="Write SELECT ... FROM gold.<table>; `SHOW ALL TABLES` lists what there is.",
        )
    text = query.encode()
    ends = (place for place, _ in duckdb.tokenize(query) if text[place : place + 1] == b";")
    return text[: next(ends, len(text))].decode()


def _answer(connection: DuckDBPyConnection, query: str, rows: int) -> pl.DataFrame:
    """The rows as a frame: columns of the same name are numbered, types that a frame lacks become text."""
    columns = connection.execute(f"DESCRIBE {query}").fetchall()
    places = [f"c{number}" for number in range(len(columns))]
    chosen = ", ".join(f"{_held(place, kind)} AS {place}" for place, (_, kind, *_) in zip(places, columns, strict=True))
    wrapped = f"SELECT {chosen} FROM (\n{query}\n) AS q({', '.join(places)}) LIMIT {int(rows)}"
    # Not pl.DataFrame(relation): that leaks DuckDB's types, which are listed on stderr at the interpreter's exit.
    frame = pl.DataFrame(pl.from_arrow(connection.sql(wrapped).to_arrow_table()))
    for place, (_, kind, *_) in zip(places, columns, strict=True):
        if kind in ("HUGEINT", "UHUGEINT"):
            frame = frame.with_columns(_small(frame[place]))
    frame = frame.with_columns(pl.selectors.datetime(time_zone="*").dt.convert_time_zone("UTC"))
    names = _distinct([name for name, *_ in columns])
    return frame.rename(dict(zip(places, names, strict=True)))


def _held(place: str, kind: str) -> str:
    """What to select so that a frame can hold the column."""
    if kind.startswith("ENUM") or any(word in kind for word in _AS_TEXT):
        return f"CAST({place} AS VARCHAR)"
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return f"CASE WHEN isfinite({place}) THEN {place} END"  # an infinite instant aborts whoever prints it
    return place


def _small(column: pl.Series) -> pl.Series:
    """Sums of whole numbers are 128 bits wide in DuckDB; those that fit become 64."""
    try:
        return column.cast(pl.Int64, strict=True)
    except pl.exceptions.PolarsError:
        return column


def _distinct(names: Sequence[str]) -> list[str]:
    given: dict[str, None] = {}
    for name in names:
        number, wanted = 1, name
        while wanted in given:
            number, wanted = number + 1, f"{name}_{number}"
        given[wanted] = None
    return list(given)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _translated(seconds: float) -> Iterator[None]:
    """Errors of the query become errors of Wayside; what the reading of a view raised comes out as it was."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException as error:
        raise OverloadedError("The query took too long and was stopped.", why=f"Its limit is {seconds:g} s.") from error
    except duckdb.OutOfMemoryException as error:
        raise OverloadedError("The query needs too much memory.", why=f"Its limit is {MEMORY}.") from error
    except (duckdb.Error, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise WaysideError("The query cannot be run.", why=str(error).strip()) from error
