"""Recent commits as a store keeps them for processes that run no engine: what changed, in one compressed piece each.

They are kept beside the tables and windows that they changed, in the same transaction, for as long as a follower may
reasonably be away; who was away for longer takes a snapshot of the tables instead.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime

import msgspec
import polars as pl

from wayside.hot import blocks, rules
from wayside.hot.rules import OFFSET
from wayside.specs import TableSpec
from wayside.values import Commit

MOST = 1_024
"""Commits that are kept at most."""
MOST_BYTES = 64 << 20
"""Bytes of them that are kept at most, but for the newest ones since the last look."""


class Packed(msgspec.Struct):
    """A commit as it is stored."""

    sequence: int
    at: datetime
    tables: dict[str, bytes]
    windows: dict[str, bytes]
    late: dict[str, int]


class Changes:
    """Gathers what a transaction changes."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[TableSpec, list[pl.DataFrame]]] = {}
        self._windows: dict[str, list[pl.DataFrame]] = {}
        self._late: dict[str, int] = {}

    def upserted(self, spec: TableSpec, rows: pl.DataFrame) -> None:
        """Rows of a table with offset and tombstone mark."""
        if not rows.is_empty():
            self._tables.setdefault(spec.name, (spec, []))[1].append(rows)

    def closed(self, window: str, rows: pl.DataFrame) -> None:
        """Closed rows of a window."""
        if not rows.is_empty():
            self._windows.setdefault(window, []).append(rows)

    def came_late(self, window: str, rows: int) -> None:
        """A number of late rows."""
        if rows:
            self._late[window] = self._late.get(window, 0) + rows

    def commit(self, sequence: int, at: datetime) -> Commit:
        """All of it."""
        tables = {
            name: (frames[0] if len(frames) == 1 else rules.newest(spec, pl.concat(frames))).drop(OFFSET)
            for name, (spec, frames) in self._tables.items()
        }
        windows = {name: pl.concat(frames) for name, frames in self._windows.items()}
        return Commit(sequence, at, tables, windows, dict(self._late))


def pack(commit: Commit) -> bytes:
    """A commit as bytes."""
    tables = {name: blocks.encode(rows) for name, rows in commit.tables.items()}
    windows = {name: blocks.encode(rows) for name, rows in commit.windows.items()}
    return msgspec.msgpack.encode(Packed(commit.sequence, commit.at, tables, windows, commit.late))


def unpack(body: bytes) -> Commit:
    """The inverse of `pack`."""
    found = msgspec.msgpack.decode(body, type=Packed)
    tables = {name: pl.read_ipc_stream(io.BytesIO(rows)) for name, rows in found.tables.items()}
    windows = {name: pl.read_ipc_stream(io.BytesIO(rows)) for name, rows in found.windows.items()}
    return Commit(found.sequence, found.at, tables, windows, found.late)


class KeptCommits:
    """The port `Commits` over a function that finds the last sequence number and the commits behind another."""

    def __init__(self, find: Callable[[str, int, int], tuple[int, list[Commit]]]) -> None:
        self._find = find

    def after(self, group: str, sequence: int, *, limit: int = 100) -> list[Commit] | None:
        latest, kept = self._find(group, sequence, limit)
        if latest <= sequence:
            return [] if latest == sequence else None
        return kept if kept and kept[0].sequence == sequence + 1 else None
