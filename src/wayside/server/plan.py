"""The plan as a graph with its numbers: `GET /v1/plan`, and what the domains declare: `GET /v1/domains`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from wayside.domain import Board, Domain, Layer, Table, Topic, Window
from wayside.domain.flow import Join
from wayside.durations import duration
from wayside.server.frames import iso
from wayside.server.maps import map_of
from wayside.server.services import Services
from wayside.server.silence import silent
from wayside.values import NodeStatus


def nodes(services: Services) -> list[NodeStatus]:
    """Every node of the plan: from the engine, the intakes, the log, or bare when nobody knows more."""
    plan = services.plan
    known = {node.name: node for node in services.engine.status()}
    for name in plan.feeds:
        known.setdefault(name, of_feed(services, name))
    kinds = {**dict.fromkeys(plan.tables, "table"), **dict.fromkeys(plan.windows, "window")}
    for name, flow in plan.flows.items():
        kinds[name] = "topic" if isinstance(flow, Topic) else "join" if isinstance(flow, Join) else "stream"
    for name, kind in kinds.items():
        known.setdefault(name, NodeStatus(name, kind, ()))
    for name in plan.topics:
        known[name] = with_log(services, known[name])
    order = [*plan.feeds, *plan.flows, *plan.tables, *plan.windows]
    return [known[name] for name in order]


def of_feed(services: Services, name: str) -> NodeStatus:
    """What the intake of a feed has counted."""
    ask = getattr(services.intakes.get(name), "status", None)
    found = ask() if callable(ask) else None
    return replace(found, kind="feed") if isinstance(found, NodeStatus) else NodeStatus(name, "feed", ())


def with_log(services: Services, node: NodeStatus) -> NodeStatus:
    """A topic's node with what the log knows, where the engine did not say."""
    if node.records and node.last_record:
        return node
    partitions = services.broker.partitions(node.name)
    newest = [info.newest for info in partitions if info.newest is not None]
    records = node.records or sum(info.end for info in partitions)
    return replace(node, records=records, last_record=node.last_record or max(newest, default=None))


def graph(services: Services) -> dict[str, Any]:
    """Nodes and edges for the page."""
    now, known = services.clock.now(), nodes(services)
    quiet = silent(services.plan, known, now)
    return {
        "nodes": [
            {
                "name": node.name,
                "kind": node.kind,
                "label": node.name.replace("_", " "),
                "records": node.records,
                "rate": round(node.rate, 3),
                "lag": node.lag,
                "late": node.late,
                "rejected": node.rejected,
                "watermark": iso(node.watermark),
                "last_record": iso(node.last_record),
                "last_error": node.last_error,
                "stale": node.name in quiet,
            }
            for node in known
        ],
        "edges": [{"source": edge.source, "target": edge.target} for edge in services.plan.edges()],
        "now": iso(now),
    }


def domains(services: Services) -> list[dict[str, Any]]:
    """What each domain declares."""
    return [domain_of(services, domain) for domain in services.plan.domains]


def domain_of(services: Services, domain: Domain) -> dict[str, Any]:
    """One domain; its topics and streams are those that its steps follow from."""
    plan = type(services.plan).of([domain])
    return {
        "name": domain.name,
        "title": domain.title,
        "zone": domain.zone,
        "layers": [layer_of(layer) for layer in domain.layers],
        "maps": [map_of(map) for map in domain.maps],
        "boards": [board_of(board) for board in domain.boards],
        "tables": list(plan.tables),
        "windows": [window_of(window) for window in plan.windows.values()],
        "geometries": [
            {"name": geometry.name, "title": geometry.title, "kind": geometry.kind} for geometry in domain.geometries
        ],
        "reports": [{"name": report.name, "title": report.title} for report in domain.reports],
        "streams": list(plan.flows),
    }


def board_of(board: Board) -> dict[str, Any]:
    """One board; seconds in place of spoken durations."""
    return {
        "name": board.name,
        "title": board.title,
        "path": board.path,
        "thing_word": board.thing_word,
        "window": board.window or None,
        "past": board.past,
        "stale_seconds": duration(board.stale).total_seconds(),
        "dead_seconds": duration(board.dead).total_seconds(),
    }


def layer_of(layer: Layer) -> dict[str, Any]:
    """One layer; seconds in place of spoken durations."""
    return {
        "name": layer.name,
        "title": layer.title,
        "kind": layer.kind,
        "table": layer.table,
        "thing": layer.thing,
        "series": layer.series,
        "value": layer.value,
        "time": layer.time,
        "unit": layer.unit,
        "window": layer.window,
        "stale_seconds": duration(layer.stale).total_seconds(),
        "dead_seconds": duration(layer.dead).total_seconds(),
        "place": asdict(layer.place) if layer.place is not None else None,
    }


def window_of(window: Window) -> dict[str, Any]:
    """One window: its spans in seconds, its keys and outputs."""
    spec = window.spec
    return {
        "name": spec.name,
        "kind": spec.kind,
        "size_seconds": spec.size.total_seconds(),
        "every_seconds": spec.every.total_seconds(),
        "gap_seconds": spec.gap.total_seconds(),
        "by": list(spec.by),
        "outputs": [
            {"name": name, "kind": aggregate.kind, "unit": spec.units.get(name, "")}
            for name, aggregate in spec.aggregates.items()
        ],
    }


__all__ = ["Table", "domains", "graph", "nodes"]
