"""A record that was sent twice is stored once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contracts.broker.rows import SPEC, everything, put, rows
from wayside.clock import ManualClock
from wayside.ports import Broker


def test_a_record_id_is_taken_once(broker: Broker) -> None:
    broker.create(SPEC)
    assert put(broker, rows(0, 3), ids=["a", "b", "c"]).duplicates == 0
    answer = put(broker, rows(10, 4), ids=["b", "d", "d", None])
    assert answer.offsets.to_list() == [-1, 3, -1, 4]
    assert answer.duplicates == 2
    assert put(broker, rows(20, 2), ids=[None, None]).duplicates == 0
    values = everything(broker).get_column("value").to_list()
    assert values == [0.0, 1.0, 2.0, 11.0, 13.0, 20.0, 21.0]


def test_an_append_of_duplicates_only_is_answered(broker: Broker) -> None:
    broker.create(SPEC)
    put(broker, rows(0, 2), ids=["a", "b"])
    answer = put(broker, rows(0, 2), ids=["a", "b"])
    assert answer.offsets.to_list() == [-1, -1]
    assert answer.duplicates == 2
    assert broker.partitions("readings")[0].end == 2


def test_ids_count_across_partitions_and_not_across_topics(broker: Broker) -> None:
    broker.create(replace(SPEC, partitions=2))
    broker.create(replace(SPEC, name="others"))
    put(broker, rows(0, 6), ids=[f"id-{i}" for i in range(6)])
    assert put(broker, rows(1, 6), ids=[f"id-{i}" for i in range(6)]).duplicates == 6
    assert put(broker, rows(0, 6), topic="others", ids=[f"id-{i}" for i in range(6)]).duplicates == 0


@pytest.mark.kafka_cannot("append times are those of Kafka's own clock, which no test can move")
def test_an_id_may_come_again_after_the_horizon(broker: Broker, clock: ManualClock) -> None:
    broker.create(replace(SPEC, dedup_horizon=timedelta(hours=1)))
    put(broker, rows(0, 1), ids=["a"])
    clock.advance(3500)
    assert put(broker, rows(1, 1), ids=["a"]).duplicates == 1
    clock.advance(3700)
    assert put(broker, rows(2, 1), ids=["a"]).duplicates == 0
