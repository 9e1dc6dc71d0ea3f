"""From a batch of a topic to the rows of every flow behind it, in plan order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import polars as pl

from wayside.dataflow.joins import DELETED, Versions, joined
from wayside.dataflow.previous import Kept
from wayside.dataflow.rows import Rows, guarded
from wayside.dataflow.tracing import Tracer
from wayside.domain import Flow, Plan, Stream, Table
from wayside.domain.flow import Derived, Join, Previous, origin
from wayside.record.judge import judge_of
from wayside.record.rules import first_broken

Refused = Callable[[str, Rows, str, str], None]
"""Sets aside rows of a named flow: flow, rows, rule, sentence."""


class Graph:
    """The flows of a plan, and what hangs on each of them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.roots = {name: root(flow) for name, flow in plan.flows.items()}
        self.versions = {
            flow.table_.name: Versions(flow.table_) for flow in plan.flows.values() if isinstance(flow, Join)
        }
        self.windows = {name: [w for w in plan.windows.values() if w.source.name == name] for name in plan.flows}
        self.tables = {name: [t for t in plan.tables.values() if t.source.name == name] for name in plan.flows}
        self.tracers = {name: Tracer(flow) for name, flow in plan.flows.items() if isinstance(flow, Stream)}
        self.derived = [flow for flow in plan.flows.values() if isinstance(flow, Derived)]
        self.kept = {flow.name: Kept(flow) for flow in self.derived if isinstance(flow, Previous)}

    @property
    def held(self) -> int:
        """Rows that steps with a memory hold."""
        return sum(memory.rows for memory in self.kept.values())

    def joined_topics(self) -> set[str]:
        """Topics that feed a table which a join looks into; they are read before the others."""
        return {self.roots[table.source.name] for table in self.plan.tables.values() if table.name in self.versions}

    def run(self, rows: Rows, refused: Refused) -> dict[str, Rows]:
        """Rows per flow for a batch of a topic; the topic's own rows are among them."""
        found = {rows.topic: rows}
        self.remember(rows.topic, rows)
        for flow in self.derived:
            source = found.get(flow.source.name)
            if source is None or not source.frame.height:
                continue
            if isinstance(flow, Previous):
                rows_made = self.kept[flow.name].run(source)
            else:
                made = guarded(source, self.step(flow), partial(refused, flow.name))
                if made is None:
                    continue
                rows_made = source.made(made)
            found[flow.name] = self.valid(flow, rows_made, refused)
            self.remember(flow.name, found[flow.name])
        return found

    def step(self, flow: Stream | Join) -> Callable[[pl.DataFrame], pl.DataFrame]:
        """What turns the rows of a flow's source into its own, with the column `_row` that says which made them."""
        if isinstance(flow, Join):
            return partial(joined, flow, self.versions[flow.table_.name])
        return self.tracers[flow.name]

    def valid(self, flow: Flow, rows: Rows, refused: Refused) -> Rows:
        """Set aside rows that break a rule of the flow's record."""
        if judge_of(flow.record).keeps_all(rows.frame, None):
            return rows
        rules = flow.record.rules()
        verdict = first_broken(rows.frame, rules)
        for index in verdict.drop_nulls().unique().sort():
            refused(flow.name, rows.filter(verdict == index), rules[index].name, rules[index].message)
        return rows.filter(verdict.is_null()) if verdict.null_count() < len(verdict) else rows

    def remember(self, flow: str, rows: Rows) -> None:
        """Keep versions of the tables that joins look into."""
        for table in self.tables.get(flow, []):
            if table.name in self.versions:
                self.versions[table.name].add(marked(table, rows.frame))


def marked(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows with the column that says whether they delete their key."""
    deleted = pl.lit(False) if table.deleted is None else table.deleted.fill_null(False)
    return frame.with_columns(deleted.alias(DELETED))


def root(flow: Flow) -> str:
    """The topic from which a flow follows."""
    return origin(flow).name
