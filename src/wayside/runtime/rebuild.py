"""Tables and windows computed again from the log: the same plan over a source that ends."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from wayside.dataflow import EmbeddedEngine
from wayside.domain import Plan
from wayside.errors import WaysideError
from wayside.hot.repair import set_aside
from wayside.ports import Broker, HotStore
from wayside.runtime import parts
from wayside.runtime.chosen import chosen_plan
from wayside.runtime.folder import Folder, hold
from wayside.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild has done, and where the store that it replaced was put."""

    records: int
    rows: int
    windows: int
    kept: str | None


def rebuild(settings: Settings) -> Rebuilt:
    """Set the store aside and compute it again from the log. Raises DataFolderLockedError while Wayside runs.

    Windows that are still open stay open: `wayside up` goes on from there.
    """
    plan = chosen_plan(settings.domains)
    parts.check(settings)
    with hold(settings.data_dir) as folder:
        folder.check()
        do_chores(plan, folder)
        kept = put_aside(settings, folder)
        broker = parts.broker_of(settings, folder, plan=plan)
        try:
            parts.create_topics(plan, broker, settings)
            store = parts.store_of(settings, plan, folder)
            try:
                return computed(plan, broker, store, kept)
            finally:
                store.close()
        finally:
            broker.close()


def do_chores(plan: Plan, folder: Folder) -> None:
    """What domains look things up in, as it is now or was when it could last be had."""
    for domain in plan.domains:
        for chore in domain.chores:
            try:
                chore.work(folder.domains / domain.name)
            except WaysideError as error:
                log.warning("a chore failed before the rebuild", domain=domain.name, chore=chore.name, error=error.what)


def put_aside(settings: Settings, folder: Folder) -> str | None:
    """Give the store that is there another name; returns it, or null when there is none."""
    if settings.profile == "embedded":
        kept = set_aside(folder.hot, why="replaced")
        return str(kept) if kept else None
    from wayside.hot.postgres import replacing

    name = replacing.set_aside(settings.postgres_dsn.get_secret_value(), schema=settings.postgres_schema)
    return f"the schema {name}" if name else None


def computed(plan: Plan, broker: Broker, store: HotStore, kept: str | None) -> Rebuilt:
    """Run the engine to the end of the log over an empty store."""
    engine = EmbeddedEngine(plan, broker, store)
    closed = 0

    def count(rows: int) -> None:
        nonlocal closed
        closed += rows

    end = engine.subscribe(lambda commit: count(sum(frame.height for frame in commit.windows.values())))
    records = engine.drain()
    engine.stop()
    end()
    return Rebuilt(records, sum(store.count(name) for name in plan.tables), closed, kept)
