"""A plan as a picture (Mermaid) and as text: generated, so that it cannot be out of date."""

from __future__ import annotations

from collections.abc import Iterator

from wayside.domain import Plan, Topic
from wayside.domain.flow import Join
from wayside.durations import spoken
from wayside.specs import WindowSpec

SHAPES = {
    "feed": ("([", "])"),
    "topic": ("[(", ")]"),
    "stream": ("[", "]"),
    "join": ("{{", "}}"),
    "window": ("[/", "/]"),
    "table": ("[[", "]]"),
}


def mermaid(plan: Plan) -> str:
    """The plan as a Mermaid flow chart, from feeds on the left to tables and windows on the right."""
    lines = ["flowchart LR"]
    for name, kind, words in nodes(plan):
        opening, closing = SHAPES[kind]
        lines.append(f'    {kind}_{name}{opening}"{name}<br/><small>{words}</small>"{closing}')
    kinds = {name: kind for name, kind, _ in nodes(plan)}
    lines += [f"    {kinds[e.source]}_{e.source} --> {kinds[e.target]}_{e.target}" for e in plan.edges()]
    return "\n".join(lines) + "\n"


def text(plan: Plan) -> str:
    """The plan as an indented list: each topic with its feeds, then what follows from it."""
    words = {name: f"{kind} {name}  ({said})" for name, kind, said in nodes(plan)}
    lines = []
    for topic in plan.topics.values():
        lines.append(words[topic.name])
        lines += [f"  <- {words[feed.name]}" for feed in topic.feeds]
        lines += followers(plan, topic.name, words, 1)
    return "\n".join(lines) + "\n"


def followers(plan: Plan, name: str, words: dict[str, str], depth: int) -> list[str]:
    """What follows from a node, indented."""
    lines = []
    for edge in plan.edges():
        if edge.source == name:
            lines.append("  " * depth + f"-> {words[edge.target]}")
            lines += followers(plan, edge.target, words, depth + 1)
    return lines


def nodes(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Name, kind and a few words for every node."""
    for feed in plan.feeds.values():
        yield feed.name, "feed", feed.source.kind
    for name, flow in plan.flows.items():
        key = ", ".join(flow.record.key)
        if isinstance(flow, Topic):
            yield name, "topic", f"{flow.record.__name__} by {key}" if key else flow.record.__name__
        else:
            yield name, "join" if isinstance(flow, Join) else "stream", flow.record.__name__
    for name, table in plan.tables.items():
        yield name, "table", f"latest by {', '.join(table.spec.key)}"
    for name, window in plan.windows.items():
        yield name, "window", f"{span(window.spec)} by {', '.join(window.spec.by)}"


def span(spec: WindowSpec) -> str:
    """How long a window is, in words."""
    if spec.endless:
        return "all time"
    if spec.kind == "session":
        return f"sessions of gap {spoken(spec.gap)}"
    if spec.kind == "hopping":
        return f"{spoken(spec.size)} every {spoken(spec.every)}"
    return spoken(spec.size)
