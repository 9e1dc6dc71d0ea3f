"""Setting a schema aside, so that everything in it is computed again from the log."""

from __future__ import annotations

from wayside.clock import SYSTEM, Clock
from wayside.hot.postgres.columns import quoted
from wayside.hot.postgres.connection import Server, Writer


def set_aside(dsn: str, *, schema: str = "wayside", clock: Clock = SYSTEM) -> str | None:
    """Rename the schema; returns its new name, or null when there is none. Nothing is deleted.

    Raises UnavailableError while an engine writes it, and when the server does not answer.
    """
    server = Server(dsn, clock)
    writer = Writer(server, schema)
    with server.translated():
        connection = writer.take()
        try:
            found = connection.execute("SELECT to_regclass(%s)", (f"{quoted(schema)}._version",)).fetchone()
            if found is None or found[0] is None:
                return None
            kept = f"{schema}_replaced_{clock.now():%Y%m%dT%H%M%S}"
            connection.execute(f"ALTER SCHEMA {quoted(schema)} RENAME TO {quoted(kept)}")
            return kept
        finally:
            writer.drop()
