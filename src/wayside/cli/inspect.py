"""Commands that look and change nothing: `check` and `doctor`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayside.cli.output import LOOK, AsJson, fail, note, paint, print_json, say, state
from wayside.errors import WaysideError

if TYPE_CHECKING:
    from wayside.domain import Domain, Plan

MARKS = {"pass": ("ok", "32"), "warn": ("warn", "33"), "fail": ("fail", "31;1")}


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(rich_help_panel=LOOK)(check)
    app.command(rich_help_panel=LOOK)(doctor)


def check(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Domains; all installed ones when none is named.")] = None,
    *,
    diagram: Annotated[bool, typer.Option("--diagram", help="Print the plan as a Mermaid diagram.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read configuration and declarations, and draw the plan, without running anything.

    Exits with 1 when a declaration is wrong, and says for each what was expected and what was found.
    """
    settings = state(ctx).settings()
    from wayside.runtime.chosen import plan_of
    from wayside.runtime.diagram import mermaid, text

    found, errors = load_each(names or list(settings.domains))
    plan: Plan | None = None
    if not errors:
        try:
            plan = plan_of(found)
        except WaysideError as error:
            errors.append(error)
    if as_json:
        print_json(as_document(plan, errors))
    else:
        for wrong in errors:
            fail(wrong)
    if plan is None:
        raise typer.Exit(1)
    if not as_json:
        say(mermaid(plan) if diagram else text(plan), end="")
        parts = (f"{len(plan.feeds)} feeds", f"{len(plan.topics)} topics", f"{len(plan.windows)} windows")
        note(f"{', '.join(domain.name for domain in found)}: {', '.join(parts)}, {len(plan.tables)} tables. All good.")


def load_each(names: list[str]) -> tuple[list[Domain], list[WaysideError]]:
    """Domains that can be loaded, and the errors of the others."""
    from wayside.runtime.chosen import domains, installed

    found: list[Domain] = []
    errors: list[WaysideError] = []
    for name in names or installed() or [""]:
        try:
            found += domains([name] if name else [])
        except WaysideError as error:
            errors.append(error)
    return found, errors


def as_document(plan: Plan | None, errors: list[WaysideError]) -> dict[str, Any]:
    """What `check --json` prints."""
    told = [{"what": e.what, "where": e.where, "why": e.why, "next": e.next} for e in errors]
    if plan is None:
        return {"ok": False, "errors": told}
    return {
        "ok": True,
        "errors": told,
        "domains": [domain.name for domain in plan.domains],
        "feeds": list(plan.feeds),
        "flows": list(plan.flows),
        "windows": list(plan.windows),
        "tables": list(plan.tables),
        "edges": [{"source": edge.source, "target": edge.target} for edge in plan.edges()],
    }


def doctor(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Examine this machine, this installation and the data folder, and say what mends what is wrong.

    Exits with 1 when something must be mended. Never prints a secret, and changes nothing.
    """
    settings = state(ctx).settings()
    from wayside.runtime.doctor import examine

    findings = list(examine(settings))
    if as_json:
        print_json([{"level": f.level, "name": f.name, "what": f.what, "fix": f.fix} for f in findings])
    else:
        for finding in findings:
            word, colour = MARKS[finding.level]
            say(f"{paint(f'{word:<5}', colour, sys.stdout)} {finding.name:<12} {finding.what}")
            if finding.fix and finding.level != "pass":
                say(f"{'':<18} {finding.fix}")
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(1)
