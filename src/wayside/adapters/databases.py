"""SQL databases as far as a source asks them: columns of a table, its greatest id, and the rows behind an id.

Each reading has a connection of its own that writes nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from wayside.errors import ConfigError, MissingExtraError, UnavailableError, WaysideError

REFERENCE = re.compile(r"\$\{env:(\w+)\}")
BUSY = 5_000
"""Milliseconds to wait for a SQLite file that is being written."""
CONNECT, STATEMENT = 10, 60
"""Seconds to reach PostgreSQL, and for one question."""


class Database(Protocol):
    """An open connection. Names were checked when they were declared; all of these raise WaysideError."""

    def columns(self, table: str) -> list[str]: ...

    def greatest(self, table: str, id: str) -> Any:
        """The greatest id, or null of an empty table."""

    def after(self, table: str, id: str, at: int, limit: int) -> Sequence[Sequence[Any]]:
        """Rows with greater ids in their order, with all columns."""


def resolved(url: str) -> str:
    """An address with its secrets filled in. Raises ConfigError, and MissingExtraError when its library is missing."""

    def value(found: re.Match[str]) -> str:
        text = os.environ.get(found[1])
        if text is None:
            raise ConfigError(f"The environment variable {found[1]} is not set.", why="A feed's address needs it.")
        return text

    if not url.startswith("sqlite:"):
        psycopg()
    return REFERENCE.sub(value, url)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A connection for the length of a block. Raises UnavailableError when there is no such database."""
    kind = sqlite if url.startswith("sqlite:") else postgres
    with kind(url) as database:
        yield database


def quoted(name: str) -> str:
    """A name, with its schema if it has one, as SQL takes it literally."""
    return ".".join(f'"{part}"' for part in name.split("."))


def no_table(table: str, others: Sequence[str]) -> WaysideError:
    """What is raised for a table that is not there."""
    known = ", ".join(sorted(others)[:20]) or "none"
    return WaysideError(f"There is no table {table!r} in the database.", why=f"Tables that can be read: {known}.")


# -- SQLite ------------------------------------------------------------------------------------------------------------


class Sqlite:
    """A SQLite file."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def columns(self, table: str) -> list[str]:
        schema, _, name = table.rpartition(".")
        found = self._connection.execute("SELECT name FROM pragma_table_info(?, ?)", (name, schema or "main"))
        if names := [row[0] for row in found]:
            return names
        others = self._connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
        raise no_table(table, [row[0] for row in others])

    def greatest(self, table: str, id: str) -> Any:
        (found,) = self._connection.execute(f"SELECT max({quoted(id)}) FROM {quoted(table)}")
        return found[0]

    def after(self, table: str, id: str, at: int, limit: int) -> Sequence[Sequence[Any]]:
        asked = f"SELECT * FROM {quoted(table)} WHERE {quoted(id)} > ? ORDER BY {quoted(id)} LIMIT ?"
        return list(self._connection.execute(asked, (at, limit)))


@contextmanager
def sqlite(url: str) -> Iterator[Database]:
    """Open a file for reading."""
    import apsw

    path = Path(url.removeprefix("sqlite:///"))
    if not path.is_file():
        raise UnavailableError("There is no such SQLite file.", where=str(path))
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(BUSY)
            yield Sqlite(connection)
        finally:
            connection.close()
    except apsw.Error as error:
        raise UnavailableError("The SQLite file cannot be read.", where=str(path), why=f"{error}.") from error


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def psycopg() -> Any:
    """The library. Raises MissingExtraError."""
    try:
        import psycopg as library
    except ImportError as error:
        raise MissingExtraError(
            "Reading a table of PostgreSQL needs a package that is not installed.",
            why=f"{error}.",
            next="Install it with: pip install 'wayside[postgres]'",
        ) from error
    return library


class Postgres:
    """A database of PostgreSQL."""

    def __init__(self, connection: Any, library: Any) -> None:
        self._connection = connection
        self._missing = library.errors.UndefinedTable

    def columns(self, table: str) -> list[str]:
        try:
            found = self._connection.execute(f"SELECT * FROM {quoted(table)} LIMIT 0")
        except self._missing:
            others = self._connection.execute(
                "SELECT table_name FROM information_schema.tables "
                "WHERE table_schema = %(named)s OR (%(named)s = '' AND table_schema = ANY (current_schemas(false)))",
                {"named": table.rpartition(".")[0]},
            )
            raise no_table(table, [row[0] for row in others]) from None
        return [column.name for column in found.description]

    def greatest(self, table: str, id: str) -> Any:
        return self._connection.execute(f"SELECT max({quoted(id)}) FROM {quoted(table)}").fetchone()[0]

    def after(self, table: str, id: str, at: int, limit: int) -> Sequence[Sequence[Any]]:
        asked = f"SELECT * FROM {quoted(table)} WHERE {quoted(id)} > %s ORDER BY {quoted(id)} LIMIT %s"
        found: list[Sequence[Any]] = self._connection.execute(asked, (at, limit)).fetchall()
        return found


@contextmanager
def postgres(url: str) -> Iterator[Database]:
    """Connect for reading. No message holds the address, which has a password in it."""
    library = psycopg()
    try:
        options = f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT}s"
        connection = library.connect(url, autocommit=True, connect_timeout=CONNECT, options=options)
        try:
            yield Postgres(connection, library)
        finally:
            connection.close()
    except library.Error as error:
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise UnavailableError("PostgreSQL does not give the rows.", why=f"{why}.") from error
