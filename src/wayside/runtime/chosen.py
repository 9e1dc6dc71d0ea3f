"""The plan of the domains that the settings choose."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Sequence
from importlib.metadata import entry_points

from wayside.adapters import HttpPush
from wayside.domain import Domain, Feed, Plan, Topic, discover
from wayside.domain.catalog import GROUP
from wayside.errors import DeclarationError, NotFoundError, WaysideError


def chosen_plan(names: Sequence[str] = ()) -> Plan:
    """Load and connect the named domains, or all installed ones. Raises DeclarationError, NotFoundError."""
    return plan_of(domains(names))


def plan_of(found: Sequence[Domain]) -> Plan:
    """Connect domains; feeds, which the plan does not hold itself, are checked too."""
    plan = Plan.of(found)
    for name in plan.feeds:
        if name in plan.topics:
            raise DeclarationError(
                f"A feed has the name of the topic {name!r}.",
                where="plan",
                why="Every topic takes records under its own name, beside its feeds.",
                next="Give the feed another name.",
            )
        if name in plan.flows or name in plan.tables or name in plan.windows:
            raise DeclarationError(
                f"A feed and a step are both named {name!r}.", where="plan", next="Give the feed another name."
            )
    return plan


def installed() -> list[str]:
    """Names of the domains that installed packages offer, without importing any."""
    return sorted(point.name for point in entry_points(group=GROUP))


def domains(names: Sequence[str] = ()) -> list[Domain]:
    """Load domains; whatever their code raises is told as an error of that code."""
    try:
        found = discover(list(names) or None)
    except WaysideError:
        raise
    except Exception as error:
        raise DeclarationError(
            f"A domain cannot be imported: {type(error).__name__}: {error}.",
            where=place(error),
            next="Mend it, or leave it out with --domains.",
        ) from error
    if not found:
        raise DeclarationError(
            "No domain is installed.",
            why="Wayside runs what domains declare.",
            next="Write one with `wayside new-domain NAME`, then install its folder.",
        )
    return found


def feed_named(plan: Plan, name: str) -> Feed:
    """A declared feed, or a topic's plain one under the topic's name."""
    if name in plan.feeds:
        return plan.feeds[name]
    if name in plan.topics:
        return plain_feed(plan.topics[name])
    near = difflib.get_close_matches(name, [*plan.feeds, *plan.topics], n=1)
    raise NotFoundError(
        f"There is no feed {name!r}.",
        why=f"Feeds: {', '.join(plan.feeds)}. Topics: {', '.join(plan.topics)}.",
        next=f"Did you mean {near[0]!r}?" if near else "",
    )


def place(error: BaseException) -> str:
    """File and line at which an error arose; for a syntax error the line that is wrong."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def plain_feed(topic: Topic) -> Feed:
    """The way into a topic that needs no declaration: records as they are."""
    return Feed(topic.name, topic.name, topic.record, HttpPush(), topic.record)
