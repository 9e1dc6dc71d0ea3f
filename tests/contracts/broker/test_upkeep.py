"""Retention and compaction remove what they may, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from tests.contracts.broker.rows import SPEC, batches, everything, offsets, put, rows
from wayside.clock import ManualClock
from wayside.errors import OffsetOutOfRangeError
from wayside.ports import Broker


def test_retention_keeps_what_is_young_and_says_so_about_the_rest(broker: Broker, clock: ManualClock) -> None:
    broker.create(replace(SPEC, retention_age=timedelta(hours=1)))
    for start in range(0, 60, 10):
        put(broker, rows(start, 10))
        clock.advance(1200)
    broker.maintain()
    start = broker.partitions("readings")[0].start
    assert start <= 30  # what was appended within the hour is at offset 30 and later
    assert everything(broker, offset=start).equals(rows(start, 60 - start))
    assert put(broker, rows(60, 1)).offsets.to_list() == [60]
    if start:
        with pytest.raises(OffsetOutOfRangeError, match=f"offset {start}"):
            broker.read("readings", 0, start - 1)


def test_compaction_keeps_the_newest_row_of_each_key_under_its_offset(broker: Broker) -> None:
    broker.create(replace(SPEC, compact=True, retention_age=timedelta(seconds=1)))
    for start in range(0, 2000, 100):
        put(broker, rows(start, 100, things=7))
    broker.maintain()
    known = rows(0, 2000, things=7)
    found = batches(broker, max_rows=150)
    frame = pl.concat([batch.frame for batch in found])
    numbers = [offset for batch in found for offset in offsets(batch)]
    assert numbers == sorted(set(numbers))
    assert frame.get_column("value").to_list() == [float(number) for number in numbers]
    newest = known.group_by("thing").agg(pl.col("value").max()).sort("thing")
    assert frame.group_by("thing").agg(pl.col("value").max()).sort("thing").equals(newest)
    for offset in (0, 1, 999, 1993, 1999):
        rest = broker.read("readings", 0, offset)
        assert rest is not None
        assert rest.first >= offset


def test_compaction_goes_by_event_time_before_offset(broker: Broker, clock: ManualClock) -> None:
    broker.create(replace(SPEC, compact=True))
    newest = rows(5000, 1, things=1)
    put(broker, newest)
    for start in range(0, 1000, 100):
        put(broker, rows(start, 100, things=1))
    broker.maintain()
    assert everything(broker).filter(pl.col("value") == 5000.0).equals(newest)
