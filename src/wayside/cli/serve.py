"""Commands that run Wayside: `up` and `demo`."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wayside.cli.output import RUN, DataDir, note, say, state
from wayside.errors import ConfigError, DataFolderLockedError, DeclarationError

if TYPE_CHECKING:
    from wayside.runtime.service import Service

Port = Annotated[int | None, typer.Option("--port", "-p", help="Port to listen on; 0 takes a free one.")]
NEXT_PORTS = 50


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(rich_help_panel=RUN)(up)
    app.command(rich_help_panel=RUN)(demo)


def up(
    ctx: typer.Context,
    *,
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Port = None,
    domains: Annotated[str | None, typer.Option("--domains", help="Domains to run, separated by commas.")] = None,
    simulate: Annotated[bool | None, typer.Option("--simulate", help="Start the domains' simulators.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="`embedded`, or `cluster` on servers.")] = None,
    role: Annotated[str | None, typer.Option("--role", help="In a cluster: `server`, `engine`, or `all`.")] = None,
) -> None:
    """Run Wayside: take records, compute, and serve the page and the API.

    Prints its address on a line once it is ready. Ctrl-C or SIGTERM ends it cleanly; what was acknowledged is kept
    whatever happens. In the cluster profile one process computes (--role engine), and any number serve (--role server).
    """
    given = {"data_dir": data_dir, "host": host, "port": port, "domains": domains, "simulate": simulate}
    settings = state(ctx).settings(**given, profile=profile, role=role)
    from wayside.runtime.folder import hold

    if settings.role != "server":
        with hold(settings.data_dir):
            pass  # who has the folder is said before seconds of imports, and before the port turns out to be busy
    from wayside.runtime.chosen import chosen_plan
    from wayside.runtime.host import Host, limits_of, open_listener
    from wayside.runtime.service import Service

    plan = chosen_plan(settings.domains)
    limits = limits_of(settings)
    if settings.role == "engine":
        from wayside.runtime import alone

        with Service(plan, settings) as service:
            code = alone.run(service, lambda: say("Wayside's engine is ready"))
        raise typer.Exit(code)
    with open_listener(settings.host, settings.port, limits) as listener, Service(plan, settings) as service:
        code = Host(service, listener, limits).run(lambda address: say(f"Wayside is ready at {address}"))
    raise typer.Exit(code)


def demo(
    ctx: typer.Context,
    *,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin without what earlier demos have left.")] = False,
    port: Port = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", envvar="DEMO_SECONDS", help="End by itself after this long.")
    ] = None,
) -> None:
    """Show Wayside with generated records, in a data folder of its own.

    Takes the next free port when its own is busy. Ctrl-C ends it and keeps its history for the next time.
    """
    if seconds is not None and seconds <= 0:
        raise ConfigError("A demo lasts longer than nothing.", where="DEMO_SECONDS", why=f"Got {seconds:g}.")
    quiet = {} if os.environ.get("WAYSIDE_LOG_LEVEL") or state(ctx).debug else {"log_level": "warning"}
    folder, passing = demo_folder(fresh=fresh)
    settings = state(ctx).settings(data_dir=folder, simulate=True, port=port, **quiet)
    from wayside.runtime.chosen import chosen_plan
    from wayside.runtime.host import Host, limits_of, open_listener
    from wayside.runtime.service import Service
    from wayside.runtime.tally import Tally

    plan = chosen_plan(settings.domains)
    limits = limits_of(settings)
    listener = open_listener(settings.host, settings.port, limits, tries=NEXT_PORTS)
    with listener, ExitStack() as running:
        try:
            service = running.enter_context(Service(plan, settings))
        except DeclarationError as error:  # an earlier version's demo; nobody keeps what was generated
            note(f"Beginning anew, because what earlier demos left is declared otherwise: {error.what}")
            demo_folder(fresh=True)
            service = running.enter_context(Service(plan, settings))
        tally = Tally(service)
        host = Host(service, listener, limits)
        code = host.run(lambda address: say(invitation(service, address, seconds)), seconds=seconds)
        say(tally.summary())
    if passing:
        shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(code)


def invitation(service: Service, address: str, seconds: float | None) -> str:
    """One line: where to look, at what, and how it ends."""
    titles = " and ".join(domain.title for domain in service.plan.domains)
    end = "Ctrl-C ends it" if seconds is None else f"ends by itself after {seconds:g} s"
    return f"Open {address}/ to see {titles} live, and {address}/pipelines to see how; {end}."


def demo_folder(*, fresh: bool) -> tuple[Path, bool]:
    """The demo's own folder; while another demo uses it a passing one, and true."""
    from wayside import settings
    from wayside.runtime.folder import empty, hold

    folder = settings.home() / "demo"
    try:
        with hold(folder):
            if fresh:
                empty(folder)
    except DataFolderLockedError:
        passing = Path(tempfile.mkdtemp(prefix="wayside-demo-"))
        note(f"Another demo is running in {folder}; this one uses {passing}.")
        return passing, True
    return folder, False
