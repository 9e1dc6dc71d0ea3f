"""What each source was known to hold, kept in the log, so that after a restart it is noticed what has gone meanwhile.

A thing is written down before it is told of for the first time, and struck out after it was told that it has gone. So
whatever happens in between, what the log's readers were told of is known at the next start; at worst a thing leaves
that never came, or leaves twice, which changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from wayside.adapters.entities import LONGEST, Key, Message, encode
from wayside.clock import SYSTEM, Clock
from wayside.ports import Broker
from wayside.specs import TIME, TopicSpec

THINGS = "_things"
SPEC = TopicSpec(
    name=THINGS,
    schema=pl.Schema({"at": TIME, "feed": pl.String(), "thing": pl.String(), "message": pl.Binary()}),
    key=("feed",),
    time="at",
    retention_age=timedelta(days=7),
)
"""One row per coming and going: the thing's key, and its first message, or null when it has gone."""
AGAIN = timedelta(days=1)
"""What is still there is written down anew after so long, before the log forgets it."""
SECONDS = 30.0


class Holding:
    """The things of one feed's source in the log; for one thread."""

    def __init__(self, broker: Broker, feed: str, clock: Clock = SYSTEM) -> None:
        self._broker = broker
        self._feed = feed
        self._clock = clock
        self._held: dict[Key, Message] = {}
        self._whole: datetime | None = None

    def load(self) -> tuple[Mapping[Key, Message], Mapping[Key, datetime]]:
        """What was there when it was last written down, and what had left lately. Raises what the log raises."""
        self._broker.create(SPEC)
        found: dict[Key, Message] = {}
        left: dict[Key, datetime] = {}
        recent = self._clock.now() - LONGEST
        for info in self._broker.partitions(THINGS):
            offset = info.start
            while offset < info.end and (batch := self._broker.read(THINGS, info.partition, offset)) is not None:
                rows = batch.frame.filter(pl.col("feed") == self._feed).select("thing", "message", "at")
                for thing, message, at in rows.iter_rows():
                    key = tuple(json.loads(thing))
                    found.pop(key, None)
                    left.pop(key, None)
                    if message is not None:
                        found[key] = json.loads(message)
                    elif at > recent:
                        left[key] = at
                offset = batch.next
        self._held = found
        return dict(found), left

    def came(self, things: Mapping[Key, Message]) -> None:
        """Write down, durably, that these are there. Raises what the log raises."""
        self._held |= things
        now = self._clock.now()
        if self._whole is None or now - self._whole >= AGAIN:
            self._write((key, encode(message)) for key, message in self._held.items())
            self._whole = now
        else:
            self._write((key, encode(message)) for key, message in things.items())

    def went(self, keys: Iterable[Key]) -> None:
        """Write down, durably, that these are no longer there. Raises what the log raises."""
        gone = list(keys)
        self._write((key, None) for key in gone)
        for key in gone:
            self._held.pop(key, None)

    def _write(self, rows: Iterable[tuple[Key, bytes | None]]) -> None:
        now = self._clock.now()
        written: list[Any] = [(now, self._feed, encode(list(key)).decode(), message) for key, message in rows]
        if written:
            frame = pl.DataFrame(written, schema=SPEC.schema, orient="row")
            self._broker.append(THINGS, frame).result(SECONDS)
