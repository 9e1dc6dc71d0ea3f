"""The hot store in memory, for tests and for what need not outlive the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from wayside.clock import SYSTEM, Clock
from wayside.hot import commits, definitions, rules
from wayside.hot.columns import folded, search_text
from wayside.hot.rules import DELETED, LATE_PLACE, OFFSET, SEQUENCE
from wayside.specs import TIME, TableSpec, WindowSpec
from wayside.values import Checkpoint, Commit

STORED = "_stored"


@dataclass
class _State:
    """Everything there is; frames are never changed in place, so that a shallow copy is a snapshot."""

    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    windows: dict[str, pl.DataFrame] = field(default_factory=dict)
    late: dict[str, pl.DataFrame] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    commits: dict[str, tuple[Commit, ...]] = field(default_factory=dict)
    sequence: int = 0

    def copy(self) -> _State:
        return _State(
            dict(self.tables),
            dict(self.windows),
            dict(self.late),
            dict(self.checkpoints),
            dict(self.commits),
            self.sequence,
        )


class MemoryTransaction:
    """Changes staged on a copy, which replaces the original when the transaction ends well."""

    def __init__(self, declared: definitions.Declared, state: _State, now: datetime) -> None:
        self._declared = declared
        self._state = state
        self._now = now
        self._changes = commits.Changes()

    def upsert(self, table: str, rows: pl.DataFrame) -> None:
        spec = self._declared.table(table)
        fresh = rules.newest(spec, rows)
        self._state.tables[table] = rules.newest(spec, pl.concat([self._state.tables[table], fresh]))
        self._changes.upserted(spec, fresh)

    def append_windows(self, window: str, rows: pl.DataFrame) -> None:
        spec = self._declared.window(window)
        fresh = rules.conform(rows, spec.schema, where=f"window {window!r}")
        self._state.windows[window] = self._stamped(self._state.windows[window], fresh)
        self._changes.closed(window, fresh)

    def append_late(self, window: str, rows: pl.DataFrame) -> None:
        spec = self._declared.window(window)
        known = self._state.late[window]
        late = rules.conform(rows, rules.late_schema(spec), where=f"late rows of {window!r}")
        fresh = late.unique(LATE_PLACE, keep="first", maintain_order=True)
        fresh = fresh.join(known, on=LATE_PLACE, how="anti", maintain_order="left")
        self._state.late[window] = self._stamped(known, fresh)
        self._changes.came_late(window, late.height)

    def save(self, group: str, checkpoint: Checkpoint) -> None:
        before = self._state.checkpoints.get(group)
        if checkpoint.state is None:
            state = before.state if before else None
            covered = before.state_positions if before else {}
            checkpoint = replace(checkpoint, state=state, state_positions=covered)
        progress = msgspec.json.decode(msgspec.json.encode(checkpoint.progress))
        self._state.checkpoints[group] = replace(checkpoint, progress=progress)
        kept = (*self._state.commits.get(group, ()), self._changes.commit(checkpoint.sequence, self._now))
        self._state.commits[group] = kept[-commits.MOST :]

    def _stamped(self, known: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
        if fresh.is_empty():
            return known
        self._state.sequence += 1
        sequence = pl.lit(self._state.sequence, pl.Int64).alias(SEQUENCE)
        return pl.concat([known, fresh.with_columns(sequence, pl.lit(self._now, TIME).alias(STORED))])


class MemoryStore:
    """A hot store whose content is gone with the process. Any thread may read; one transaction runs at a time."""

    rebuilt = False

    def __init__(self, *, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._state = _State()
        self._declared = definitions.Declared()
        self._writing = threading.RLock()
        self.commits = commits.KeptCommits(self._commits)

    def ensure(self, tables: Sequence[TableSpec], windows: Sequence[WindowSpec]) -> None:
        with self._writing:
            for table in tables:
                if old := self._declared.tables.get(table.name):
                    definitions.table_change(old, table)
            for window in windows:
                if old_window := self._declared.windows.get(window.name):
                    definitions.window_change(old_window, window)
            self._declared.add(tables, windows)
            for table in tables:
                _reshape(self._state.tables, table.name, rules.stored_schema(table))
            for window in windows:
                _reshape(self._state.windows, window.name, _stamped_schema(window.schema))
                _reshape(self._state.late, window.name, _stamped_schema(rules.late_schema(window)))

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        with self._writing:
            state = self._state.copy()
            yield MemoryTransaction(self._declared, state, self._clock.now())
            self._state = state

    def checkpoint(self, group: str) -> Checkpoint | None:
        return self._state.checkpoints.get(group)

    def table(
        self,
        name: str,
        *,
        where: Mapping[str, Sequence[Any]] | None = None,
        search: str = "",
        limit: int = 1_000,
        after: tuple[Any, ...] | None = None,
    ) -> pl.DataFrame:
        spec = self._declared.table(name)
        live = self._state.tables[name].filter(~pl.col(DELETED)).drop(DELETED, OFFSET)
        found = rules.allowed(live, where, name=name)
        if search:
            rules.check_search(spec)
            found = found.filter(search_text(spec.search).str.contains(folded(search), literal=True))
        if after is not None:
            found = found.filter(_beyond(spec, rules.check_after(spec, after)))
        return found.head(limit)

    def count(self, name: str) -> int:
        self._declared.table(name)
        return self._state.tables[name].filter(~pl.col(DELETED)).height

    def windows(
        self, name: str, start: datetime, end: datetime, *, where: Mapping[str, Sequence[Any]] | None = None
    ) -> pl.DataFrame:
        spec = self._declared.window(name)
        inside = self._state.windows[name].filter(rules.inside(start, end))
        found = rules.newest_windows(spec, inside).select(list(spec.schema))
        return rules.allowed(found, where, name=name).sort("window_start", *spec.by, "window_end")

    def late(self, name: str, *, limit: int = 1_000) -> pl.DataFrame:
        spec = self._declared.window(name)
        newest = self._state.late[name].sort(SEQUENCE, OFFSET, descending=True, maintain_order=True)
        return newest.head(limit).select(list(rules.late_schema(spec)))

    def late_count(self, name: str) -> int:
        """Number of late rows kept for a window."""
        self._declared.window(name)
        return self._state.late[name].height

    def windows_after(self, name: str, sequence: int, *, max_rows: int = 500_000) -> tuple[int, pl.DataFrame]:
        spec = self._declared.window(name)
        fresh = self._state.windows[name].filter(pl.col(SEQUENCE) > sequence)
        reached, found = rules.cut(fresh, max_rows)
        return max(reached, sequence), found.select([*spec.schema, SEQUENCE])

    def expire(self, before: datetime) -> int:
        with self._writing:
            state, dropped = self._state.copy(), 0
            old = pl.col(STORED) < before
            for kept in (state.windows, state.late):
                for name, stored in kept.items():
                    dropped += stored.filter(old)[SEQUENCE].n_unique()
                    kept[name] = stored.filter(~old)
            for name, live in state.tables.items():
                stale = pl.col(DELETED) & (pl.col(self._declared.table(name).time) < before)
                state.tables[name] = live.filter(~stale)
            self._state = state
            return dropped

    def compact(self) -> int:
        """There is nothing to merge in memory."""
        return 0

    def close(self) -> None:
        """There is nothing to let go of."""

    def _commits(self, group: str, sequence: int, limit: int) -> tuple[int, list[Commit]]:
        state = self._state
        latest = state.checkpoints[group].sequence if group in state.checkpoints else 0
        return latest, [kept for kept in state.commits.get(group, ()) if kept.sequence > sequence][:limit]


def _reshape(frames: dict[str, pl.DataFrame], name: str, schema: pl.Schema) -> None:
    frames[name] = rules.widen(frames[name], schema) if name in frames else pl.DataFrame(schema=schema)


def _stamped_schema(schema: pl.Schema) -> pl.Schema:
    return pl.Schema({**schema, SEQUENCE: pl.Int64(), STORED: TIME})


def _beyond(spec: TableSpec, after: Sequence[Any]) -> pl.Expr:
    """Keys greater than `after`, compared column by column."""
    beyond = pl.lit(False)
    for column, value in reversed(list(zip(spec.key, after, strict=True))):
        given = pl.lit(value, spec.schema[column])
        beyond = (pl.col(column) > given) | ((pl.col(column) == given) & beyond)
    return beyond
