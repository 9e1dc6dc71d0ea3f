"""Consuming: the next records of a consumer's partitions, up to a number of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
import polars as pl

from wayside.errors import OffsetOutOfRangeError
from wayside.server.operations import Context
from wayside.server.registry.store import SchemaStore
from wayside.server.restproxy.formats import declared_rows, plain_messages
from wayside.server.restproxy.groups import Consumer, Groups
from wayside.server.restproxy.schemas import schema_of
from wayside.server.restproxy.targets import Target, Targets
from wayside.values import Batch, Position

ROWS = 500
PAUSES = (0.01, 0.02, 0.05, 0.1)
"""Seconds between two looks at a log that has nothing new; the last one is repeated."""


class Reader:
    """Reads for consumers; waiting takes no thread."""

    def __init__(self, context: Context, targets: Targets, groups: Groups, store: SchemaStore) -> None:
        self.context = context
        self.targets = targets
        self.groups = groups
        self.store = store

    async def records(self, consumer: Consumer, seconds: float, most: int) -> list[bytes]:
        """The next records as JSON, at least one if there is any within `seconds`, and no more than `most` bytes."""
        clock, run = self.context.services.clock, self.context.workers.run
        async with consumer.reading:
            await run(self.groups.auto_commit, consumer)
            until, looks = clock.monotonic() + seconds, 0
            while True:
                found: list[bytes] = await run(self.fetch, consumer, most)
                left = until - clock.monotonic()
                if found or left <= 0:
                    consumer.used = clock.monotonic()
                    return found
                await asyncio.sleep(min(left, PAUSES[min(looks, len(PAUSES) - 1)]))
                looks += 1

    def fetch(self, consumer: Consumer, most: int) -> list[bytes]:
        """What is there now; each call begins with another partition."""
        found: list[bytes] = []
        places = list(consumer.assigned)
        consumer.turn += 1
        for at in range(len(places)):
            place = places[(consumer.turn + at) % len(places)]
            for offset, record in self.of_partition(consumer, place):
                if found and len(record) > most:
                    break
                most -= len(record)
                found.append(record)
                consumer.positions[place] = consumer.returned[place] = offset + 1
            if most <= 0:
                break
        return found

    def of_partition(self, consumer: Consumer, place: Position) -> Iterator[tuple[int, bytes]]:
        """Offset and JSON of the next records of one partition."""
        target = self.targets.find(place[0])
        position = self.position(consumer, target, place)
        try:
            batch = self.context.services.broker.read(target.topic, place[1], position, max_rows=ROWS)
        except OffsetOutOfRangeError:
            consumer.positions[place] = self.reset(consumer, target, place)
            return
        if batch is None:
            return
        for offset, (key, value) in zip(offsets_of(batch), self.shown(target, batch, consumer), strict=True):
            record = {"topic": place[0], "key": key, "value": value, "partition": place[1], "offset": offset}
            yield offset, orjson.dumps(record)
        if not batch.frame.height:
            consumer.positions[place] = batch.next  # over damage, of which nothing is left

    def shown(self, target: Target, batch: Batch, consumer: Consumer) -> list[tuple[Any, Any]]:
        """Keys and values in the consumer's format."""
        if target.record is not None:
            return declared_rows(batch.frame, target.record, consumer.config.format)
        return plain_messages(batch.frame, consumer.config.format, lambda number: schema_of(self.store, number))

    def position(self, consumer: Consumer, target: Target, place: Position) -> int:
        """The next offset: where it is, else what its group has committed, else where it was told to begin."""
        known = consumer.positions.get(place)
        if known is None:
            known = self.groups.committed(consumer, [place]).get(place)
            consumer.positions[place] = known = self.reset(consumer, target, place) if known is None else known
        return known

    def reset(self, consumer: Consumer, target: Target, place: Position) -> int:
        """The start or the end of a partition."""
        info = self.context.services.broker.partitions(target.topic)[place[1]]
        return info.start if consumer.config.reset == "earliest" else info.end


def offsets_of(batch: Batch) -> list[int]:
    """The offset of each row."""
    if batch.offsets is not None:
        return batch.offsets.cast(pl.Int64).to_list()
    return list(range(batch.first, batch.first + batch.frame.height))
