"""Names of refused rows: by these a row that is met again, in whatever batch, is recognised in the quarantine."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from wayside.dataflow.rows import Rows


def raw_lines(frame: pl.DataFrame) -> list[bytes]:
    """One line of JSON per row: what there is to keep of rows that came as columns."""
    return [line.encode() for line in frame.write_ndjson().splitlines()] if frame.height else []


def refusal_ids(flow: str, rows: Rows, rule: str) -> list[str]:
    """An id per row: flow, partition, offset, its number among the rows of one offset, and the rule."""
    return [f"{flow}/{rows.source}/{offset}/{number}/{rule}" for offset, number in numbered(rows.offsets.tolist())]


def numbered(offsets: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Offsets, each with how many equal ones came before it."""
    met: dict[int, int] = {}
    for offset in offsets:
        number = met.get(offset, 0)
        met[offset] = number + 1
        yield offset, number
