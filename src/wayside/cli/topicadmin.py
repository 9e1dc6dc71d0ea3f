"""Commands that change topics: `topic alter`, `topic delete`, on both brokers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayside.cli.output import DataDir, note, state
from wayside.errors import ConfigError, TopicNotFoundError, WaysideError

if TYPE_CHECKING:
    from wayside.ports import Broker
    from wayside.settings import Settings

Name = Annotated[str, typer.Argument(help="Name of the topic.")]
FOREVER = "forever"


def register(topics: typer.Typer) -> None:
    """Add these commands."""
    topics.command("alter")(alter)
    topics.command("delete")(delete)


def alter(
    ctx: typer.Context,
    name: Name,
    *,
    data_dir: DataDir = None,
    keep: Annotated[str | None, typer.Option("--keep", help=f"How long records stay, like 7d; or `{FOREVER}`.")] = None,
    keep_bytes: Annotated[
        int | None, typer.Option("--keep-bytes", min=0, help="Bytes that a partition may have; 0 for no limit.")
    ] = None,
) -> None:
    """Change how long a topic keeps its records. What a domain declares counts again at the next start."""
    from wayside.settings import span

    change: dict[str, Any] = {}
    if keep is not None:
        try:
            change["retention_age"] = None if keep == FOREVER else span(keep)
        except ValueError as error:
            raise ConfigError(
                f"{keep!r} is no duration.", why=str(error), next="Write 12h, 7d or `forever`."
            ) from error
    if keep_bytes is not None:
        change["retention_bytes"] = keep_bytes or None
    if not change:
        raise ConfigError("Nothing is to be changed.", next="Give --keep or --keep-bytes.")
    settings = state(ctx).settings(data_dir=data_dir)
    with writable(settings) as broker:
        broker.create(replace(spec_of(broker, name), **change))
    note(f"Topic {name} was changed.")


def delete(
    ctx: typer.Context,
    name: Name,
    *,
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a topic with all its records. Topics that a domain declares are refused."""
    settings = state(ctx).settings(data_dir=data_dir)
    from wayside.quarantine import QUARANTINE
    from wayside.runtime.chosen import chosen_plan

    if name in (*chosen_plan(settings.domains).topics, QUARANTINE):
        raise WaysideError(
            f"Topic {name} is in use.",
            why="A domain declares it, and tables and windows follow from it.",
            next="Take it out of the domain first.",
        )
    if not yes:
        typer.confirm(f"Delete topic {name} and all its records for good?", abort=True)
    with writable(settings) as broker:
        spec_of(broker, name)
        broker.delete(name)
    note(f"Topic {name} was deleted.")


def spec_of(broker: Broker, name: str) -> Any:
    """The topic's description. Raises TopicNotFoundError."""
    known = broker.topics()
    if name not in known:
        raise TopicNotFoundError(f"There is no topic {name}.", why=f"Topics are: {', '.join(known) or 'none'}.")
    return known[name]


@contextmanager
def writable(settings: Settings) -> Iterator[Broker]:
    """The log for writing. Raises DataFolderLockedError while a Wayside runs on the data folder."""
    from wayside.runtime.folder import Folder, hold
    from wayside.runtime.parts import broker_of, shared

    with nullcontext(Folder(settings.data_dir)) if shared(settings) else hold(settings.data_dir) as folder:
        broker = broker_of(settings, folder)
        try:
            yield broker
        finally:
            broker.close()
