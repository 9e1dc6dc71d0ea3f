"""The driver's side of a micro-batch: open windows, versions and progress, and the commit of what tasks have found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from wayside.clock import Clock
from wayside.dataflow.book import Book
from wayside.dataflow.previous import load_memory, saved_memories
from wayside.dataflow.recovery import Recovery, sound
from wayside.dataflow.spark.partition import Past
from wayside.dataflow.spark.pieces import IDS, KEPT, LATE, PARTIALS, PROGRESS, REFUSED, TABLE, VERSIONS, Piece
from wayside.dataflow.steps import Effects, packed, unpacked
from wayside.dataflow.watermark import NEVER
from wayside.domain import Plan
from wayside.domain.flow import Join
from wayside.errors import WaysideError
from wayside.ports import Broker, HotStore
from wayside.quarantine import QUARANTINE, quarantined
from wayside.values import Position, Rejection, partition_name

Ranges = dict[Position, tuple[int, int]]
SMALL_STATE = 20_000
"""Rows of open windows up to which the state goes with every commit."""


class Ledger(Book):
    """What was applied, and what is open. One thread at a time."""

    def __init__(self, plan: Plan, broker: Broker, store: HotStore, *, clock: Clock, group: str) -> None:
        self.partitions: dict[str, int] = {}
        super().__init__(plan, broker, store, clock=clock, group=group)
        self.snapshot_seconds = 10.0
        self.quiet_seconds = 2.0

    def forget(self) -> None:
        super().forget()
        self.source: dict[str, Any] = {}
        self.recent: dict[str, pl.DataFrame] = {}
        self.changed_versions = False

    # -- coming back -----------------------------------------------------------------------------------------------

    def load(self) -> tuple[Past, Ranges]:
        """Take the last checkpoint; returns the rows between its state and its positions, and the past before them."""
        self.forget()
        checkpoint = self.store.checkpoint(self.group)
        if checkpoint is None:
            return Past(), {}
        self.take_up(checkpoint)
        self.source = dict(checkpoint.progress.get("source", {}))
        state = sound(checkpoint.state or {})
        saved = Recovery(self.graph, self.steps, self.broker, self.clock.monotonic()).load(state)
        self.recent = {name[4:]: unpacked(part) for name, part in state.items() if name.startswith("ids:")}
        covered = checkpoint.state_positions if state else {}
        committed = checkpoint.progress.get("watermarks", {})
        ended = {name: int(committed.get(name, {}).get("closed", NEVER)) for name in self.steps}
        ranges = {at: (covered.get(at, 0), end) for at, end in self.positions.items() if covered.get(at, 0) < end}
        starts = {partition_name(*at): start for at, (start, _) in ranges.items()}
        return Past(starts, saved, {}, self._recent(), self._kept(), ended), ranges

    def settle(self) -> None:
        """After rows were run again: watermarks as they were committed, and without the windows that had closed."""
        now = self.clock.monotonic()
        checkpoint = self.store.checkpoint(self.group)
        if checkpoint is None:
            return
        self.place(checkpoint)
        for name, step in self.steps.items():
            step.watermark.load(checkpoint.progress.get("watermarks", {}).get(name, {}), now)
            step.operator.close(step.watermark.closed)
        self.remember()

    # -- one micro-batch -------------------------------------------------------------------------------------------

    def past(self, topics: Sequence[str]) -> Past:
        """What tasks that read these topics must know."""
        positions = {partition_name(*at): offset for at, offset in self.positions.items()}
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
                recent.setdefault(partition_name(piece.topic, piece.partition), []).append(piece.frame)
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
        self.since_snapshot += 0 if again else rows
        return rows

    def _advance(self, piece: Piece, effects: Effects, seen: set[str], now: float) -> int:
        """Take in how far one partition has come."""
        source, facts = partition_name(piece.topic, piece.partition), piece.facts
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

    def _partition_count(self, topic: str) -> int:
        """Number of partitions, as the broker has told it; those without a record count too."""
        return self.partitions.get(topic, 1)

    # -- committing ------------------------------------------------------------------------------------------------

    def commit(self, effects: Effects, *, snapshot: bool = False) -> None:
        """See `Book.commit`. A state that is due is saved with it."""
        snapshot = snapshot or self._snapshot_due(self.clock.monotonic())
        super().commit(effects, snapshot=snapshot)
        if snapshot:
            self.changed_versions = False

    def facts(self) -> dict[str, Any]:
        """The query and its batch."""
        return {"source": self.source}

    def state(self) -> dict[str, bytes]:
        """Open windows, versions and ids."""
        ids = {f"ids:{source}": content for source, content in self._recent().items()}
        return {**super().state(), **ids}

    def _snapshot_due(self, now: float) -> bool:
        """Small states go with every commit, as do changed versions of tables; large states at intervals."""
        return self.held <= SMALL_STATE or self.changed_versions or now - self.snapshot_at >= self.snapshot_seconds

    def unsaved(self, now: float) -> bool:
        """Whether rows are in no saved state though nothing follows them: replicas show open windows from it."""
        quiet = now - max(self.committed_at, self.snapshot_at) >= self.quiet_seconds
        return self.since_snapshot > 0 and quiet
