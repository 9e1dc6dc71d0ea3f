"""Records sent once more, to a Wayside that runs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from wayside.adapters.running import SourceStatus, Tally
from wayside.domain import Feed
from wayside.ports import Broker
from wayside.runtime.remote import RemoteIntake
from wayside.values import Position

ROWS = 5_000


def resend(
    broker: Broker, feed: Feed, positions: Mapping[Position, int], until: datetime | None, address: str
) -> SourceStatus:
    """Send what a topic holds now from these positions on, of an event time before `until`. Raises WaysideError.

    What comes meanwhile is left alone: sent to the same log, it would never end.
    """
    tally = Tally()
    intake = RemoteIntake(address, feed.name, feed.topic, feed.wire)
    try:
        ends = {(topic, info.partition): info.end for topic, _ in positions for info in broker.partitions(topic)}
        for position, offset in positions.items():
            while offset < ends[position] and (batch := broker.read(*position, offset, max_rows=ROWS)) is not None:
                within = ends[position] - batch.first
                rows = (
                    batch.frame.head(within)
                    if batch.offsets is None
                    else batch.frame.filter(batch.offsets < ends[position])
                )
                offset = batch.next
                if until is not None and feed.record.time is not None:
                    rows = rows.filter(pl.col(feed.record.time) < until)
                if not rows.is_empty():
                    sent = intake.submit_frame(rows)
                    tally.handed(rows.height, sent)
                    sent.result()
    finally:
        intake.close()
    return tally.status("finished")
