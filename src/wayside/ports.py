"""The interface of the whole system: every port that a stage offers or needs.

A port is small, has an in-memory twin, and one contract suite that each implementation passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import polars as pl

from wayside.specs import TableSpec, TopicSpec, WindowSpec
from wayside.values import (
    Appended,
    Batch,
    Checkpoint,
    Commit,
    NodeStatus,
    PartitionInfo,
    Position,
    Receipt,
    Standing,
    Tier,
)


class Broker(Protocol):
    """The durable ordered log."""

    def create(self, spec: TopicSpec) -> None:
        """Create the topic, or check that an existing one has the same schema; adding nullable columns is allowed."""

    def delete(self, topic: str) -> None:
        """Delete a topic with its records and forget what groups have committed for it; it can be created anew."""

    def topics(self) -> dict[str, TopicSpec]: ...

    def append(
        self, topic: str, frame: pl.DataFrame, *, ids: pl.Series | None = None, partition: int | None = None
    ) -> Future[Appended]:
        """Queue rows; the future resolves after they are durable. Raises OverloadedError when the queue is full."""

    def read(self, topic: str, partition: int, offset: int, *, max_rows: int = 100_000) -> Batch | None:
        """Rows from `offset` on (at least one entry, several while they fit), or null at the end of the log.

        An offset before the start raises OffsetOutOfRangeError; damaged entries are skipped loudly.
        """

    def partitions(self, topic: str) -> list[PartitionInfo]: ...

    def seek(self, topic: str, partition: int, time: datetime, *, by: Literal["append", "event"] = "event") -> int:
        """The first offset whose entry may hold a record at or after `time`; the end if there is none."""

    def commit(self, group: str, positions: Mapping[Position, int]) -> None:
        """Durably set the next offsets that the group will read. Positions never move backwards by themselves."""

    def committed(self, group: str) -> dict[Position, int]: ...

    def wait(self, positions: Mapping[Position, int], timeout: float) -> bool:
        """Block until one of the partitions has rows at or beyond its position, or `timeout` seconds have passed."""

    def maintain(self) -> None:
        """Apply retention and compaction now."""

    def close(self) -> None: ...


class HotTransaction(Protocol):
    """Everything that one micro-batch changes; all of it or nothing."""

    def upsert(self, table: str, rows: pl.DataFrame) -> None:
        """Rows of the table's schema plus `_offset` (Int64) and `_deleted` (Boolean); the newest (time, offset) wins.

        A deleted row stays as a tombstone, so that an older record cannot bring it back.
        """

    def append_windows(self, window: str, rows: pl.DataFrame) -> None:
        """Closed windows as partial rows (`WindowSpec.schema`); each (window_start, window_end, key) arrives once."""

    def append_late(self, window: str, rows: pl.DataFrame) -> None:
        """Rows that came after their window had closed, with `_topic`, `_partition` and `_offset`."""

    def save(self, group: str, checkpoint: Checkpoint) -> None:
        """Store positions and progress; the state only when it is not null."""


class Commits(Protocol):
    """The recent commits of a hot store, as other processes follow them."""

    def after(self, group: str, sequence: int, *, limit: int = 100) -> list[Commit] | None:
        """The group's commits behind `sequence`, in order.

        Null when some of them are not kept, and when `sequence` lies beyond the last one.
        """


class HotStore(Protocol):
    """What is true now: tables, recent windows, late rows, and the checkpoints that belong to them."""

    def ensure(self, tables: Sequence[TableSpec], windows: Sequence[WindowSpec]) -> None:
        """Create what is missing; a changed schema that cannot be migrated is refused with the way to rebuild."""

    def transaction(self) -> AbstractContextManager[HotTransaction]: ...

    def checkpoint(self, group: str) -> Checkpoint | None: ...

    @property
    def commits(self) -> Commits:
        """What the last transactions changed, for processes that run no engine."""

    def table(
        self,
        name: str,
        *,
        where: Mapping[str, Sequence[Any]] | None = None,
        search: str = "",
        limit: int = 1_000,
        after: tuple[Any, ...] | None = None,
    ) -> pl.DataFrame:
        """Live rows in key order, filtered by allowed values per column and a text found in a search column."""

    def count(self, name: str) -> int:
        """Number of live rows of a table."""

    def windows(
        self, name: str, start: datetime, end: datetime, *, where: Mapping[str, Sequence[Any]] | None = None
    ) -> pl.DataFrame:
        """Closed windows that lie wholly inside [start, end), as partial rows ordered by start and key."""

    def late(self, name: str, *, limit: int = 1_000) -> pl.DataFrame:
        """Newest late rows of a window."""

    def late_count(self, name: str) -> int:
        """Number of late rows of a window that are kept; a row that is met again is not counted again."""

    def windows_after(self, name: str, sequence: int, *, max_rows: int = 500_000) -> tuple[int, pl.DataFrame]:
        """Closed rows stored after internal position `sequence`, and the position reached (for the lake).

        Rows carry the position at which they were stored as `_seq`: of two rows of one window and key, which only
        a recomputation leaves, the greater is the valid one.
        """

    def expire(self, before: datetime) -> int:
        """Drop windows and late rows stored before `before`, and tombstones of an earlier event time.

        Returns the number of blocks dropped. By the time of storing, a replay of old records keeps its results.
        """

    def compact(self) -> int:
        """Merge small blocks of windows and late rows, beside everything else; returns the number of merges."""

    def close(self) -> None: ...


class Lake(Protocol):
    """What was true: open tables in three tiers, appended exactly once per (app, version)."""

    def append(self, tier: Tier, name: str, rows: pl.DataFrame, *, app: str, version: int, time: str = "") -> None:
        """Append rows and the application transaction in one commit; a version already applied is a no-op.

        `time` names the column of the event time, which rows are filed by; without it, the first instant.
        """

    def version(self, tier: Tier, name: str, app: str) -> int:
        """The last version applied by `app`, or -1."""

    def scan(self, tier: Tier, name: str) -> pl.LazyFrame: ...

    def tables(self) -> list[tuple[Tier, str]]: ...

    def maintain(self, *, keep: timedelta) -> None:
        """Compact small files and drop what is older than `keep`."""


class Intake(Protocol):
    """The door of one feed: decode, validate, quarantine what breaks a rule, append what does not."""

    @property
    def feed(self) -> str: ...

    @property
    def topic(self) -> str: ...

    def submit(self, lines: Sequence[bytes], *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """One JSON object per element. Raises OverloadedError before memory grows past its cap."""

    def submit_block(self, ndjson: bytes, *, ids: Sequence[str] | None = None) -> Future[Receipt]: ...

    def submit_frame(self, frame: pl.DataFrame, *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """Rows of the feed's wire record (columns may be text; they are cast with the record's rules)."""


class Engine(Protocol):
    """What runs a plan."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def open_windows(self, name: str) -> pl.DataFrame:
        """Partial rows of the windows that are still open, as of the last commit."""

    def standing(self, name: str) -> Standing:
        """The same with the offsets up to which the log is counted in them: rows and offsets belong together."""

    def status(self) -> list[NodeStatus]: ...

    def subscribe(self, listener: Callable[[Commit], None]) -> Callable[[], None]:
        """Call `listener` after each commit, in order; returns the function that ends it."""
