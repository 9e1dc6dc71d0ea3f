"""The first event of a subscription: all that it covers. Subscribers that come together share the work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import polars as pl

from wayside.server import frames
from wayside.server.changes import Wish, allowed, event, table_object, window_object
from wayside.server.operations import Context
from wayside.server.params import FIRST, LAST, of_column
from wayside.server.ring import Ring
from wayside.server.services import Services
from wayside.server.windows import partials

ROWS = 10_000
"""Rows of one table or window that a snapshot holds."""
FRESH = 0.25
"""Seconds for which a snapshot is handed to others with the same wish; what came since follows as commits."""


@dataclass
class Taken:
    """A snapshot as of a sequence number, or a little later; being made, or made."""

    sequence: int
    began: float
    task: asyncio.Task[bytes]


class Snapshots:
    """Makes snapshots, one at a time per wish. Used from the event loop only."""

    def __init__(self, context: Context, ring: Ring) -> None:
        self._context = context
        self._ring = ring
        self._taken: dict[Wish, Taken] = {}

    async def get(self, wish: Wish) -> tuple[int, bytes]:
        """The sequence number from which on commits must follow, and the event."""
        now = self._context.services.clock.monotonic()
        taken = self._taken.get(wish)
        if taken is None or (taken.task.done() and now - taken.began > FRESH):
            self._taken = {w: t for w, t in self._taken.items() if not t.task.done() or now - t.began <= FRESH}
            sequence = self._ring.latest
            work = self._context.workers.run(snapshot, self._context.services, wish, sequence)
            taken = self._taken[wish] = Taken(sequence, now, asyncio.create_task(work))
        # Shielded: one client that leaves must not take the snapshot away from the others.
        return taken.sequence, await asyncio.shield(taken.task)


def snapshot(services: Services, wish: Wish, sequence: int) -> bytes:
    """All that the wish covers, as of `sequence` or a little later."""
    tables = {name: table(services, name, wish) for name in wish.tables}
    windows = {name: recent(services, name, wish) for name in wish.windows}
    now = frames.iso(services.clock.now())
    return event("snapshot", {"sequence": sequence, "now": now, "tables": tables, "windows": windows}, sequence)


def table(services: Services, name: str, wish: Wish) -> dict[str, Any]:
    """The first live rows of a table."""
    schema = services.plan.tables[name].spec.schema
    where: dict[str, list[Any]] = {}
    for column, text in wish.where:
        if column in schema:
            where.setdefault(column, []).append(of_column("where", text, schema[column]))
    rows = services.store.table(name, where=where, limit=ROWS + 1)
    return table_object(services.plan, name, rows.head(ROWS)) | {"truncated": rows.height > ROWS}


def recent(services: Services, name: str, wish: Wish) -> dict[str, Any]:
    """The open windows and, per key, the newest closed one of the last few."""
    spec = services.plan.windows[name].spec
    now = services.clock.now()
    start, end = FIRST, LAST
    if not spec.endless:
        reach = max(3 * spec.size, 2 * spec.gap, 6 * spec.every)
        start, end = now - reach - spec.lateness, now + reach
    rows = allowed(partials(services, spec, start, end, None), wish.where)
    closed = rows.filter(~pl.col("open")).unique(list(spec.by), keep="last", maintain_order=True)
    both = pl.concat([closed, rows.filter(pl.col("open"))])
    return window_object(spec, both.tail(ROWS))
