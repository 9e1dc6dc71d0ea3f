"""The end of a micro-batch, which is the same for every engine: one transaction of the store, then the listeners."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import structlog

from wayside.dataflow.steps import Effects
from wayside.domain import Plan
from wayside.grouping import newest, without_nulls
from wayside.ports import HotStore
from wayside.values import Checkpoint, Commit

log = structlog.get_logger()
Listener = Callable[[Commit], None]
OFFSET = "_offset"


def write(store: HotStore, group: str, effects: Effects, checkpoint: Checkpoint) -> None:
    """Store everything that a micro-batch changed, and how far it came, or nothing."""
    with store.transaction() as transaction:
        for name, frames in effects.upserts.items():
            transaction.upsert(name, pl.concat(frames))
        for name, rows in effects.closed.items():
            transaction.append_windows(name, rows)
        for name, frames in effects.late.items():
            transaction.append_late(name, pl.concat(frames))
        transaction.save(group, checkpoint)


class Listeners:
    """Those who want to hear of commits."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.known: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after each commit, in order; returns the function that ends it."""
        self.known.append(listener)
        return lambda: self.known.remove(listener) if listener in self.known else None

    def tell(self, commit: Callable[[], Commit]) -> None:
        """Hand a commit to the listeners; one that fails is dropped from this commit only."""
        if not self.known:
            return
        made = commit()
        for listener in list(self.known):
            try:
                listener(made)
            except Exception as error:  # a listener must not stop the engine
                log.error("a listener failed", error=str(error))

    def settle(self, effects: Effects) -> None:
        """Leave the newest row per table and key, found once for the store and for those who listen.

        Rows without a place in a table stay, because the store tells of them. Without listeners it is the store that
        finds the newest rows.
        """
        if effects.settled or not self.known:
            return
        effects.settled = True
        for name, frames in effects.upserts.items():
            spec, frame = self.plan.tables[name].spec, pl.concat(frames)
            if not any(frame[column].null_count() for column in (*spec.key, spec.time)):
                frame = newest(frame, spec.key, spec.time, OFFSET)
            effects.upserts[name] = [frame]

    def newest(self, effects: Effects) -> dict[str, pl.DataFrame]:
        """The newest row per table and key among the rows of a commit."""
        self.settle(effects)  # when the first listener came after the commit
        return {name: self.newest_of(name, pl.concat(frames)) for name, frames in effects.upserts.items()}

    def newest_of(self, table: str, frame: pl.DataFrame) -> pl.DataFrame:
        """The newest row per key among settled rows of a table."""
        spec = self.plan.tables[table].spec
        placed = without_nulls(frame, [*spec.key, spec.time])
        found = placed if placed is frame else newest(placed, spec.key, spec.time, OFFSET)
        return found[[name for name in found.columns if name != OFFSET]]
