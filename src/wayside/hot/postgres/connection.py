"""Connections to PostgreSQL: one that writes, a few that read, and what their errors mean.

A connection that was lost is thrown away and made anew when it is needed next, at first at once and then ever more
slowly; until then everybody is told at once that the store does not answer, instead of waiting in a queue.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wayside.clock import Clock
from wayside.errors import (
    ConfigError,
    DiskFullError,
    MissingExtraError,
    OverloadedError,
    StorageFailedError,
    UnavailableError,
    WaysideError,
)
from wayside.hot.postgres.patience import Patience

if TYPE_CHECKING:
    import psycopg

FIRST_WAIT = 0.1
LONGEST_WAIT = 2.0
CONNECT_SECONDS = 5
WRITE_SECONDS = 60.0
"""How long one transaction may take; beyond that the server is taken to stand still."""
LAYOUT_SECONDS = 600.0
"""The same for one that makes or changes tables and indexes."""
GRACE = 2.0
"""Seconds that a question may take longer than the server allows it."""
OLDEST = 150000
"""The least version of the server, as PostgreSQL numbers it: nulls in keys need `NULLS NOT DISTINCT`."""
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}


def library() -> Any:
    """The module psycopg. Raises MissingExtraError."""
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtraError(
            "The hot store in PostgreSQL needs a package that is not installed.",
            why=f"{error}.",
            next="Install it with: pip install 'wayside[postgres]'",
        ) from error
    return psycopg


class Server:
    """Where the database is, and whether it is worth trying now."""

    def __init__(self, dsn: str, clock: Clock) -> None:
        self.psycopg = library()
        try:
            self._given = self.psycopg.conninfo.conninfo_to_dict(dsn)
        except self.psycopg.ProgrammingError as error:
            raise ConfigError(
                "The address of PostgreSQL cannot be understood.",
                where="postgres_dsn",
                next="Write it like postgresql://user:password@host:5432/database.",
            ) from error
        self._clock = clock
        self._patience = Patience()
        self._lock = threading.Lock()
        self._wait = 0.0
        self._again = 0.0
        self._why = ""

    @property
    def where(self) -> str:
        """Host, port and database, without the password."""
        given = self._given
        return f"PostgreSQL {given.get('host', 'localhost')}:{given.get('port', 5432)}/{given.get('dbname', '')}"

    def connect(self, options: str) -> psycopg.Connection[Any]:
        """A new connection with these options. Raises UnavailableError, at once while the last failure is fresh."""
        with self._lock:
            left = self._again - self._clock.monotonic()
            if left > 0:
                raise self.away(self._why)
        both = f"{self._given.get('options', '')} {options}".strip()
        try:
            made: psycopg.Connection[Any] = self.psycopg.connect(
                **{
                    "connect_timeout": CONNECT_SECONDS,
                    **_KEEPALIVE,
                    **self._given,
                    "autocommit": True,
                    "options": both,
                },
            )
        except self.psycopg.Error as error:
            with self._lock:
                self._wait = min(self._wait * 2, LONGEST_WAIT) or FIRST_WAIT
                self._again = self._clock.monotonic() + self._wait
                self._why = first_line(error)
            raise self.away(self._why) from error
        self._wait = self._again = 0.0
        if made.info.server_version < OLDEST:
            made.close()
            raise StorageFailedError(
                f"PostgreSQL {made.info.server_version // 10_000} is too old.",
                where=self.where,
                next="Use 15 or newer.",
            )
        return made

    def away(self, why: str) -> UnavailableError:
        """The error that says that the store does not answer."""
        return UnavailableError("The hot store does not answer.", where=self.where, why=why, next="It is tried again.")

    @contextmanager
    def asked(self, connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
        """Turn errors of the library into ours, and end a connection that does not answer in time."""
        with self.translated(), self.limited(connection, seconds):
            yield

    @contextmanager
    def limited(self, connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
        """End a connection that does not answer in time. Raises UnavailableError."""
        try:
            with self._patience.limit(connection, seconds):
                yield
        except TimeoutError as error:
            raise self.away(str(error)) from error

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn errors of the library into ours."""
        try:
            yield
        except self.psycopg.Error as error:
            raise self.ours(error) from error

    def ours(self, error: Exception) -> WaysideError:
        """What an error of the library means."""
        errors, why = self.psycopg.errors, first_line(error)
        if isinstance(error, errors.DiskFull):
            return DiskFullError("The disk of PostgreSQL is full.", where=self.where, why=why, next="Free some space.")
        if isinstance(error, errors.AdminShutdown | errors.CrashShutdown | errors.CannotConnectNow):
            return self.away(why)
        if isinstance(error, errors.QueryCanceled):
            return OverloadedError("A question to the hot store took too long.", where=self.where, why=why)
        if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected | errors.InsufficientResources):
            return OverloadedError("The hot store is busy.", where=self.where, why=why)
        if isinstance(error, errors.DataError):
            return WaysideError("PostgreSQL cannot hold a value.", where=self.where, why=why)
        if isinstance(error, errors.OperationalError | errors.InterfaceError):
            return self.away(why)
        return StorageFailedError("PostgreSQL refused a statement.", where=self.where, why=why)


class Readers:
    """Connections that read, made when they are needed and kept for the next question."""

    def __init__(self, server: Server, *, number: int, timeout: float, wait: float = 5.0) -> None:
        self._server = server
        self._timeout = timeout
        self._wait = wait
        self._free: list[psycopg.Connection[Any]] = []
        self._turn = threading.Semaphore(number)
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[psycopg.Cursor[Any]]:
        """All that is asked in the block is answered from one moment. Raises UnavailableError, OverloadedError."""
        if not self._turn.acquire(timeout=self._wait):
            raise OverloadedError("The hot store is busy.", where=self._server.where)
        try:
            connection = self._take()
            try:
                limited = self._server.asked(connection, self._timeout + GRACE)
                with limited, connection.transaction(), connection.cursor() as cursor:
                    yield cursor
            finally:
                self._give(connection)
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close those that are free; those in use are closed when they come back."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def _take(self) -> psycopg.Connection[Any]:
        with self._lock:
            free = self._free.pop() if self._free else None
        if free is not None and alive(free):
            return free
        if free is not None:
            self._forget_free()
        made = self._server.connect(f"-c statement_timeout={round(self._timeout * 1_000)}")
        made.isolation_level = self._server.psycopg.IsolationLevel.REPEATABLE_READ
        made.read_only = True
        return made

    def _give(self, connection: psycopg.Connection[Any]) -> None:
        with self._lock:
            if not self._closed and not connection.closed:
                self._free.append(connection)
                return
        connection.close()

    def _forget_free(self) -> None:
        """One free connection was found dead: the others were made for the same server, and go too."""
        with self._lock:
            free, self._free = self._free, []
        for connection in free:
            connection.close()


HANDOVER = 2_000
"""Milliseconds that a writer waits for the lock of one before it: the server hears of a closed connection later."""


class Writer:
    """The connection that writes. While it lives, no other process writes the same schema."""

    def __init__(self, server: Server, schema: str) -> None:
        self._server = server
        self._schema = schema
        self._connection: psycopg.Connection[Any] | None = None

    def take(self) -> psycopg.Connection[Any]:
        """The connection, made anew if it was lost. Raises UnavailableError, also while another process writes.

        An engine that waits in this way takes over as soon as the other's connection ends.
        """
        if self._connection is not None and alive(self._connection):
            return self._connection
        self.drop()
        made = self._server.connect(f"-c statement_timeout=0 -c client_min_messages=warning -c lock_timeout={HANDOVER}")
        try:
            with self._server.limited(made, HANDOVER / 1_000 + CONNECT_SECONDS):
                made.execute("SELECT pg_advisory_lock(hashtextextended(%s, 1))", (self._schema,))
                made.execute("SET lock_timeout = 0")
        except UnavailableError:
            made.close()
            raise
        except self._server.psycopg.errors.LockNotAvailable as error:
            made.close()
            why = f"Another engine writes the schema {self._schema!r}; this one waits for its end."
            raise self._server.away(why) from error
        self._connection = made
        return made

    def drop(self) -> None:
        """Throw the connection away; the server lets its lock go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def alive(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server has not closed the connection, as far as can be told without asking it."""
    if connection.closed or connection.broken:
        return False
    watch = select.poll()
    watch.register(connection.fileno(), select.POLLIN)
    return not watch.poll(0)  # an idle connection has nothing to say but that it has ended


def first_line(error: BaseException) -> str:
    """The first line of an error's text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
