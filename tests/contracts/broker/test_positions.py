"""Finding a place: by time, by what a group has committed, by waiting."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from tests.contracts.broker.rows import NOON, SPEC, everything, put, rows
from wayside.clock import ManualClock
from wayside.ports import Broker


def test_seek_by_event_time_misses_no_record(broker: Broker) -> None:
    broker.create(SPEC)
    for start in (0, 20, 10, 30):  # out of order on purpose
        put(broker, rows(start, 10))
    assert broker.seek("readings", 0, NOON - timedelta(days=1)) == 0
    for second in range(40):
        wanted = NOON + timedelta(seconds=second)
        offset = broker.seek("readings", 0, wanted)
        before = everything(broker).head(offset)
        assert before.filter(pl.col("at") >= wanted).is_empty()
    assert broker.seek("readings", 0, NOON + timedelta(days=1)) == 40


@pytest.mark.kafka_cannot("append times are those of Kafka's own clock, which no test can move")
def test_seek_by_append_time_misses_no_record(broker: Broker, clock: ManualClock) -> None:
    broker.create(SPEC)
    for start in range(0, 50, 10):
        put(broker, rows(start, 10))
        clock.advance(60)
    for minute in range(5):
        offset = broker.seek("readings", 0, NOON + timedelta(minutes=minute), by="append")
        assert offset <= minute * 10
        assert offset >= minute * 10 - 9
    assert broker.seek("readings", 0, NOON + timedelta(hours=1), by="append") == 50


def test_committed_offsets_belong_to_their_group(broker: Broker) -> None:
    broker.create(replace(SPEC, partitions=2))
    put(broker, rows(0, 40, things=20))
    assert broker.committed("one") == {}
    broker.commit("one", {("readings", 0): 2})
    broker.commit("one", {("readings", 1): 3})
    broker.commit("two", {("readings", 0): 1})
    assert broker.committed("one") == {("readings", 0): 2, ("readings", 1): 3}
    assert broker.committed("two") == {("readings", 0): 1}
    broker.commit("one", {("readings", 0): 0})
    assert broker.committed("one")["readings", 0] == 0


def test_wait_returns_at_once_when_there_are_rows(broker: Broker) -> None:
    broker.create(SPEC)
    put(broker, rows(0, 1))
    assert broker.wait({("readings", 0): 0}, timeout=30)
    assert not broker.wait({("readings", 0): 1}, timeout=0.02)


def test_wait_wakes_when_rows_arrive(broker: Broker) -> None:
    broker.create(SPEC)
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(broker.wait({("readings", 0): 0}, timeout=30)))
    thread.start()
    put(broker, rows(0, 1))
    thread.join(timeout=30)
    assert woken == [True]
