"""Rows that tell from their value where they belong, and short words for what every test does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from wayside.ports import Broker
from wayside.specs import TIME, TopicSpec
from wayside.values import Appended, Batch

SCHEMA = pl.Schema({"thing": pl.String(), "at": TIME, "value": pl.Float64()})
SPEC = TopicSpec("readings", SCHEMA, key=("thing",), time="at")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def rows(first: int, count: int, *, things: int = 3) -> pl.DataFrame:
    """Rows with the values first, first + 1, ..., one second apart from noon on."""
    numbers = range(first, first + count)
    return pl.DataFrame(
        {
            "thing": [f"thing-{number % things}" for number in numbers],
            "at": [NOON + timedelta(seconds=number) for number in numbers],
            "value": [float(number) for number in numbers],
        },
        schema=SCHEMA,
    )


def put(broker: Broker, frame: pl.DataFrame, topic: str = "readings", ids: list[str | None] | None = None) -> Appended:
    """Append and wait for the acknowledgement; checks that a run, where one is told, is where the rows lie."""
    series = None if ids is None else pl.Series(ids, dtype=pl.String)
    answer = broker.append(topic, frame, ids=series).result(timeout=30)
    if answer.run is not None:
        partition, first = answer.run
        assert set(answer.partitions) == {partition}
        assert answer.offsets.to_list() == list(range(first, first + frame.height))
    return answer


def batches(broker: Broker, partition: int = 0, offset: int = 0, *, max_rows: int = 100_000) -> list[Batch]:
    """Everything from an offset on; checks that the reads join up."""
    found = []
    while (batch := broker.read("readings", partition, offset, max_rows=max_rows)) is not None:
        assert batch.first >= offset
        assert batch.next > offset
        assert (batch.topic, batch.partition) == ("readings", partition)
        offset = batch.next
        found.append(batch)
    return found


def everything(broker: Broker, partition: int = 0, offset: int = 0, *, max_rows: int = 100_000) -> pl.DataFrame:
    """All rows from an offset on, as one frame."""
    frames = [batch.frame for batch in batches(broker, partition, offset, max_rows=max_rows)]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *frames])


def offsets(batch: Batch) -> list[int]:
    """The offset of each row."""
    if batch.offsets is None:
        return list(range(batch.first, batch.first + batch.frame.height))
    return batch.offsets.to_list()
