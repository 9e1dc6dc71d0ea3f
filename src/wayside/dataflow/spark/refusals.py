"""What Spark cannot do, said when the plan is built and in full sentences."""

from __future__ import annotations

from wayside.dataflow.graph import Graph
from wayside.domain import Plan
from wayside.domain.flow import Join
from wayside.errors import DeclarationError


def check(plan: Plan) -> None:
    """Raise DeclarationError for the first step of the plan that would not give the embedded engine's rows."""
    graph = Graph(plan)
    for flow in plan.flows.values():
        if isinstance(flow, Join):
            table = flow.table_
            topic = graph.roots[flow.name]
            if graph.roots[table.source.name] == topic:
                raise DeclarationError(
                    f"On Spark the join {flow.name!r} cannot look into the table {table.name!r}.",
                    where=f"topic {topic!r}",
                    why="Both follow from one topic, whose partitions are read beside each other, so that no row "
                    "of one could meet a version from another in a stated order.",
                    next="Give the table a topic of its own, or run the plan on the embedded engine.",
                )
