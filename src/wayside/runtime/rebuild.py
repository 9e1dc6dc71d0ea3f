"""Tables and windows computed again from the log: the same plan over a source that ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wayside.broker import EmbeddedBroker
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Plan
from wayside.hot.repair import set_aside
from wayside.hot.sqlite import SqliteStore
from wayside.quarantine import SPEC
from wayside.runtime.chosen import chosen_plan
from wayside.runtime.folder import Folder, hold
from wayside.settings import Settings


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild has done, and where the store that it replaced was put."""

    records: int
    rows: int
    windows: int
    kept: Path | None


def rebuild(settings: Settings) -> Rebuilt:
    """Set the store aside and compute it again from the log. Raises DataFolderLockedError while Wayside runs.

    Windows that are still open stay open: `wayside up` goes on from there.
    """
    plan = chosen_plan(settings.domains)
    with hold(settings.data_dir) as folder:
        folder.check()
        kept = set_aside(folder.hot, why="replaced")
        broker = EmbeddedBroker(folder.log)
        try:
            return computed(plan, broker, folder, kept)
        finally:
            broker.close()


def computed(plan: Plan, broker: EmbeddedBroker, folder: Folder, kept: Path | None) -> Rebuilt:
    """Run the engine to the end of the log over an empty store."""
    for topic in plan.topics.values():
        broker.create(topic.spec)
    broker.create(SPEC)
    store = SqliteStore(folder.hot)
    try:
        store.ensure([table.spec for table in plan.tables.values()], [window.spec for window in plan.windows.values()])
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
    finally:
        store.close()
