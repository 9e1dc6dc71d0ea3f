"""The flows of a plan once more, for the lake: what streams make of a topic, also behind steps that remember.

The memory of such steps is saved in the hot store after each round, with the offset up to which the lake has the topic:
so the next start goes on from there, and what a crash left in between is run again without being written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import structlog

from wayside.dataflow.graph import Graph
from wayside.dataflow.previous import load_memory
from wayside.dataflow.rows import Rows
from wayside.dataflow.steps import packed, unpacked
from wayside.domain import Flow, Plan, Stream
from wayside.domain.flow import Derived, Join, Previous, origin
from wayside.ports import HotStore
from wayside.values import Batch, Checkpoint, partition_name

log = structlog.get_logger(__name__)
Read = Callable[[str, int, int], Batch | None]


class LakeFlows:
    """Runs the flows behind the topics of a plan, each batch once and in the order of the log."""

    def __init__(self, plan: Plan, store: HotStore) -> None:
        self._graph = Graph(plan)
        wanted = {one.name for topic in plan.topics for stream in streams_of(plan, topic) for one in chain_of(stream)}
        self._graph.derived = [flow for flow in self._graph.derived if flow.name in wanted]
        self._graph.versions = {}  # joins alone would ask for them
        self._store = store
        self._at: dict[str, int] = {}
        self._saves: dict[str, int] = {}
        remembering = [flow.name for flow in self._graph.derived if isinstance(flow, Previous)]
        self._remembering = {topic: [n for n in remembering if self._graph.roots[n] == topic] for topic in plan.topics}

    def run(self, batch: Batch, read: Read) -> dict[str, Rows]:
        """Rows per flow for the next batch of a partition; `read` reads older ones, where they must be run again."""
        self._prepare(batch.topic, batch.partition, batch.first, read)
        found = self._graph.run(Rows.of(batch), partial(told, batch.topic))
        self._at[partition_name(batch.topic, batch.partition)] = batch.next
        return found

    def save(self, topic: str, partition: int) -> None:
        """Remember for the next start how things stand behind the last batch of a partition."""
        source = partition_name(topic, partition)
        if not self._remembering.get(topic) or source not in self._at:
            return
        state = {
            f"{name}@{source}": packed(self._graph.kept[name].saved(source))
            for name in self._remembering[topic]
            if source in self._graph.kept[name].progress.newest
        }
        positions = {(topic, partition): self._at[source]}
        # It grows with each save, also where the lake has begun anew and offsets are smaller than they were.
        number = self._saves[source] = self._saves.get(source, 0) + 1
        with self._store.transaction() as change:
            change.save(group_of(source), Checkpoint(positions, number, state=state, state_positions=positions))

    def _prepare(self, topic: str, partition: int, offset: int, read: Read) -> None:
        """Bring the memory of a partition to an offset: as it is, from the store, or anew."""
        source = partition_name(topic, partition)
        if not self._remembering.get(topic) or source in self._at:
            return
        saved = self._store.checkpoint(group_of(source))
        self._saves[source] = saved.sequence if saved is not None else 0
        at = saved.state_positions.get((topic, partition), 0) if saved is not None and saved.state else 0
        if saved is not None and saved.state and at <= offset:
            for place, content in saved.state.items():
                load_memory(self._graph.kept, place, unpacked(content))
        elif offset > 0:
            log.warning("lake.memory_lost", topic=topic, partition=partition, why="it begins anew", offset=offset)
            return
        while at < offset and (batch := read(topic, partition, at)) is not None:
            part = cut(batch, offset)
            self._graph.run(Rows.of(part), partial(told, topic))
            at = part.next


def told(topic: str, flow: str, rows: Rows, rule: str, why: str) -> None:
    """Rows that a flow refuses are left out: the engine has quarantined them."""
    log.debug("lake.rows_left_out", topic=topic, flow=flow, rule=rule, rows=rows.frame.height, why=why)


def cut(batch: Batch, end: int) -> Batch:
    """The rows of a batch below an offset."""
    if batch.next <= end:
        return batch
    count = end - batch.first if batch.offsets is None else int((batch.offsets < end).sum())
    offsets, appends = (None if one is None else one[:count] for one in (batch.offsets, batch.appends))
    return Batch(batch.topic, batch.partition, batch.first, end, batch.frame[:count], batch.appended, offsets, appends)


def group_of(source: str) -> str:
    """Under which name the store keeps the memory of a partition."""
    return f"lake {source}"


def streams_of(plan: Plan, topic: str) -> list[Stream]:
    """The streams that follow from a topic and go to the lake: all that no join is before."""
    found = [flow for flow in plan.flows.values() if isinstance(flow, Stream) and not joined(flow)]
    return [flow for flow in found if origin(flow).name == topic]


def chain_of(flow: Flow) -> Iterator[Flow]:
    """A flow and all that it follows from, up to its topic."""
    yield flow
    while isinstance(flow, Derived):
        flow = flow.source
        yield flow


def joined(flow: Flow) -> bool:
    """Whether a flow follows from a join: what that meets depends on other topics, which are written in turns."""
    return any(isinstance(one, Join) for one in chain_of(flow))
