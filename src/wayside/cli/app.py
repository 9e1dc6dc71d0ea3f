"""The program: its commands in sections, and how an error becomes words and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from wayside import __version__
from wayside.cli import data, inspect, project, serve, topics
from wayside.cli.output import State, fail
from wayside.errors import ConfigError, DataFolderLockedError, WaysideError

# Of sysexits.h, where service managers know them; everything else is 1, and 2 for a wrong command line.
CODES: dict[type[WaysideError], int] = {DataFolderLockedError: 73, ConfigError: 78}

DEFECT = "This is a defect. Run the command again as `wayside --debug ...` and report what it prints."

app = typer.Typer(
    name="wayside",
    help="Live feeds of things that move and things that measure, turned into live maps, rollups and reports.",
    epilog="Begin with:  wayside demo     Data goes to stdout, logs go to stderr.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def show_version(wanted: bool) -> None:
    """`wayside --version`."""
    if wanted:
        typer.echo(f"wayside {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    *,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Configuration file instead of ./wayside.toml.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""
    ctx.obj = State(config, debug=debug)


for part in (serve, inspect, topics, data, project):
    part.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    debug = "--debug" in arguments or os.environ.get("WAYSIDE_DEBUG", "") not in ("", "0")
    try:
        app(list(arguments), prog_name="wayside")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except WaysideError as error:
        if debug:
            raise
        fail(error)
        return next((code for kind, code in CODES.items() if isinstance(error, kind)), 1)
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # a defect of ours is told in a sentence, too; its trace is for the log
        if debug:
            raise
        import structlog

        if not sys.stderr.isatty():
            structlog.get_logger(__name__).critical("unexpected error", exc_info=True)
        fail(WaysideError(f"Something unexpected happened: {type(error).__name__}: {error}", next=DEFECT))
        return 1
    return 0
