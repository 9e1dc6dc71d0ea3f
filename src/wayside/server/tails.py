"""New records of topics as they come: the `records` events of the live stream."""

from __future__ import annotations

import polars as pl

from wayside.server import frames
from wayside.server.changes import Wish, allowed, event
from wayside.server.logs import LogReader
from wayside.server.services import Services

ROWS = 200
"""Records of one topic that one event holds; the newest are shown, and the number left out is told."""
Positions = tuple[tuple[str, int, int], ...]
"""Topic, partition and next offset, in order."""


def ends(services: Services, topics: tuple[str, ...]) -> Positions:
    """Where the topics end now."""
    return tuple(
        (topic, info.partition, info.end)
        for topic in topics
        for info in sorted(services.broker.partitions(topic), key=lambda info: info.partition)
    )


def news(services: Services, wish: Wish, before: Positions, after: Positions) -> list[bytes]:
    """One event per topic with records between two positions."""
    starts = {(topic, partition): offset for topic, partition, offset in before}
    found: list[bytes] = []
    for topic in wish.topics:
        parts: list[pl.DataFrame] = []
        skipped = 0
        for name, partition, end in after:
            first = starts.get((name, partition), end)
            if name != topic or first >= end:
                continue
            reader = LogReader(services.broker, topic, partition)
            start = max(first, reader.start, end - ROWS)
            skipped += start - first
            parts.append(allowed(reader.between(start, end), wish.where))
        rows = pl.concat(parts, how="diagonal") if parts else pl.DataFrame()
        if rows.height:
            found.append(records(services, topic, rows, skipped))
    return found


def records(services: Services, topic: str, rows: pl.DataFrame, skipped: int) -> bytes:
    """One event."""
    declared = services.plan.topics.get(topic)
    units = declared.record.units() if declared is not None else {}
    now = frames.iso(services.clock.now())
    return event("records", {"topic": topic, "now": now, "skipped": skipped, **frames.as_object(rows, units)})
