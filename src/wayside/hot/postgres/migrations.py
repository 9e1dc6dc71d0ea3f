"""The layout of the schema beside the declared tables, and how an older layout becomes the present one.

wayside.<table>                 a table: its columns, _offset, _deleted, _search
wayside.<window>                closed windows: start, end, keys, partials, _seq, _stored
wayside.<window>__late          late rows: the input's columns, _topic, _partition, _offset, _seq, _stored
wayside._definitions, _checkpoints, _states, _commits, _sequence, _version    the store's own
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wayside.errors import StorageFailedError
from wayside.hot.postgres.columns import quoted

if TYPE_CHECKING:
    import psycopg

STEPS = (
    # 1: the first layout
    """
CREATE TABLE {schema}._definitions (kind text, name text, body text NOT NULL, PRIMARY KEY (kind, name));
CREATE TABLE {schema}._sequence (one int PRIMARY KEY CHECK (one = 1), last bigint NOT NULL);
INSERT INTO {schema}._sequence VALUES (1, 0);
CREATE TABLE {schema}._checkpoints (consumers text PRIMARY KEY, sequence bigint NOT NULL, body json NOT NULL);
CREATE TABLE {schema}._states (consumers text, name text, body bytea NOT NULL, PRIMARY KEY (consumers, name));
ALTER TABLE {schema}._states ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE {schema}._commits (
    consumers text, sequence bigint, bytes bigint NOT NULL, body bytea NOT NULL, PRIMARY KEY (consumers, sequence)
);
ALTER TABLE {schema}._commits ALTER COLUMN body SET STORAGE EXTERNAL;
""",
)


def migrate(cursor: psycopg.Cursor[Any], schema: str, *, where: str) -> None:
    """Bring the schema to the present layout, once, however many processes try. Raises StorageFailedError."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", (schema,))
    version = quoted(schema) + "._version"
    there = cursor.execute("SELECT to_regclass(%s)", (version,)).fetchone()
    if there is None or there[0] is None:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        cursor.execute(f"CREATE TABLE {version} (one int PRIMARY KEY CHECK (one = 1), version int NOT NULL)")
        cursor.execute(f"INSERT INTO {version} VALUES (1, 0)")
    found = cursor.execute(f"SELECT version FROM {version}").fetchone()
    at = int(found[0]) if found else 0
    if at > len(STEPS):
        raise StorageFailedError(
            f"A newer Wayside has written this store: its layout is {at}, and this one knows up to {len(STEPS)}.",
            where=where,
            next="Use that Wayside, or another schema.",
        )
    for step in STEPS[at:]:
        cursor.execute(step.format(schema=quoted(schema)))
    if at < len(STEPS):
        cursor.execute(f"UPDATE {version} SET version = %s", (len(STEPS),))
