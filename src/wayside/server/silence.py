"""Which nodes of a plan are silent: each has the patience of the most patient feed of its topic."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import reduce

from wayside.domain import Plan
from wayside.domain.feeds import SILENT_AFTER
from wayside.domain.flow import origin
from wayside.values import NodeStatus


def silent(plan: Plan, nodes: Iterable[NodeStatus], now: datetime) -> set[str]:
    """Names of the nodes that have said nothing for longer than they may, or never anything."""
    patience = patiences(plan)
    found = set()
    for node in nodes:
        most = patience.get(node.name, SILENT_AFTER)
        if node.last_record is None or (most is not None and now - node.last_record > most):
            found.add(node.name)
    return found


def patiences(plan: Plan) -> dict[str, timedelta | None]:
    """How long each node may say nothing; null for as long as it likes."""
    found = {feed.name: feed.patience for feed in plan.feeds.values()}
    for topic in plan.topics.values():
        found[topic.name] = reduce(longer, (feed.patience for feed in topic.feeds)) if topic.feeds else SILENT_AFTER
    found |= {flow.name: found[origin(flow).name] for flow in plan.flows.values()}
    found |= {table.name: found[table.source.name] for table in plan.tables.values()}
    return found | {window.name: found[window.source.name] for window in plan.windows.values()}


def longer(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    """The more patient of two."""
    return None if one is None or other is None else max(one, other)
