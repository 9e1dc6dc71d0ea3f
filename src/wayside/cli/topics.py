"""Commands on feeds and topics: try a feed, list and follow the log, send a part of it again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayside.cli import topicadmin
from wayside.cli.output import DATA, LOOK, AsJson, DataDir, note, print_json, print_line, print_table, state
from wayside.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from wayside.domain import Plan
    from wayside.ports import Broker
    from wayside.settings import Settings

feeds = typer.Typer(no_args_is_help=True, help="Where records come from.")
topics = typer.Typer(no_args_is_help=True, help="The log: list, follow, send again.")

Name = Annotated[str, typer.Argument(help="Name of the topic.")]
From = Annotated[str | None, typer.Option("--from", help="First offset, or an event time in ISO 8601.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(feeds, name="feed", rich_help_panel=LOOK)
    topicadmin.register(topics)
    app.add_typer(topics, name="topic", rich_help_panel=DATA)


@feeds.command("test")
def try_feed(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the feed.")],
    file: Annotated[
        Path | None, typer.Argument(help="NDJSON, CSV or Parquet; JSON lines from stdin when left out.")
    ] = None,
) -> None:
    """Try messages on a feed: print the rows that they become, and why others are refused. Nothing is stored.

    Exits with 1 when a message was refused.
    """
    settings = state(ctx).settings()
    from wayside.runtime.chosen import chosen_plan, feed_named
    from wayside.runtime.trying import tried

    feed = feed_named(chosen_plan(settings.domains), name)
    messages = rows = refused = 0
    for part in tried(feed, file, sys.stdin.buffer):
        for row in part.converted.frame.iter_rows(named=True):
            print_line(row)
        for rejection in part.converted.rejections:
            note(f"message {part.first + rejection.row + 1}: {rejection.rule}: {rejection.message}")
        messages += part.messages
        rows += part.converted.frame.height
        refused += len(part.converted.rejections)
    note(f"{messages:,} messages became {rows:,} rows; {refused:,} were refused.")
    if refused:
        raise typer.Exit(1)


@topics.command("ls")
def ls(ctx: typer.Context, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the topics of the data folder with their size and age; works beside a running Wayside."""
    broker = reader(state(ctx).settings(data_dir=data_dir))
    rows = [
        (name, info.partition, info.start, info.end, info.bytes, info.oldest, info.newest, ", ".join(spec.key))
        for name, spec in broker.topics().items()
        for info in broker.partitions(name)
    ]
    names = ("topic", "partition", "start", "end", "bytes", "oldest", "newest", "key")
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        print_table(names, rows)


@topics.command("tail")
def tail(
    ctx: typer.Context,
    name: Name,
    *,
    data_dir: DataDir = None,
    number: Annotated[int, typer.Option("--number", "-n", min=0, help="Records from the end of each partition.")] = 10,
    start: From = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
) -> None:
    """Print records of a topic, one JSON object per line; works beside a running Wayside."""
    broker = reader(state(ctx).settings(data_dir=data_dir))
    positions = starts(broker, name, start, number)
    try:
        for row in records(broker, positions, follow=follow):
            print_line(row)
    except KeyboardInterrupt:
        return


@topics.command("replay")
def replay(
    ctx: typer.Context,
    name: Name,
    *,
    data_dir: DataDir = None,
    start: From = None,
    until: Annotated[str | None, typer.Option("--until", help="Event time at which to end, in ISO 8601.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Address of the Wayside that takes them.")] = None,
) -> None:
    """Send records of a topic to a Wayside once more, in the order of the log, as new records.

    To compute tables and windows again from what is in the log already, use `wayside rebuild`.
    """
    settings = state(ctx).settings(data_dir=data_dir)
    from wayside.runtime.chosen import chosen_plan, plain_feed
    from wayside.runtime.replaying import resend

    plan: Plan = chosen_plan(settings.domains)
    if name not in plan.topics:
        raise NotFoundError(f"No domain declares the topic {name!r}.", why=f"Topics: {', '.join(plan.topics)}.")
    broker = reader(settings)
    end = moment(until) if until else None
    done = resend(
        broker, plain_feed(plan.topics[name]), starts(broker, name, start, None), end, to or address(settings)
    )
    note(f"Sent {done.messages:,} records again: {done.accepted:,} accepted, {done.rejected:,} rejected.")


def address(settings: Settings) -> str:
    """Where this user's own Wayside would run."""
    return f"http://{settings.host}:{settings.port}"


def reader(settings: Settings) -> Broker:
    """The log, read beside whoever writes it: that of the data folder, or Kafka."""
    from wayside.broker.reader import ReadOnlyBroker
    from wayside.runtime.folder import Folder
    from wayside.runtime.parts import broker_of, shared

    if shared(settings):
        from wayside.runtime.chosen import chosen_plan

        return broker_of(settings, Folder(settings.data_dir), plan=chosen_plan(settings.domains))
    folder = Folder(settings.data_dir)
    if not folder.log.is_dir():
        raise NotFoundError(
            "There is no log.",
            where=str(settings.data_dir),
            next="Start `wayside up` with this data folder first, or name another with --data-dir.",
        )
    return ReadOnlyBroker(folder.log)


def starts(broker: Broker, name: str, start: str | None, number: int | None) -> dict[tuple[str, int], int]:
    """Where to begin in each partition: at an offset, at a time, at the last `number` records, or at the start."""
    found = {}
    for info in broker.partitions(name):
        if start is None:
            offset = info.start if number is None else max(info.start, info.end - number)
        elif start.lstrip("-").isdigit():
            offset = min(max(info.start, int(start)), info.end)
        else:
            offset = broker.seek(name, info.partition, moment(start))
        found[name, info.partition] = offset
    return found


def moment(text: str) -> datetime:
    """An instant in ISO 8601 with an offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is neither an offset nor a time.", next="Write 2026-01-01T12:00:00Z.") from error
    if found.tzinfo is None:
        raise ConfigError(f"{text!r} does not say in which zone.", next="Write 2026-01-01T12:00:00Z.")
    return found


def records(broker: Broker, positions: dict[tuple[str, int], int], *, follow: bool) -> Iterator[dict[str, Any]]:
    """Rows with their place, partition by partition, then as they come."""
    positions = dict(positions)
    while True:
        for (name, partition), offset in positions.items():
            while (batch := broker.read(name, partition, offset)) is not None:
                offsets = batch.offsets if batch.offsets is not None else range(batch.first, batch.next)
                for place, row in zip(offsets, batch.frame.iter_rows(named=True), strict=True):
                    yield {"_partition": partition, "_offset": place, **row}
                offset = batch.next
            positions[name, partition] = offset
        if not follow:
            return
        broker.wait(positions, 1.0)
