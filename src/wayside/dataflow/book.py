"""What an engine keeps between micro-batches, and how one ends: the same whoever runs the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from wayside.clock import Clock
from wayside.dataflow.commits import Listeners, write
from wayside.dataflow.graph import Graph
from wayside.dataflow.recovery import saved_state
from wayside.dataflow.status import Board
from wayside.dataflow.steps import Effects, Frames, WindowStep
from wayside.domain import Plan
from wayside.ports import Broker, HotStore
from wayside.values import Checkpoint, Commit, Position


class Opened(NamedTuple):
    """What was open at one moment: frames per window, the next offset of each partition, the watermark per window."""

    frames: dict[str, Frames]
    positions: dict[Position, int]
    closed: dict[str, int]


class Ended(NamedTuple):
    """A micro-batch that was computed: what it changed, how far it came, and what is open after it."""

    effects: Effects
    checkpoint: Checkpoint
    opened: Opened


class Book:
    """How far a plan has come, what is open, and the commits of both. One thread at a time."""

    def __init__(self, plan: Plan, broker: Broker, store: HotStore, *, clock: Clock, group: str) -> None:
        self.plan, self.broker, self.store = plan, broker, store
        self.clock, self.group = clock, group
        self.board = Board(plan)
        self.listeners = Listeners(plan)
        self.snapshot_at = self.committed_at = clock.monotonic()
        self.forget()
        self.settled = self._opened()

    def forget(self) -> None:
        """As before the first record."""
        self.graph = Graph(self.plan)
        self.steps = {name: WindowStep(window) for name, window in self.plan.windows.items()}
        self.positions: dict[Position, int] = {}
        self.absent: dict[Position, int] = {}
        self.apart: dict[str, Any] = {}
        self.sequence = self.numbered = 0
        self.since_snapshot = 0

    def take_up(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint: positions and counters. Rows behind its state count as unsaved."""
        self.place(checkpoint)
        self.sequence = self.numbered = checkpoint.sequence
        self.board.restore(checkpoint.progress.get("counters", {}))
        saved: Mapping[Position, int] = checkpoint.state_positions
        self.since_snapshot = sum(end - min(saved.get(at, 0), end) for at, end in self.positions.items())

    def place(self, checkpoint: Checkpoint) -> None:
        """Positions as of a checkpoint.

        What it says of topics and windows that the plan does not have, because a domain does not run this time, is
        kept as it is: once the domain runs again, it goes on from there.
        """
        topics, saved = self.plan.topics, checkpoint.positions
        self.positions = {at: offset for at, offset in saved.items() if at[0] in topics}
        self.absent = {at: offset for at, offset in saved.items() if at[0] not in topics}
        watermarks = checkpoint.progress.get("watermarks", {})
        self.apart = {name: mark for name, mark in watermarks.items() if name not in self.steps}

    @property
    def held(self) -> int:
        """Rows of the state: of open windows, of joined tables, and of what steps remember."""
        return sum(step.operator.rows for step in self.steps.values()) + self.graph.held

    def _partition_count(self, topic: str) -> int:
        """Number of partitions of a topic."""
        return sum(1 for name, _ in self.positions if name == topic)

    def due(self, now: float) -> bool:
        """Whether a partition that has fallen idle lets a watermark move."""
        return any(step.watermark.due(now) for step in self.steps.values())

    def close(self, effects: Effects, now: float) -> bool:
        """Advance the watermarks and take out the windows that they close; returns whether any has moved."""
        moved = False
        for name, step in self.steps.items():
            before = step.watermark.closed
            closed = step.close(now, self._partition_count(self.graph.roots[step.window.source.name]))
            moved |= step.watermark.closed > before
            if closed is not None:
                effects.closed[name] = closed
        return moved

    def close_all(self) -> None:
        """Close all windows and commit that: nothing more will come."""
        effects = Effects()
        for name, step in self.steps.items():
            closed = step.finish()
            if closed is not None:
                effects.closed[name] = closed
        self.commit(effects, snapshot=True)

    def commit(self, effects: Effects, *, snapshot: bool) -> None:
        """Everything that the micro-batch changed, in one transaction; then tell the listeners."""
        self.put(self.ended(effects, snapshot=snapshot))

    def ended(self, effects: Effects, *, snapshot: bool) -> Ended:
        """What is to be committed, as of now. The book counts on that it will be.

        When it then cannot be, what is in memory is worth nothing.
        """
        self.board.note(effects)
        progress = {
            "watermarks": self.apart | {name: step.watermark.save() for name, step in self.steps.items()},
            "counters": self.board.counters(),
            **self.facts(),
        }
        checkpoint = Checkpoint(
            self.absent | self.positions,
            self.numbered + 1,
            progress,
            self.state() if snapshot else None,
            dict(self.positions) if snapshot else {},
        )
        self.numbered = checkpoint.sequence
        if snapshot:
            self.since_snapshot, self.snapshot_at = 0, self.clock.monotonic()
        return Ended(effects, checkpoint, self._opened())

    def put(self, ended: Ended) -> None:
        """Write the end of a micro-batch, and tell of it. It needs nothing that the next micro-batch changes."""
        self.listeners.settle(ended.effects)
        write(self.store, self.group, ended.effects, ended.checkpoint)
        self.sequence, self.committed_at = ended.checkpoint.sequence, self.clock.monotonic()
        self._show(ended.opened)
        self.listeners.tell(lambda: self._told(ended.effects, ended.checkpoint.sequence))

    def facts(self) -> dict[str, Any]:
        """What else the progress of a checkpoint says."""
        return {}

    def state(self) -> dict[str, bytes]:
        """The state that a checkpoint holds."""
        return saved_state(self.graph, self.steps)

    def remember(self) -> None:
        """Show readers in other threads what is open now."""
        self._show(self._opened())

    def _opened(self) -> Opened:
        frames = {name: step.operator.frames() for name, step in self.steps.items()}
        return Opened(frames, dict(self.positions), {name: step.watermark.closed for name, step in self.steps.items()})

    def _show(self, opened: Opened) -> None:
        for name, closed in opened.closed.items():
            self.board.watermark(name, closed)
        # Replaced as a whole, so that a reader never has what is open of one commit and the positions of another.
        self.settled = opened

    def _told(self, effects: Effects, sequence: int) -> Commit:
        """What the listeners hear of a micro-batch."""
        late = {name: sum(rows.height for rows in frames) for name, frames in effects.late.items()}
        newest: dict[str, pl.DataFrame] = self.listeners.newest(effects)
        return Commit(sequence, self.clock.now(), newest, effects.closed, late)
