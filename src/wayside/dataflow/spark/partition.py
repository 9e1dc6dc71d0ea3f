"""Rows of one partition through the plan, in the order of their offsets: what they change, and nothing else.

This is what runs in Spark's tasks. It is a function of the rows and of the progress before them: the same rows give
the same pieces on any machine, any number of times. Graph, watermark and operators are those of the embedded engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from wayside.dataflow.graph import Graph, marked
from wayside.dataflow.previous import load_memory, saved_memories
from wayside.dataflow.refusing import raw_lines, refusal_ids
from wayside.dataflow.rows import Rows
from wayside.dataflow.spark.avro import NO_SCHEMAS
from wayside.dataflow.spark.decoding import Messages, TopicDecoder
from wayside.dataflow.spark.pieces import IDS, KEPT, LATE, PARTIALS, REFUSED, SCHEMAS, TABLE, VERSIONS, Piece, Pieces
from wayside.dataflow.spark.repeats import Repeats
from wayside.dataflow.steps import WindowStep, unpacked
from wayside.domain import Plan, Table
from wayside.errors import WaysideError
from wayside.values import partition_name

MAX_CANDIDATES = 200_000
"""Rows of a table that are held before the newest per key are picked."""


@dataclass(frozen=True)
class Past:
    """What a task must know of what was applied before: next offsets by partition, progress, versions of tables."""

    positions: Mapping[str, int] = field(default_factory=dict)
    watermarks: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, bytes] = field(default_factory=dict)
    recent: Mapping[str, bytes] = field(default_factory=dict)
    """Ids that may still come again, by partition."""
    kept: Mapping[str, bytes] = field(default_factory=dict)
    """What steps remember, by step and partition."""
    ended: Mapping[str, int] = field(default_factory=dict)
    """While rows are run again: up to where each window has been closed, so that what comes back may be dropped."""


class PartitionRun:
    """One partition of a topic in one micro-batch."""

    def __init__(
        self, plan: Plan, past: Past, topic: str, partition: int, schemas: Mapping[int, str | None] = NO_SCHEMAS
    ) -> None:
        self.past = past
        self.graph = Graph(plan)
        self.pieces = Pieces(topic, partition)
        self.source = partition_name(topic, partition)
        self.position = past.positions.get(self.source, 0)
        self.steps = {
            name: WindowStep(w) for name, w in plan.windows.items() if self.graph.roots[w.source.name] == topic
        }
        for name, step in self.steps.items():
            step.watermark.load(own(past.watermarks.get(name, {}), self.source), 0.0)
        for name, content in past.versions.items():
            self.graph.versions[name].load(unpacked(content))
        for place, content in past.kept.items():
            if place.endswith(f"@{self.source}"):
                load_memory(self.graph.kept, place, unpacked(content))
        self.candidates: dict[str, list[pl.DataFrame]] = {}
        self.records: dict[str, int] = {}
        self.newest: dict[str, int] = {}
        self.decoder = TopicDecoder(plan.topics[topic], schemas)
        self.unknown: set[int] = set()
        recent = past.recent.get(self.source)
        horizon = plan.topics[topic].spec.dedup_horizon // timedelta(seconds=1)
        self.repeats = Repeats(horizon, None if recent is None else unpacked(recent))
        self.last = -1
        self.fed: set[str] = set()
        self.rows = 0

    def take(self, messages: Messages) -> None:
        """Take the next messages; those before the stored position were applied by an earlier micro-batch."""
        messages = self.unapplied(messages)
        if not len(messages.offsets):
            return
        self.position = int(messages.offsets[-1]) + 1
        keep = self.repeats.fresh(messages.ids, messages.appended)
        messages = messages if keep is None else messages.at(np.flatnonzero(keep))
        self.unknown |= self.decoder.unknown(messages)
        if self.unknown:  # the driver looks them up and lets all of it run again
            return
        judged = self.decoder.decode(messages)
        if judged.refused:
            topic = messages.topic
            ids = [f"{topic}/{self.source}/{offset}/0/{rule}" for offset, rule, _, _ in judged.refused]
            broken = [(rule, why) for _, rule, why, _ in judged.refused]
            self.set_aside(topic, ids, broken, [raw for *_, raw in judged.refused])
        self.feed(judged.rows)

    def unapplied(self, messages: Messages) -> Messages:
        """The messages from the stored position on. Out of order they would be judged wrongly, so that is an error."""
        offsets = messages.offsets
        if not len(offsets):
            return messages
        if (offsets[1:] <= offsets[:-1]).any() or offsets[0] <= self.last:
            raise WaysideError(
                f"Spark handed over messages of {self.source} out of order.",
                why="Which rows are late follows from the order within a partition.",
                next="Read each partition in one task: leave out minPartitions and any repartitioning.",
            )
        self.last = int(offsets[-1])
        return messages.part(int((offsets < self.position).sum()))

    def feed(self, rows: Rows) -> None:
        """Run the plan over rows that keep their record's rules."""
        self.rows += rows.frame.height
        for name, found in self.graph.run(rows, self.refuse).items():
            newest = self.newest_time(name, found)
            self.count(name, found.frame.height, newest)
            for window in self.graph.windows[name]:
                step = self.steps[window.name]
                late = step.feed(found, 0.0)
                self.fed |= {window.name} if found.frame.height else set()
                if window.name in self.past.ended:
                    step.forget(self.past.ended[window.name])
                self.count(window.name, found.frame.height, newest)
                if late is not None:
                    self.pieces.rows(LATE, window.name, late)
            for table in self.graph.tables[name]:
                self.count(table.name, found.frame.height, newest)
                self.consider(table, found)

    def newest_time(self, flow: str, rows: Rows) -> int | None:
        """The greatest event time among rows of a flow."""
        time = self.graph.plan.flows[flow].record.time
        return int(rows.times(time).max()) if time and rows.frame.height else None

    def count(self, node: str, records: int, newest: int | None) -> None:
        """Note what a node of the plan has handled."""
        self.records[node] = self.records.get(node, 0) + records
        if newest is not None:
            self.newest[node] = max(newest, self.newest.get(node, newest))

    def consider(self, table: Table, rows: Rows) -> None:
        """Hold rows of a table; of many, only the newest per key are kept."""
        offsets = pl.Series("_offset", rows.offsets)
        frame = marked(table, rows.frame).with_columns(offsets)
        if table.name in self.graph.versions:
            self.pieces.rows(VERSIONS, table.name, frame)
        held = self.candidates.setdefault(table.name, [])
        held.append(frame)
        if sum(part.height for part in held) > MAX_CANDIDATES:
            self.candidates[table.name] = [newest_per_key(table, held)]

    def refuse(self, flow: str, rows: Rows, rule: str, why: str) -> None:
        """Set rows aside, with what the quarantine keeps of them."""
        self.set_aside(flow, refusal_ids(flow, rows, rule), [(rule, why)] * rows.frame.height, raw_lines(rows.frame))

    def set_aside(self, flow: str, ids: list[str], broken: list[tuple[str, str]], raws: list[bytes]) -> None:
        """Refused rows: ids, rules with sentences, and bytes."""
        columns = {
            "id": ids,
            "rule": [rule for rule, _ in broken],
            "message": [why for _, why in broken],
            "raw": raws,
        }
        schema = {"id": pl.String, "rule": pl.String, "message": pl.String, "raw": pl.Binary}
        self.pieces.rows(REFUSED, flow, pl.DataFrame(columns, schema=schema))

    def finish(self) -> list[Piece]:
        """All that the rows change: partial aggregates, newest rows of tables, late and refused rows, progress.

        Or nothing but the ids of schemas that have to be looked up before.
        """
        if self.unknown:
            self.pieces.made.clear()
            self.pieces.facts({"ids": sorted(self.unknown)}, SCHEMAS)
            return self.pieces.made
        for name, step in self.steps.items():
            self.pieces.rows(PARTIALS, name, step.operator.save())
        for name, held in self.candidates.items():
            self.pieces.rows(TABLE, name, newest_per_key(self.graph.plan.tables[name], held))
        for place, memory in saved_memories(self.graph.kept).items():
            self.pieces.rows(KEPT, place, memory)
        if self.repeats.recent.height:
            self.pieces.rows(IDS, "", self.repeats.recent)
        self.pieces.facts(
            {
                "next": self.position,
                "rows": self.rows,
                "newest": {name: self.steps[name].watermark.newest[self.source] for name in self.fed},
                "records": self.records,
                "times": self.newest,
            }
        )
        return self.pieces.made


def own(progress: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A window's progress as far as it concerns one partition: no other partition can make its rows late."""
    newest = {name: value for name, value in progress.get("newest", {}).items() if name == source}
    return {**progress, "newest": newest}


def newest_per_key(table: Table, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """The newest row per key of frames in log order: of equal times the later row."""
    ordered = pl.concat(frames).sort(table.spec.time, maintain_order=True)
    return ordered.unique(list(table.spec.key), keep="last", maintain_order=True)
