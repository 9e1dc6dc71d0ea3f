"""Commands that bring data in and take it out: `replay`, `simulate`, `sql`, `export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from wayside.cli.output import DATA, AsJson, DataDir, note, print_json, print_table, state
from wayside.cli.topics import address

To = Annotated[str | None, typer.Option("--to", help="Address of the Wayside that takes them.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(rich_help_panel=DATA)(replay)
    app.command(rich_help_panel=DATA)(sql)
    app.command(rich_help_panel=DATA)(export)
    app.command(rich_help_panel=DATA)(simulate)


def replay(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Files: NDJSON, CSV or Parquet, also .gz and .zst.")],
    *,
    feed: Annotated[str, typer.Option("--feed", "-f", help="Feed (or topic) that they belong to.")],
    speed: Annotated[
        float | None, typer.Option("--speed", help="Times the pace of their event times; full speed when left out.")
    ] = None,
    to: To = None,
) -> None:
    """Send the records of files to a running Wayside, through the door of a feed.

    What was sent before is recognised, so that a replay that was broken off is simply run again.
    """
    settings = state(ctx).settings()
    from wayside.adapters.progress import shown
    from wayside.adapters.replay import FileReplay
    from wayside.adapters.sources import AS_FAST_AS_POSSIBLE
    from wayside.runtime.chosen import chosen_plan, feed_named
    from wayside.runtime.remote import RemoteIntake

    found = feed_named(chosen_plan(settings.domains), feed)
    intake = RemoteIntake(to or address(settings), found.name, found.topic, found.wire)
    try:
        with shown(found.name) as progress:
            FileReplay(found, files, intake, speed=speed or AS_FAST_AS_POSSIBLE, progress=progress).run()
    finally:
        intake.close()


def sql(
    ctx: typer.Context,
    query: Annotated[
        str | None, typer.Argument(help="One SELECT; - reads it from stdin; left out, what there is is listed.")
    ] = None,
    *,
    data_dir: DataDir = None,
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="Most rows to print.")] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Ask the lake and the tables in SQL (DuckDB); works beside a running Wayside.

    The schemas are bronze (what came in), silver (what streams made of it), gold (closed windows) and hot (what is
    true now), as in `select * from gold.NAME`.
    """
    settings = state(ctx).settings(data_dir=data_dir)
    from wayside.lake.query import sql as run
    from wayside.runtime.reading import sources

    with sources(settings) as found:
        if query is None:
            listed = [(f"{view.schema}.{view.name}", ", ".join(view.frame.collect_schema())) for view in found.views()]
            names, lines = ["table", "columns"], sorted(listed)
        else:
            frame = run(sys.stdin.read() if query == "-" else query, found, rows=rows)
            names, lines = frame.columns, frame.rows()
    if as_json:
        print_json([dict(zip(names, line, strict=True)) for line in lines])
    else:
        print_table(names, lines)


def export(
    ctx: typer.Context,
    table: Annotated[str, typer.Argument(help="What to export, as `wayside sql` lists it: gold.NAME, hot.NAME ...")],
    *,
    data_dir: DataDir = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; stdout when left out. Its ending says the format."),
    ] = None,
    kind: Annotated[str | None, typer.Option("--format", "-f", help="csv, parquet or arrow.")] = None,
    where: Annotated[str | None, typer.Option("--where", help="Condition on the rows, as in SQL.")] = None,
) -> None:
    """Write rows of the lake or of the tables as CSV, Parquet or Arrow; works beside a running Wayside."""
    settings = state(ctx).settings(data_dir=data_dir)
    from wayside.lake.export import chunks, format_of, write
    from wayside.runtime.reading import chosen, sources

    with sources(settings) as found:
        rows = chosen(found, table, where)
        if out is not None:
            size = write(rows, out, format_of(kind) if kind else None)
            note(f"{out}: {size:,} bytes.")
            return
        for piece in chunks(rows, format_of(kind or "csv")):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def simulate(
    ctx: typer.Context,
    feed: Annotated[str, typer.Argument(help="Name of a feed that is simulated.")],
    *,
    things: Annotated[int | None, typer.Option("--things", "-n", help="How many things speak.")] = None,
    rate: Annotated[float | None, typer.Option("--rate", help="Messages of each per second.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="End after this long.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Send them to a running Wayside instead.")] = False,
    to: To = None,
) -> None:
    """Make up messages of a feed in real time and print them, one JSON object per line."""
    settings = state(ctx).settings()
    from wayside.runtime.chosen import chosen_plan
    from wayside.runtime.remote import RemoteIntake
    from wayside.runtime.simulating import Printer, simulator_of
    from wayside.runtime.simulating import simulate as run

    found = simulator_of(chosen_plan(settings.domains), feed)
    intake: Printer | RemoteIntake
    if send or to:
        intake = RemoteIntake(to or address(settings), found.name, found.topic, found.wire)
    else:
        intake = Printer(found, write)
    try:
        done = run(found, intake, things=things, rate=rate, seconds=seconds)
    except KeyboardInterrupt:
        return
    note(f"{done.messages:,} messages: {done.accepted:,} accepted, {done.rejected:,} rejected.")


def write(line: bytes) -> None:
    """A message on stdout."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
