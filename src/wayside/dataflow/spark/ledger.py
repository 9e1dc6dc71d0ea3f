"""The driver's side of a micro-batch: open windows, versions and progress, and the commit of what tasks have found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from wayside.clock import Clock
from wayside.dataflow.commits import Listeners, write
from wayside.dataflow.graph import Graph
from wayside.dataflow.previous import load_memory, saved_memories
from wayside.dataflow.recovery import PROGRESS as SAVED_PROGRESS
from wayside.dataflow.recovery import load_memories, saved_state, sound
from wayside.dataflow.spark.partition import Past
from wayside.dataflow.spark.pieces import IDS, KEPT, LATE, PARTIALS, PROGRESS, REFUSED, TABLE, VERSIONS, Piece
from wayside.dataflow.status import Board
from wayside.dataflow.steps import Effects, WindowStep, packed, unpacked
from wayside.dataflow.watermark import NEVER
from wayside.domain import Plan
from wayside.domain.flow import Join
from wayside.errors import WaysideError
from wayside.ports import Broker, HotStore
from wayside.quarantine import QUARANTINE, quarantined
from wayside.values import Checkpoint, Commit, Position, Rejection

Ranges = dict[Position, tuple[int, int]]
SMALL_STATE = 20_000
"""Rows of open windows up to which the state goes with every commit."""


class Ledger:
    """What was applied, and what is open. One thread at a time."""

    def __init__(self, plan: Plan, broker: Broker, store: HotStore, *, clock: Clock, group: str) -> None:
        self.plan, self.broker, self.store = plan, broker, store
        self.clock, self.group = clock, group
        self.board = Board(plan)
        self.listeners = Listeners(plan)
        self.snapshot_seconds = 10.0
        self.partitions: dict[str, int] = {}
        self.forget()

    def forget(self) -> None:
        """As before the first record."""
        self.graph = Graph(self.plan)
        self.steps = {name: WindowStep(window) for name, window in self.plan.windows.items()}
        self.positions: dict[Position, int] = {}
        self.sequence = 0
        self.source: dict[str, Any] = {}
        self.recent: dict[str, pl.DataFrame] = {}
        self.changed_versions = False
        self.snapshot_at = self.clock.monotonic()

    # -- coming back -----------------------------------------------------------------------------------------------

    def load(self) -> tuple[Past, Ranges]:
        """Take the last checkpoint; returns the rows between its state and its positions, and the past before them."""
        self.forget()
        checkpoint = self.store.checkpoint(self.group)
        if checkpoint is None:
            return Past(), {}
        self.positions, self.sequence = dict(checkpoint.positions), checkpoint.sequence
        self.source = dict(checkpoint.progress.get("source", {}))
        self.board.restore(checkpoint.progress.get("counters", {}))
        state = sound(checkpoint.state or {})
        saved = json.loads(state[SAVED_PROGRESS]) if state else {}
        now = self.clock.monotonic()
        for name, step in self.steps.items():
            step.load(state.get(f"window:{name}"), saved.get(name, {}), now)
        for name, versions in self.graph.versions.items():
            if f"versions:{name}" in state:
                versions.load(unpacked(state[f"versions:{name}"]))
        load_memories(self.graph, state)
        self.recent = {name[4:]: unpacked(part) for name, part in state.items() if name.startswith("ids:")}
        covered = checkpoint.state_positions if state else {}
        committed = checkpoint.progress.get("watermarks", {})
        ended = {name: int(committed.get(name, {}).get("closed", NEVER)) for name in self.steps}
        ranges = {at: (covered.get(at, 0), end) for at, end in self.positions.items() if covered.get(at, 0) < end}
        starts = {f"{topic}/{partition}": start for (topic, partition), (start, _) in ranges.items()}
        return Past(starts, saved, {}, self._recent(), self._kept(), ended), ranges

    def settle(self) -> None:
        """After rows were run again: watermarks as they were committed, and without the windows that had closed."""
        now = self.clock.monotonic()
        checkpoint = self.store.checkpoint(self.group)
        if checkpoint is None:
            return
        self.positions = dict(checkpoint.positions)
        for name, step in self.steps.items():
            step.watermark.load(checkpoint.progress.get("watermarks", {}).get(name, {}), now)
            step.operator.close(step.watermark.closed)
        self.remember()

    # -- one micro-batch -------------------------------------------------------------------------------------------

    def past(self, topics: Sequence[str]) -> Past:
        """What tasks that read these topics must know."""
        positions = {f"{topic}/{partition}": offset for (topic, partition), offset in self.positions.items()}
        watermarks = {name: step.watermark.save() for name, step in self.steps.items()}
        return Past(positions, watermarks, self.versions_for(topics), self._recent(), self._kept())

    def _recent(self) -> dict[str, bytes]:
        """Ids that may still come again."""
        return {source: packed(ids) for source, ids in self.recent.items()}

    def _kept(self) -> dict[str, bytes]:
        """What steps remember."""
        return {place: packed(memory) for place, memory in saved_memories(self.graph.kept).items()}

    def versions_for(self, topics: Sequence[str]) -> dict[str, bytes]:
        """Versions of the tables that flows of these topics look into."""
        joins = [flow for flow in self.plan.flows.values() if isinstance(flow, Join)]
        wanted = {join.table_.name for join in joins if self.graph.roots[join.name] in topics}
        return {name: packed(self.graph.versions[name].frame) for name in sorted(wanted)}

    def absorb(self, pieces: Iterable[Piece], effects: Effects, *, again: bool = False) -> int:
        """Take in what tasks found; returns the number of rows. `again`: its effects are committed already."""
        now, rows = self.clock.monotonic(), 0
        seen: set[str] = set()
        partials: dict[str, list[pl.DataFrame]] = {}
        recent: dict[str, list[pl.DataFrame]] = {}
        kept: dict[str, list[pl.DataFrame]] = {}
        for piece in sorted(pieces, key=lambda made: (made.topic, made.partition, made.number)):
            if piece.kind == PARTIALS:
                partials.setdefault(piece.name, []).append(piece.frame)
            elif piece.kind == VERSIONS:
                self.graph.versions[piece.name].add(piece.frame)
                self.changed_versions = True
            elif piece.kind == IDS:
                recent.setdefault(f"{piece.topic}/{piece.partition}", []).append(piece.frame)
            elif piece.kind == KEPT:
                kept.setdefault(piece.name, []).append(piece.frame)
            elif piece.kind == PROGRESS:
                rows += self._advance(piece, effects, seen, now)
            elif not again:
                self._note(piece, effects)
        for name, frames in partials.items():
            self.steps[name].operator.absorb(frames)
        for place, frames in kept.items():
            load_memory(self.graph.kept, place, pl.concat(frames))
        self.recent.update({source: pl.concat(frames) for source, frames in recent.items()})
        return rows

    def _advance(self, piece: Piece, effects: Effects, seen: set[str], now: float) -> int:
        """Take in how far one partition has come."""
        source, facts = f"{piece.topic}/{piece.partition}", piece.facts
        if source in seen:
            raise WaysideError(
                f"Two tasks of Spark have read {source} in one micro-batch.",
                why="Which rows are late follows from the order within a partition.",
                next="Leave out minPartitions and any repartitioning.",
            )
        seen.add(source)
        self.positions[piece.topic, piece.partition] = facts["next"]
        for name, newest in facts["newest"].items():
            watermark = self.steps[name].watermark
            watermark.newest[source] = max(newest, watermark.newest.get(source, newest))
            watermark.seen[source] = now
        for node, records in facts["records"].items():
            effects.count(node, records, facts["times"].get(node))
        return int(facts["rows"])

    def _note(self, piece: Piece, effects: Effects) -> None:
        """Gather rows that a partition changes."""
        if piece.kind == LATE:
            effects.came_late(piece.name, piece.frame)
        elif piece.kind == TABLE:
            effects.upsert(piece.name, piece.frame)
        elif piece.kind == REFUSED:
            self._quarantine(piece)

    def _quarantine(self, piece: Piece) -> None:
        """Keep refused rows; those that were kept before a crash are recognised by their ids."""
        found = piece.frame
        reasons = zip(found["rule"], found["message"], strict=True)
        broken = [Rejection(row, rule, message) for row, (rule, message) in enumerate(reasons)]
        frame = quarantined(piece.name, piece.topic, broken, found["raw"].to_list(), self.clock.now())
        self.broker.append(QUARANTINE, frame, ids=found["id"]).result()
        self.board.refused(piece.name, found.height, found["message"][-1])

    def close(self, effects: Effects) -> bool:
        """Advance the watermarks and take out the windows that they close; returns whether any has moved."""
        now, moved = self.clock.monotonic(), False
        for name, step in self.steps.items():
            before = step.watermark.closed
            closed = step.close(now, self.partitions.get(self.graph.roots[step.window.source.name], 1))
            moved |= step.watermark.closed > before
            if closed is not None:
                effects.closed[name] = closed
        return moved

    def due(self) -> bool:
        """Whether a partition that has fallen idle lets a watermark move."""
        now = self.clock.monotonic()
        return any(step.watermark.due(now) for step in self.steps.values())

    def finish(self, effects: Effects) -> None:
        """Close all windows: nothing more will come."""
        for name, step in self.steps.items():
            closed = step.finish()
            if closed is not None:
                effects.closed[name] = closed

    # -- committing ------------------------------------------------------------------------------------------------

    def commit(self, effects: Effects, *, snapshot: bool = False) -> None:
        """Everything that the micro-batch changed, in one transaction; then tell the listeners."""
        self.board.note(effects)
        now = self.clock.monotonic()
        snapshot = snapshot or self._snapshot_due(now)
        progress = {
            "watermarks": {name: step.watermark.save() for name, step in self.steps.items()},
            "counters": self.board.counters(),
            "source": self.source,
        }
        checkpoint = Checkpoint(
            dict(self.positions),
            self.sequence + 1,
            progress,
            self._state() if snapshot else None,
            dict(self.positions) if snapshot else {},
        )
        write(self.store, self.group, effects, checkpoint)
        self.sequence = checkpoint.sequence
        if snapshot:
            self.snapshot_at, self.changed_versions = now, False
        self.remember()
        self.listeners.tell(lambda: self._told(effects))

    def _state(self) -> dict[str, bytes]:
        """Open windows, versions and ids."""
        ids = {f"ids:{source}": content for source, content in self._recent().items()}
        return {**saved_state(self.graph, self.steps), **ids}

    def _snapshot_due(self, now: float) -> bool:
        """Small states go with every commit, as do changed versions of tables; large states at intervals."""
        held = sum(step.operator.rows for step in self.steps.values()) + self.graph.held
        return held <= SMALL_STATE or self.changed_versions or now - self.snapshot_at >= self.snapshot_seconds

    def remember(self) -> None:
        """What is open as of this commit, for readers in other threads."""
        for name, step in self.steps.items():
            step.committed = step.operator.frames()
            self.board.watermark(name, step.watermark.closed)

    def _told(self, effects: Effects) -> Commit:
        """What the listeners hear of a micro-batch."""
        late = {name: sum(rows.height for rows in frames) for name, frames in effects.late.items()}
        return Commit(self.sequence, self.clock.now(), self.listeners.newest(effects), effects.closed, late)
