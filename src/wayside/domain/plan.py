"""The plan: everything that the chosen domains declare, connected, with each name used once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from wayside.domain.catalog import Domain
from wayside.domain.feeds import Feed
from wayside.domain.flow import Derived, Flow, Join, Table, Topic, Window
from wayside.errors import DeclarationError


@dataclass(frozen=True)
class Edge:
    """A step of the plan's graph."""

    source: str
    target: str


@dataclass(frozen=True)
class Plan:
    """Topics, flows, windows and tables in the order in which data flows through them."""

    domains: tuple[Domain, ...]
    flows: dict[str, Flow] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    @classmethod
    def of(cls, domains: Sequence[Domain]) -> Plan:
        """Connect what the domains declare. Two different nodes of one name are an error."""
        plan = cls(tuple(domains))
        for domain in domains:
            for node in domain.flow:
                plan.add(node)
        return plan

    def add(self, node: Flow | Window | Table) -> None:
        """Add a node after everything that it follows from."""
        if isinstance(node, Window | Table):
            self.add(node.source)
            self.place(self.windows if isinstance(node, Window) else self.tables, node)
            return
        if isinstance(node, Derived):
            self.add(node.source)
        if isinstance(node, Join):
            self.add(node.table_)
        self.place(self.flows, node)

    def place(self, shelf: dict[str, Any], node: Flow | Window | Table) -> None:
        """Put a node under its name unless another one has it."""
        others: list[dict[str, Any]] = [self.flows, self.windows, self.tables]
        for other in others:
            if other.get(node.name, node) is not node:
                raise DeclarationError(
                    f"Two steps are named {node.name!r}.", where="plan", next="Give each step of the plan its own name."
                )
        shelf[node.name] = node

    @property
    def topics(self) -> dict[str, Topic]:
        """The durable topics."""
        return {name: flow for name, flow in self.flows.items() if isinstance(flow, Topic)}

    @property
    def feeds(self) -> dict[str, Feed]:
        """All feeds by name."""
        found: dict[str, Feed] = {}
        for topic in self.topics.values():
            for feed in topic.feeds:
                if feed.name in found:
                    raise DeclarationError(f"Two feeds are named {feed.name!r}.", where="plan")
                found[feed.name] = feed
        return found

    def edges(self) -> list[Edge]:
        """The graph: feeds to topics to streams to windows and tables."""
        return list(self.walk())

    def walk(self) -> Iterable[Edge]:
        """Edges in the order of the flow."""
        for feed in self.feeds.values():
            yield Edge(feed.name, feed.topic)
        for flow in self.flows.values():
            if isinstance(flow, Derived):
                yield Edge(flow.source.name, flow.name)
            if isinstance(flow, Join):
                yield Edge(flow.table_.name, flow.name)
        for table in self.tables.values():
            yield Edge(table.source.name, table.name)
        for window in self.windows.values():
            yield Edge(window.source.name, window.name)
