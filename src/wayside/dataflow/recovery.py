"""State that survives a crash: what goes into a checkpoint, and how the engine comes back from one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import structlog

from wayside.dataflow.graph import Graph
from wayside.dataflow.previous import load_memory, saved_memories
from wayside.dataflow.rows import Rows
from wayside.dataflow.steps import WindowStep, packed, unpacked
from wayside.dataflow.watermark import NEVER
from wayside.ports import Broker
from wayside.values import Checkpoint, Position

log = structlog.get_logger()
PROGRESS = "_progress"
REPLAY_ROWS = 200_000


def saved_state(graph: Graph, steps: Mapping[str, WindowStep]) -> dict[str, bytes]:
    """The state of every operator, and the progress that belongs to it."""
    state = {f"window:{name}": step.saved() for name, step in steps.items()}
    state.update({f"versions:{name}": packed(versions.frame) for name, versions in graph.versions.items()})
    state.update({f"kept:{place}": packed(memory) for place, memory in saved_memories(graph.kept).items()})
    state[PROGRESS] = json.dumps({name: step.watermark.save() for name, step in steps.items()}).encode()
    return state


def sound(state: Mapping[str, bytes]) -> dict[str, bytes]:
    """The state, or nothing when a part of it cannot be read: all of it is then made again from the log."""
    try:
        for name, data in state.items():
            json.loads(data) if name == PROGRESS else unpacked(data)
    except (ValueError, pl.exceptions.PolarsError) as error:
        log.error("the saved state cannot be read; it is made again from the log", error=str(error))
        return {}
    return dict(state)


@dataclass(frozen=True)
class Recovery:
    """Bringing a graph and its steps back to a checkpoint; `now` is the engine's monotonic clock."""

    graph: Graph
    steps: Mapping[str, WindowStep]
    broker: Broker
    now: float

    def run(self, checkpoint: Checkpoint) -> int:
        """Load the state, then replay the rows between it and the committed offsets without effect.

        Without state (it was never saved, or was damaged) everything that the log still holds is replayed. Returns
        the number of rows replayed.
        """
        state = sound(checkpoint.state or {})
        self.load(state)
        committed = checkpoint.progress.get("watermarks", {})
        ended = {name: int(committed.get(name, {}).get("closed", NEVER)) for name in self.steps}
        covered = checkpoint.state_positions if state else {}
        first = self.graph.joined_topics()
        replayed = 0
        for position in sorted(checkpoint.positions, key=lambda place: (place[0] not in first, place)):
            replayed += self.replay(position, covered.get(position), checkpoint.positions[position], ended)
        for name, step in self.steps.items():
            step.watermark.load(committed.get(name, {}), self.now)
            step.operator.close(step.watermark.closed)
        log.info("engine recovered", sequence=checkpoint.sequence, replayed=replayed, state=bool(state))
        return replayed

    def load(self, state: Mapping[str, bytes]) -> dict[str, Any]:
        """Operators, versions and memories as they were saved; returns the progress that belongs to them."""
        before: dict[str, Any] = json.loads(state[PROGRESS]) if PROGRESS in state else {}
        for name, step in self.steps.items():
            step.load(state.get(f"window:{name}"), before.get(name, {}), self.now)
        for name, versions in self.graph.versions.items():
            if f"versions:{name}" in state:
                versions.load(unpacked(state[f"versions:{name}"]))
        for name, content in state.items():
            if name.startswith("kept:"):
                load_memory(self.graph.kept, name[5:], unpacked(content))
        return before

    def replay(self, position: Position, start: int | None, end: int, ended: Mapping[str, int]) -> int:
        """Run rows of one partition again, up to the committed offset; returns how many.

        Windows that had closed by the commit are dropped as they come back, so that memory stays bounded.
        """
        topic, partition = position
        infos = {i.partition: i for i in self.broker.partitions(topic)} if topic in self.graph.plan.topics else {}
        if partition not in infos:
            return 0
        offset = max(start or 0, infos[partition].start)
        count = 0
        while offset < end:
            batch = self.broker.read(topic, partition, offset, max_rows=min(REPLAY_ROWS, end - offset))
            if batch is None:
                break
            rows = Rows.of(batch)
            rows = rows.part(0, int((rows.offsets < end).sum())) if batch.next > end else rows
            self.feed(rows, ended)
            offset, count = batch.next, count + rows.frame.height
        return count

    def feed(self, rows: Rows, ended: Mapping[str, int]) -> None:
        """Run the plan over rows whose effects are committed already."""
        for name, found in self.graph.run(rows, lambda *_: None).items():
            for window in self.graph.windows[name]:
                self.steps[window.name].feed(found, self.now)
                self.steps[window.name].forget(ended[window.name])
