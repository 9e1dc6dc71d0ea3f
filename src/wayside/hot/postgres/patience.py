"""A limit on how long a server is waited for that has stopped answering and keeps its connections.

The server's own limits do nothing when the server stands still, and neither does TCP: the kernel below a frozen
process goes on acknowledging. So the connection is shut from this side, and whoever waits in it gets an error.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wayside.clock import SYSTEM

if TYPE_CHECKING:
    import psycopg

_LOOK: Final = 0.25


@dataclass(eq=False)
class _Wait:
    connection: psycopg.Connection[Any]
    until: float
    given_up: bool = False


class Patience:
    """One thread that looks at all waits; it lives while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: set[_Wait] = set()
        self._running = False

    @contextmanager
    def limit(self, connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
        """End the connection when the block takes longer than this. Raises TimeoutError then, in place of its error."""
        wait = _Wait(connection, SYSTEM.monotonic() + seconds)
        with self._lock:
            self._waits.add(wait)
            if not self._running:
                self._running = True
                threading.Thread(target=self._watch, name="wayside-postgres-patience", daemon=True).start()
        try:
            yield
        except Exception as error:
            if wait.given_up:
                raise TimeoutError(f"No answer in {seconds:g} s.") from error
            raise
        finally:
            with self._lock:
                self._waits.discard(wait)

    def _watch(self) -> None:
        idle = 0
        while True:
            SYSTEM.sleep(_LOOK)
            now = SYSTEM.monotonic()
            with self._lock:
                idle = 0 if self._waits else idle + 1
                if idle > 40:
                    self._running = False
                    return
                for wait in self._waits:
                    if now > wait.until and not wait.given_up:
                        wait.given_up = True
                        shut(wait.connection)


def shut(connection: psycopg.Connection[Any]) -> None:
    """Shut the socket below a connection that another thread waits in."""
    # Whatever has become of it meanwhile: who watches must go on watching.
    with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as own:
        own.shutdown(socket.SHUT_RDWR)
