"""Checkpoints in PostgreSQL, and the recent commits that processes without an engine follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from wayside.errors import UnavailableError
from wayside.hot import commits
from wayside.hot.postgres.columns import quoted
from wayside.values import Checkpoint, Commit, Position

if TYPE_CHECKING:
    import psycopg

COVERED = ""
"""Beside the parts of the state stands what they cover, under the empty name; parts have a prefix."""


LOOK_EVERY = 16
"""Commits between two looks at how many bytes of them are kept."""


class Body(msgspec.Struct):
    """What is stored of a checkpoint beside its sequence number."""

    positions: list[tuple[str, int, int]]
    progress: dict[str, Any]


class Covered(msgspec.Struct):
    """Which offsets a state covers."""

    positions: list[tuple[str, int, int]]


class Checkpoints:
    """The statements; `schema` holds the tables."""

    def __init__(self, schema: str) -> None:
        self._bodies = f"{quoted(schema)}._checkpoints"
        self._states = f"{quoted(schema)}._states"
        self._commits = f"{quoted(schema)}._commits"

    def save(self, cursor: psycopg.Cursor[Any], group: str, checkpoint: Checkpoint) -> None:
        """Store positions and progress, and the state when it is given (all parts of an older one go).

        A checkpoint that does not follow the stored one comes from an engine that another has overtaken: it is
        refused, and with it everything of its transaction.
        """
        body = msgspec.json.encode(Body(_flat(checkpoint.positions), checkpoint.progress)).decode()
        cursor.execute(
            f"INSERT INTO {self._bodies} AS c VALUES (%s, %s, %s) ON CONFLICT (consumers) DO UPDATE "
            "SET sequence = excluded.sequence, body = excluded.body WHERE c.sequence < excluded.sequence",
            (group, checkpoint.sequence, body),
        )
        if cursor.rowcount != 1:
            raise UnavailableError(
                f"Another engine has committed for {group!r}: this one goes back to the checkpoint.",
                why=f"Commit {checkpoint.sequence} is stored already.",
            )
        if checkpoint.state is None:
            return
        covered = msgspec.json.encode(Covered(_flat(checkpoint.state_positions)))
        parts = {COVERED: covered, **{f"part {name}": part for name, part in checkpoint.state.items()}}
        cursor.execute(f"DELETE FROM {self._states} WHERE consumers = %s AND name <> ALL(%s)", (group, list(parts)))
        cursor.executemany(
            f"INSERT INTO {self._states} VALUES (%s, %s, %s) "
            "ON CONFLICT (consumers, name) DO UPDATE SET body = excluded.body",
            [(group, name, part) for name, part in parts.items()],
        )

    def load(self, cursor: psycopg.Cursor[Any], group: str) -> Checkpoint | None:
        """The checkpoint of a group."""
        found = cursor.execute(f"SELECT sequence, body::text FROM {self._bodies} WHERE consumers = %s", (group,))
        if (row := found.fetchone()) is None:
            return None
        body = msgspec.json.decode(row[1], type=Body)
        parts = cursor.execute(f"SELECT name, body FROM {self._states} WHERE consumers = %s", (group,), binary=True)
        stored = {name: bytes(part) for name, part in parts.fetchall()}
        covered = stored.pop(COVERED, None)
        state = None if covered is None else {name.removeprefix("part "): part for name, part in stored.items()}
        places = msgspec.json.decode(covered, type=Covered).positions if covered else []
        return Checkpoint(_positions(body.positions), int(row[0]), body.progress, state, _positions(places))

    def remember(self, cursor: psycopg.Cursor[Any], group: str, commit: Commit) -> None:
        """Keep a commit for those who follow, and let the oldest go."""
        packed = commits.pack(commit)
        cursor.execute(
            f"INSERT INTO {self._commits} VALUES (%s, %s, %s, %s)", (group, commit.sequence, len(packed), packed)
        )
        cursor.execute(
            f"DELETE FROM {self._commits} WHERE consumers = %s AND sequence <= %s",
            (group, commit.sequence - commits.MOST),
        )
        if commit.sequence % LOOK_EVERY == 0:
            cursor.execute(
                f"DELETE FROM {self._commits} WHERE consumers = %s AND sequence <= (SELECT max(sequence) FROM "
                "(SELECT sequence, sum(bytes) OVER (ORDER BY sequence DESC) AS held "
                f"FROM {self._commits} WHERE consumers = %s) newest WHERE held > %s)",
                (group, group, commits.MOST_BYTES),
            )

    def after(self, cursor: psycopg.Cursor[Any], group: str, sequence: int, limit: int) -> tuple[int, list[Commit]]:
        """The last sequence number, and kept commits behind another."""
        found = cursor.execute(f"SELECT sequence FROM {self._bodies} WHERE consumers = %s", (group,)).fetchone()
        latest = int(found[0]) if found else 0
        if latest <= sequence:
            return latest, []
        kept = cursor.execute(
            f"SELECT body FROM {self._commits} WHERE consumers = %s AND sequence > %s ORDER BY sequence LIMIT %s",
            (group, sequence, limit),
            binary=True,
        )
        return latest, [commits.unpack(bytes(body)) for (body,) in kept.fetchall()]


def _flat(positions: Mapping[Position, int]) -> list[tuple[str, int, int]]:
    return [(topic, partition, offset) for (topic, partition), offset in sorted(positions.items())]


def _positions(flat: list[tuple[str, int, int]]) -> dict[Position, int]:
    return {(topic, partition): offset for topic, partition, offset in flat}
