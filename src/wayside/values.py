"""What the ports hand to each other: batches, receipts, checkpoints, commits. Data only.

Schemas are those of Polars; every instant is aware and in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import polars as pl

Position = tuple[str, int]
"""A topic and one of its partitions."""

Tier = Literal["bronze", "silver", "gold"]


def partition_name(topic: str, partition: int) -> str:
    """A partition in one word, under which the lake and saved states know what came from it."""
    return f"{topic}/{partition}"


@dataclass(frozen=True)
class Batch:
    """Rows of one partition in log order. `offsets` is null unless compaction or deduplication left holes.

    `appended` is when the oldest of the rows was appended; `appends` gives that moment for each row when they differ.
    """

    topic: str
    partition: int
    first: int
    next: int
    frame: pl.DataFrame
    appended: datetime
    offsets: pl.Series | None = None
    appends: pl.Series | None = None


@dataclass(frozen=True)
class Appended:
    """Where rows went, one entry per row given. A duplicate carries the offset -1 and is counted.

    `run` is the place of the first row where it is known that the others follow it in the same partition.
    """

    partitions: pl.Series
    offsets: pl.Series
    duplicates: int = 0
    run: tuple[int, int] | None = None


@dataclass(frozen=True)
class PartitionInfo:
    """`start` and `end` are the first kept and the next offset; sizes in bytes; times are those of appending."""

    partition: int
    start: int
    end: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True)
class Checkpoint:
    """What a consumer group had done after a commit: next offset per partition, watermark data, operator state.

    `state` may be older than `positions`: `state_positions` are the offsets it covers, the rest is replayed.
    """

    positions: dict[Position, int]
    sequence: int
    progress: dict[str, Any] = field(default_factory=dict)
    state: dict[str, bytes] | None = None
    state_positions: dict[Position, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Rejection:
    """Why one row of the input was refused: its number in the request, field, rule and a sentence."""

    row: int
    rule: str
    message: str


@dataclass(frozen=True)
class Receipt:
    """Outcome of one hand-over to a feed, known after the durable write: rows in = accepted + rejected + duplicates."""

    appended: Appended
    rejections: tuple[Rejection, ...] = ()
    rejected: int = 0


@dataclass(frozen=True)
class Standing:
    """Partial rows of a window that were open as of one commit, and the next offset of each partition read for it."""

    rows: pl.DataFrame
    positions: dict[Position, int]


@dataclass(frozen=True)
class Commit:
    """What one engine transaction changed; `sequence` grows by one per commit and survives restarts."""

    sequence: int
    at: datetime
    tables: dict[str, pl.DataFrame]
    windows: dict[str, pl.DataFrame]
    late: dict[str, int]


@dataclass
class NodeStatus:
    """One node of the plan as the operator sees it. Rates in records per second, lag in records, times in UTC."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    records: int = 0
    rate: float = 0.0
    lag: int = 0
    late: int = 0
    rejected: int = 0
    watermark: datetime | None = None
    last_record: datetime | None = None
    last_error: str = ""
