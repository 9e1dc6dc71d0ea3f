"""Checkpoints in SQLite: positions and progress of each group as checked JSON, operator state as checked blobs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import apsw
import msgspec

from wayside import metrics
from wayside.hot.blocks import checksum
from wayside.hot.connection import fetch
from wayside.values import Checkpoint, Position

log = logging.getLogger(__name__)
T = TypeVar("T")

CREATE = """
CREATE TABLE IF NOT EXISTS checkpoints (
    consumers TEXT PRIMARY KEY, crc INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS states (
    id INTEGER PRIMARY KEY, consumers TEXT NOT NULL, name TEXT NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (consumers, name)
);
"""
_COVERED = ""
"""Name under which the positions that a state covers, and the names of its parts, are stored beside it."""


class _Body(msgspec.Struct):
    positions: list[tuple[str, int, int]]
    sequence: int
    progress: dict[str, Any]


class _Covered(msgspec.Struct):
    positions: list[tuple[str, int, int]]
    parts: list[str]


def save(connection: apsw.Connection, group: str, checkpoint: Checkpoint) -> None:
    """Store positions and progress, and the state when it is given (all parts of an older one go)."""
    body = msgspec.json.encode(_Body(_flat(checkpoint.positions), checkpoint.sequence, checkpoint.progress))
    connection.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (group, checksum(body), body))
    if checkpoint.state is None:
        return
    connection.execute("DELETE FROM states WHERE consumers = ?", (group,))
    covered = msgspec.json.encode(_Covered(_flat(checkpoint.state_positions), sorted(checkpoint.state)))
    parts = {_COVERED: covered, **{f"part {name}": part for name, part in checkpoint.state.items()}}
    connection.executemany(
        "INSERT INTO states (consumers, name, crc, body) VALUES (?, ?, ?, ?)",
        [(group, name, checksum(part), part) for name, part in parts.items()],
    )


def load(connection: apsw.Connection, group: str) -> Checkpoint | None:
    """The checkpoint of a group; without its state when that is damaged, and null when all of it is."""
    found = fetch(connection, "SELECT crc, body FROM checkpoints WHERE consumers = ?", (group,))
    if not found:
        return None
    body = _checked(group, "positions", found[0], _Body)
    if body is None:
        return None
    state, covered = _load_state(connection, group)
    return Checkpoint(
        positions=_positions(body.positions),
        sequence=body.sequence,
        progress=body.progress,
        state=state,
        state_positions=covered,
    )


def _load_state(connection: apsw.Connection, group: str) -> tuple[dict[str, bytes] | None, dict[Position, int]]:
    found = fetch(connection, "SELECT name, crc, body FROM states WHERE consumers = ?", (group,))
    stored = {name: (crc, body) for name, crc, body in found}
    if not stored:
        return None, {}
    covered = _checked(group, "state", stored.get(_COVERED), _Covered)
    if covered is None:
        return None, {}
    state = {}
    for part in covered.parts:
        crc, body = stored.get(f"part {part}", (-1, b""))
        if checksum(body) != crc:
            _report(group, f"state part {part!r}")
            return None, {}
        state[part] = body
    return state, _positions(covered.positions)


def _checked(group: str, what: str, stored: Sequence[Any] | None, kind: type[T]) -> T | None:
    if stored is not None and checksum(stored[1]) == stored[0]:
        try:
            return msgspec.json.decode(stored[1], type=kind)
        except msgspec.MsgspecError as error:
            log.error("The checkpoint of %s cannot be read: %s", group, error)
    _report(group, what)
    return None


def _report(group: str, what: str) -> None:
    metrics.damaged("hot")
    log.error(
        "The checkpoint of %s is damaged (%s): it is left out, and what it held is computed again from the log.",
        group,
        what,
    )


def _flat(positions: Mapping[Position, int]) -> list[tuple[str, int, int]]:
    return [(topic, partition, offset) for (topic, partition), offset in sorted(positions.items())]


def _positions(flat: list[tuple[str, int, int]]) -> dict[Position, int]:
    return {(topic, partition): offset for topic, partition, offset in flat}
