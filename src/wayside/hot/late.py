"""Late rows in SQLite: blocks per log partition, each row once by its place in the log.

A recomputation meets the same rows again; those whose place is stored already are left out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import apsw
import numpy as np
import polars as pl

from wayside.errors import CorruptDataError
from wayside.hot import blocks, rules
from wayside.hot.connection import fetch
from wayside.hot.rules import LATE_PLACE, OFFSET, SEQUENCE
from wayside.hot.windows import micros
from wayside.specs import WindowSpec

log = logging.getLogger(__name__)

CREATE = """
CREATE TABLE IF NOT EXISTS late_blocks (
    id INTEGER PRIMARY KEY, window TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    last INTEGER NOT NULL, level INTEGER NOT NULL, rows INTEGER NOT NULL, min_offset INTEGER NOT NULL,
    max_offset INTEGER NOT NULL, stored INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS late_blocks_last ON late_blocks (window, last);
CREATE INDEX IF NOT EXISTS late_blocks_offset ON late_blocks (window, topic, partition, max_offset);
"""
_INSERT = f"INSERT INTO late_blocks VALUES (NULL, {', '.join('?' * 11)})"
FAN_IN = 64
_MOST_ROWS = 100_000
_HIGHEST_LEVEL = 3


def append(connection: apsw.Connection, spec: WindowSpec, rows: pl.DataFrame, sequence: int, stored: datetime) -> None:
    """Store the rows that are not there yet."""
    rows = rules.conform(rows, rules.late_schema(spec), where=f"late rows of {spec.name!r}")
    for place, part in _by_partition(rows):
        stamped = part.hstack([pl.Series(SEQUENCE, [sequence], dtype=pl.Int64).new_from_index(0, part.height)])
        fresh = _unknown(connection, spec, place, stamped)
        if not fresh.is_empty():
            _insert(connection, (spec.name, *place), fresh, (sequence, 0, micros(stored)))


def newest(connection: apsw.Connection, spec: WindowSpec, limit: int) -> pl.DataFrame:
    """The rows that came last, newest first."""
    found = connection.execute(
        "SELECT id, crc, body FROM late_blocks WHERE window = ? ORDER BY last DESC, id DESC", (spec.name,)
    )
    frames: list[pl.DataFrame] = []
    for block in found:
        frames += _read(spec, block)
        if sum(frame.height for frame in frames) >= limit:
            break
    rows = pl.concat(frames) if frames else pl.DataFrame(schema=_stamped(spec))
    rows = rows.sort(SEQUENCE, OFFSET, descending=True, maintain_order=True).head(limit)
    return rows.select(list(rules.late_schema(spec)))


def count(connection: apsw.Connection, name: str) -> int:
    """Number of late rows that are kept."""
    return int(connection.execute("SELECT coalesce(sum(rows), 0) FROM late_blocks WHERE window = ?", (name,)).get)


def expire(connection: apsw.Connection, before: int) -> int:
    """Drop blocks that were stored before `before` (microseconds); returns their number."""
    connection.execute("DELETE FROM late_blocks WHERE stored < ?", (before,))
    return connection.changes()


def compact(connection: apsw.Connection, spec: WindowSpec) -> int:
    """Merge small blocks of each partition; returns the number of merges. Late rows are few, so this is short."""
    groups = fetch(
        connection,
        "SELECT topic, partition, level FROM late_blocks WHERE window = ? AND level < ? AND rows < ? "
        "GROUP BY topic, partition, level HAVING count(*) >= ?",
        (spec.name, _HIGHEST_LEVEL, _MOST_ROWS // 2, FAN_IN),
    )
    for topic, partition, level in groups:
        _merge(connection, spec, (topic, partition), level)
    return len(groups)


def _merge(connection: apsw.Connection, spec: WindowSpec, place: tuple[str, int], level: int) -> None:
    found = fetch(
        connection,
        "SELECT id, crc, body, last, stored FROM late_blocks WHERE window = ? AND topic = ? AND partition = ? "
        "AND level = ? AND rows < ? ORDER BY last LIMIT ?",
        (spec.name, *place, level, _MOST_ROWS // 2, FAN_IN),
    )
    whole = [(block, frames[0]) for block in found if (frames := _read(spec, block[:3]))]
    damaged = {block[0] for block in found} - {block[0] for block, _ in whole}
    connection.executemany("UPDATE late_blocks SET level = ? WHERE id = ?", [(_HIGHEST_LEVEL, one) for one in damaged])
    connection.executemany("DELETE FROM late_blocks WHERE id = ?", [(block[0],) for block, _ in whole])
    if whole:
        last, stored = max(block[3] for block, _ in whole), max(block[4] for block, _ in whole)
        _insert(connection, (spec.name, *place), pl.concat([rows for _, rows in whole]), (last, level + 1, stored))


def _insert(
    connection: apsw.Connection, where: tuple[str, str, int], rows: pl.DataFrame, place: tuple[int, int, int]
) -> None:
    last, level, stored = place
    body = blocks.encode(rows)
    span = (rows[OFFSET].min(), rows[OFFSET].max())
    connection.execute(_INSERT, (*where, last, level, rows.height, *span, stored, blocks.checksum(body), body))


def _by_partition(rows: pl.DataFrame) -> list[tuple[tuple[str, int], pl.DataFrame]]:
    """The rows of each partition, each row once. Usually they are one partition's, in order, and nothing is grouped:
    where most rows are late, finding repeated ones took more than storing them."""
    topics, partitions = rows["_topic"], rows["_partition"]
    together = (topics == topics[0]).all() and (partitions == partitions[0]).all()
    if together and (np.diff(rows[OFFSET].to_numpy()) > 0).all():
        return [((topics[0], partitions[0]), rows)]
    rows = rows.unique(LATE_PLACE, keep="first", maintain_order=True)
    parts = rows.partition_by("_topic", "_partition", as_dict=True)
    return [((str(topic), int(partition)), part) for (topic, partition), part in parts.items()]


def _unknown(connection: apsw.Connection, spec: WindowSpec, place: tuple[str, int], rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of one partition whose offset is not stored yet. In ordinary running no block overlaps."""
    found = connection.execute(
        "SELECT id, crc, body FROM late_blocks WHERE window = ? AND topic = ? AND partition = ? "
        "AND max_offset >= ? AND min_offset <= ?",
        (spec.name, *place, rows[OFFSET].min(), rows[OFFSET].max()),
    ).fetchall()
    for block in found:
        for known in _read(spec, block):
            rows = rows.join(known, on=OFFSET, how="anti", maintain_order="left")
    return rows


def _read(spec: WindowSpec, block: Sequence[Any]) -> list[pl.DataFrame]:
    number, crc, body = block
    try:
        rows = blocks.decode(body, crc, where=f"late rows of {spec.name!r}, block {number}")
    except CorruptDataError as error:
        log.error("%s", error)
        return []
    return [rules.widen(rows, _stamped(spec))]


def _stamped(spec: WindowSpec) -> pl.Schema:
    return pl.Schema({**rules.late_schema(spec), SEQUENCE: pl.Int64()})
