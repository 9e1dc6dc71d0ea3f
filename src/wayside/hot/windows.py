"""Closed windows in SQLite, as columnar blocks: one database row holds thousands of window rows.

Why blocks: a busy plan closes tens of thousands of window rows per commit, and at 1.5 µs per inserted row they would
cost more than everything else. One blob of 37,000 rows takes 5 ms to encode and 370 KB to store.

A block carries what a query needs to pass it by: the span of its windows and the range of its first key column.
`first` and `last` are the sequence numbers that it covers; blocks of one window never overlap in them, so that a
reader of `after` sees each row once even while `compaction` merges neighbours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Any

import apsw
import polars as pl

from wayside.errors import CorruptDataError
from wayside.hot import blocks, rules
from wayside.hot.columns import literals, to_cells
from wayside.hot.rules import SEQUENCE
from wayside.specs import WindowSpec

log = logging.getLogger(__name__)

CREATE = """
CREATE TABLE IF NOT EXISTS window_blocks (
    id INTEGER PRIMARY KEY, window TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    level INTEGER NOT NULL, rows INTEGER NOT NULL, min_start INTEGER NOT NULL, max_start INTEGER NOT NULL,
    min_end INTEGER NOT NULL, min_key, max_key, stored INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS window_blocks_last ON window_blocks (window, last);
CREATE INDEX IF NOT EXISTS window_blocks_start ON window_blocks (window, max_start, min_end);
"""
_INSERT = f"INSERT INTO window_blocks VALUES (NULL, {', '.join('?' * 13)})"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_POINTS = 64
_FILTERED_ROWS = 262_144


def append(connection: apsw.Connection, spec: WindowSpec, rows: pl.DataFrame, sequence: int, stored: datetime) -> None:
    """Store closed rows as one block, as they come: sorting them is left to `compaction`, off the engine's path."""
    rows = rules.conform(rows, spec.schema, where=f"window {spec.name!r}")
    insert(connection, spec, rows, (sequence, sequence, 0, micros(stored)))


def insert(connection: apsw.Connection, spec: WindowSpec, rows: pl.DataFrame, place: tuple[int, int, int, int]) -> None:
    """Store one block; `place` is its first and last sequence, its level and when it was stored."""
    first, last, level, stored = place
    body = blocks.encode(rows)
    starts, ends = rows["window_start"].cast(pl.Int64), rows["window_end"].cast(pl.Int64)
    span = (starts.min(), starts.max(), ends.min())
    low, high = key_range(spec, rows)
    connection.execute(
        _INSERT,
        (spec.name, first, last, level, rows.height, *span, low, high, stored, blocks.checksum(body), body),
    )


def between(
    connection: apsw.Connection,
    spec: WindowSpec,
    start: datetime,
    end: datetime,
    where: Mapping[str, Sequence[Any]],
) -> pl.DataFrame:
    """Closed windows inside [start, end), the newest per (start, end, key), ordered by start and key."""
    for column in where:
        rules.check_column(column, spec.schema, name=spec.name)
    by_key = {column: values for column, values in where.items() if column in spec.by}
    others = {column: values for column, values in where.items() if column not in spec.by}
    condition, values = _prune(spec, by_key)
    found = connection.execute(
        "SELECT id, first, last, min_start, max_start, crc, body FROM window_blocks "
        f"WHERE window = ? AND max_start >= ? AND min_end <= ? {condition} ORDER BY first",
        (spec.name, micros(start), micros(end), *values),
    )
    spans: list[tuple[int, int, int, int]] = []
    rows = _collected(_decoded(spec, found, spans), rules.inside(start, end), by_key, spec)
    if overlapping(spans):
        rows = rules.newest_windows(spec, rows)
    rows = rules.allowed(rows.select(list(spec.schema)), others, name=spec.name)
    return rows.sort("window_start", *spec.by, "window_end")


def _decoded(
    spec: WindowSpec, found: Iterable[Sequence[Any]], spans: list[tuple[int, int, int, int]]
) -> Iterator[pl.DataFrame]:
    """Blocks as they are read; what they span is added to `spans`."""
    for number, first, last, low, high, crc, body in found:
        rows = read(spec, (number, crc, body), first)
        if rows is not None:
            spans.append((low, high, first, last))
            yield rows


def _collected(
    frames: Iterable[pl.DataFrame], inside: pl.Expr, by_key: Mapping[str, Sequence[Any]], spec: WindowSpec
) -> pl.DataFrame:
    """The wanted rows of many blocks. Filtering has a price per call, so that small blocks are gathered first."""
    kept = [pl.DataFrame(schema=sequenced(spec))]
    pending: list[pl.DataFrame] = []
    for frame in chain(frames, [None]):
        if frame is not None:
            pending.append(frame)
        if pending and (frame is None or sum(one.height for one in pending) >= _FILTERED_ROWS):
            kept.append(blocks.released(rules.allowed(pl.concat(pending).filter(inside), by_key, name=spec.name)))
            pending = []
    return pl.concat(kept)


def after(connection: apsw.Connection, spec: WindowSpec, sequence: int, max_rows: int) -> tuple[int, pl.DataFrame]:
    """Rows stored after `sequence` in the order of storing, and the position reached."""
    found = connection.execute(
        "SELECT id, first, last, crc, body FROM window_blocks WHERE window = ? AND last > ? ORDER BY last, id",
        (spec.name, sequence),
    )
    frames: list[pl.DataFrame] = []
    held, covered = 0, sequence
    for number, first, last, crc, body in found:
        if held > max_rows and last != covered:
            break
        covered = last
        rows = read(spec, (number, crc, body), first)
        if rows is not None:
            frames.append(rows.filter(pl.col(SEQUENCE) > sequence))
            held += frames[-1].height
    if not held:
        return covered, pl.DataFrame(schema=sequenced(spec))
    reached, rows = rules.cut(pl.concat(frames), max_rows)
    return (reached if rows.height < held else covered), rows


def read(spec: WindowSpec, block: tuple[int, int, bytes], sequence: int) -> pl.DataFrame | None:
    """One block (id, checksum, body) with its sequence numbers; a damaged one is reported and passed by."""
    number, crc, body = block
    try:
        rows = blocks.decode(body, crc, where=f"window {spec.name!r}, block {number}")
    except CorruptDataError as error:
        log.error("%s", error)
        return None
    if SEQUENCE not in rows.columns:
        rows = rows.with_columns(pl.lit(sequence, pl.Int64).alias(SEQUENCE))
    return rules.widen(rows, sequenced(spec))


def sequenced(spec: WindowSpec) -> pl.Schema:
    """Columns of a window's rows and the sequence number of the commit that stored them."""
    return pl.Schema({**spec.schema, SEQUENCE: pl.Int64()})


def overlapping(spans: Sequence[tuple[int, int, int, int]]) -> bool:
    """Whether two blocks of different sequences (min_start, max_start, first, last) may hold the same window."""
    furthest: dict[tuple[int, int], tuple[int, int]] = {}
    for low, high, first, last in spans:
        old = furthest.get((first, last), (low, high))
        furthest[first, last] = (min(low, old[0]), max(high, old[1]))
    ordered = sorted(furthest.values())
    return any(one[1] >= two[0] for one, two in pairwise(ordered))


def key_range(spec: WindowSpec, rows: pl.DataFrame) -> tuple[Any, Any]:
    """Least and greatest cell of the first key column; nulls where the order of cells says nothing."""
    if not spec.by or not _ordered(spec.input[spec.by[0]]):
        return None, None
    column = rows[spec.by[0]]
    if column.has_nulls():
        return None, None
    low, high = to_cells(pl.Series([column.min(), column.max()], dtype=column.dtype))
    return low, high


def micros(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _ordered(dtype: pl.DataType) -> bool:
    return (
        dtype in (pl.String, pl.Date, pl.Boolean) or dtype == pl.Datetime or (dtype.is_integer() and dtype != pl.UInt64)
    )


def _prune(spec: WindowSpec, by_key: Mapping[str, Sequence[Any]]) -> tuple[str, list[Any]]:
    """A condition that passes by the blocks whose key range holds none of the wanted values."""
    wanted = by_key.get(spec.by[0]) if spec.by else None
    if wanted is None or None in wanted or not wanted or not _ordered(spec.input[spec.by[0]]):
        return "", []
    cells = sorted(set(literals(wanted, spec.input[spec.by[0]])))
    points = [(cell, cell) for cell in cells] if len(cells) <= _MOST_POINTS else [(cells[0], cells[-1])]
    ranges = " OR ".join("(min_key <= ? AND max_key >= ?)" for _ in points)
    return f"AND (min_key IS NULL OR {ranges})", [cell for low, high in points for cell in (high, low)]


def expire(connection: apsw.Connection, before: int) -> int:
    """Drop blocks that were stored before `before` (microseconds); returns their number."""
    connection.execute("DELETE FROM window_blocks WHERE stored < ?", (before,))
    return connection.changes()
