"""What the operator sees of each node of the plan: counts, rates, lag, watermark, last error."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from wayside.dataflow.rows import EPOCH
from wayside.dataflow.steps import Effects
from wayside.dataflow.watermark import NEVER
from wayside.domain import Flow, Plan, Topic
from wayside.domain.flow import Derived, Join
from wayside.values import NodeStatus

HALF_LIFE = 5.0
"""Seconds after which an older rate counts half."""


class Board:
    """The status of every node except feeds, which report for themselves."""

    def __init__(self, plan: Plan) -> None:
        self.nodes: dict[str, NodeStatus] = {}
        for name, flow in plan.flows.items():
            inputs = (flow.source.name,) if isinstance(flow, Derived) else ()
            if isinstance(flow, Join):
                inputs = (*inputs, flow.table_.name)
            self.nodes[name] = NodeStatus(name, kind_of(flow), inputs)
        for window in plan.windows.values():
            self.nodes[window.name] = NodeStatus(window.name, "window", (window.source.name,))
        for table in plan.tables.values():
            self.nodes[table.name] = NodeStatus(table.name, "table", (table.source.name,))
        self.rated: float | None = None
        self.pending: dict[str, int] = {}

    def note(self, effects: Effects) -> None:
        """Add what a committed micro-batch did."""
        for name, records in effects.records.items():
            self.nodes[name].records += records
            self.pending[name] = self.pending.get(name, 0) + records
        for name, newest in effects.newest.items():
            moment = EPOCH + timedelta(microseconds=newest)
            known = self.nodes[name].last_record
            self.nodes[name].last_record = moment if known is None else max(known, moment)
        for name, frames in effects.late.items():
            self.nodes[name].late += sum(frame.height for frame in frames)

    def rate(self, now: float) -> None:
        """Fold the records since the last call into the rates; called about once a second."""
        if self.rated is None:
            self.rated = now
            return
        passed = now - self.rated
        if passed < 0.5:
            return
        weight = 0.5 ** (passed / HALF_LIFE)
        for name, node in self.nodes.items():
            fresh = self.pending.pop(name, 0) / passed
            node.rate = weight * node.rate + (1 - weight) * fresh
            if node.rate < 0.001:
                node.rate = 0.0
        self.rated = now

    def watermark(self, name: str, closed: int) -> None:
        """Show how far a window's watermark has come."""
        if NEVER < closed < 2**60:
            self.nodes[name].watermark = EPOCH + timedelta(microseconds=closed)

    def refused(self, name: str, records: int, why: str) -> None:
        """Count rows that a node set aside."""
        self.nodes[name].rejected += records
        self.nodes[name].last_error = why

    def counters(self) -> dict[str, list[Any]]:
        """What must survive a restart, and what other processes show: records, late, rejected, the time of the newest
        record (microseconds) and the last error, per node.
        """
        return {
            name: [node.records, node.late, node.rejected, micros_of(node.last_record), node.last_error]
            for name, node in self.nodes.items()
        }

    def restore(self, saved: dict[str, list[Any]]) -> None:
        """Take the counters of a checkpoint."""
        for name, (records, late, rejected, *more) in saved.items():
            if name in self.nodes:
                node = self.nodes[name]
                node.records, node.late, node.rejected = records, late, rejected
                if more and more[0] is not None:
                    node.last_record = EPOCH + timedelta(microseconds=more[0])

    def follow(self, saved: dict[str, list[Any]]) -> None:
        """Take the counters of another process's engine; what they have grown by goes into the rates."""
        before = {name: node.records for name, node in self.nodes.items()}
        self.restore(saved)
        for name, node in self.nodes.items():
            if self.rated is not None:
                self.pending[name] = self.pending.get(name, 0) + max(0, node.records - before[name])
            if name in saved and len(saved[name]) > 4:
                node.last_error = saved[name][4]


def micros_of(moment: datetime | None) -> int | None:
    """Microseconds since 1970."""
    return None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)


def kind_of(flow: Flow) -> str:
    """The word for a flow."""
    for kind, word in ((Topic, "topic"), (Join, "join"), (Derived, "stream")):
        if isinstance(flow, kind):
            return word
    return "flow"
