"""Merging small window blocks, so that a query over a day reads few of them.

Eight neighbours of one level (or fewer, when they are large) become one of the next, sorted and cut into pieces by
key: a query for one key then reads one small piece of each. Blocks of different days are not merged, and a block
stops growing at `FULL_ROWS`. The reading
and encoding happens outside the writer's lock; only the exchange of the blocks is a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw
import polars as pl

from wayside.hot import rules, windows
from wayside.hot.rules import SEQUENCE
from wayside.specs import WindowSpec

FAN_IN = 8
MOST_ROWS = 262_144
FULL_ROWS = MOST_ROWS // 2
PIECE_ROWS = 8_192
DAMAGED = -1
_DAY = 86_400_000_000


@dataclass(frozen=True)
class Group:
    """The pieces of one block: the sequences that they cover, their level, rows and day."""

    first: int
    last: int
    level: int
    rows: int
    day: int


@dataclass(frozen=True)
class Merge:
    """What replaces what: the ids of the old blocks, the new pieces, and their place.

    Where one of the old blocks is damaged nothing is replaced; that block is left where it is and out of later merges.
    """

    ids: tuple[int, ...]
    damaged: tuple[int, ...]
    pieces: tuple[pl.DataFrame, ...]
    place: tuple[int, int, int, int]


def plan(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The first run of neighbours that is worth merging; empty when there is none."""
    run: list[Group] = []
    for group in groups:
        if run and not _fits(run, group):
            if _worth(run):
                return tuple(run)
            run = []
        if group.level == 0 or (group.level > DAMAGED and group.rows < FULL_ROWS):
            run.append(group)
        if len(run) >= FAN_IN * 4:
            return tuple(run)
    return tuple(run) if _worth(run) else ()


def _fits(run: Sequence[Group], group: Group) -> bool:
    rows = sum(member.rows for member in run)
    return (group.level, group.day) == (run[0].level, run[0].day) and rows + group.rows <= MOST_ROWS


def _worth(run: Sequence[Group]) -> bool:
    """Enough neighbours, or enough rows to be cut by key; a large block that came at once is cut by itself."""
    return len(run) >= FAN_IN or sum(group.rows for group in run) >= FULL_ROWS


def groups(connection: apsw.Connection, spec: WindowSpec) -> list[Group]:
    """The blocks of a window in the order of their sequences."""
    found = connection.execute(
        "SELECT first, last, max(level), sum(rows), max(max_start) FROM window_blocks WHERE window = ? "
        "GROUP BY first, last ORDER BY first",
        (spec.name,),
    )
    return [Group(first, last, level, rows, start // _DAY) for first, last, level, rows, start in found]


def read(connection: apsw.Connection, spec: WindowSpec, run: Sequence[Group]) -> Merge:
    """Read a run and make its replacement."""
    first, last = run[0].first, run[-1].last
    found = connection.execute(
        "SELECT id, first, last, min_start, max_start, stored, crc, body FROM window_blocks "
        "WHERE window = ? AND first >= ? AND last <= ?",
        (spec.name, first, last),
    )
    ids, damaged, spans, newest = [], [], [], 0
    frames = [pl.DataFrame(schema=windows.sequenced(spec))]
    for number, start, end, low, high, stored, crc, body in found:
        rows = windows.read(spec, (number, crc, body), start)
        if rows is None:
            damaged.append(number)
            continue
        ids.append(number)
        frames.append(rows)
        spans.append((low, high, start, end))
        newest = max(newest, stored)
    rows = pl.concat(frames)
    if windows.overlapping(spans):
        rows = rules.newest_windows(spec, rows)
    rows = rows.sort(*spec.by, "window_start", "window_end").select([*spec.schema, SEQUENCE])
    level = 1 + max(group.level for group in run)
    return Merge(tuple(ids), tuple(damaged), tuple(rows.iter_slices(PIECE_ROWS)), (first, last, level, newest))


class GoneError(Exception):
    """A block that was to be replaced has expired meanwhile; the transaction must be rolled back."""


def exchange(connection: apsw.Connection, spec: WindowSpec, merge: Merge) -> None:
    """Put the new pieces in the place of the old blocks. Raises GoneError."""
    if merge.damaged:
        marked = [(DAMAGED, number) for number in merge.damaged]
        connection.executemany("UPDATE window_blocks SET level = ? WHERE id = ?", marked)
        return
    marks = ", ".join("?" * len(merge.ids))
    connection.execute(f"DELETE FROM window_blocks WHERE id IN ({marks})", merge.ids)
    if connection.changes() != len(merge.ids):
        raise GoneError
    for piece in merge.pieces:
        windows.insert(connection, spec, piece, merge.place)
