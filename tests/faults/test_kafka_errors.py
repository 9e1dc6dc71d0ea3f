"""Errors that brokers answer with, one by one and in any order: librdkafka's mock cluster gives them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

import polars as pl
import pytest

pytest.importorskip("confluent_kafka", reason="the extra 'kafka' is not installed")

from confluent_kafka import KafkaError

from tests.contracts.broker.rows import SPEC, everything, put, rows
from tests.faults.mock_kafka import FETCH, INIT_PRODUCER_ID, LIST_OFFSETS, METADATA, PRODUCE, MockKafka
from wayside.broker.kafka import KafkaBroker
from wayside.errors import UnavailableError, WaysideError

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
PASSING = [
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
]
"""What goes by: a client tries again."""
LASTING = [
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.POLICY_VIOLATION,
]
"""What does not."""
LOST = [
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
    KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
]
"""What ends a producer's sequence."""
IMPATIENT = {"delivery.timeout.ms": "3000", "request.timeout.ms": "1000"}


@pytest.fixture
def mock() -> Iterator[MockKafka]:
    made = MockKafka(3)
    made.topic("_wayside_topics")
    made.topic("readings")
    yield made
    made.close()


@pytest.fixture
def broker(mock: MockKafka) -> Iterator[KafkaBroker]:
    made = KafkaBroker(mock.servers, config=IMPATIENT, timeout=5.0, stop_within=3.0)
    made._catalog.write("readings", SPEC)  # a mock takes no request that creates topics
    made._catalog.entries(now=True)
    yield made
    made.close()


def values(broker: KafkaBroker) -> list[float]:
    return everything(broker).get_column("value").to_list()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_what_goes_by_is_tried_again_and_written_once(mock: MockKafka, broker: KafkaBroker) -> None:
    for turn, error in enumerate(PASSING):
        mock.fail(PRODUCE, error, error)
        answer = put(broker, rows(3 * turn, 3))
        assert answer.offsets.to_list() == [3 * turn, 3 * turn + 1, 3 * turn + 2]
        mock.fail(FETCH, error, error)
        for kind in (error, KafkaError.NETWORK_EXCEPTION):
            # Of two answers of which one is an error, librdkafka makes twice the other: an empty partition.
            mock.fail(LIST_OFFSETS, kind)
            assert values(broker) == [float(number) for number in range(3 * turn + 3)]


def test_what_does_not_is_told_at_once_and_nothing_is_acknowledged(mock: MockKafka, broker: KafkaBroker) -> None:
    for turn, error in enumerate(LASTING):
        mock.fail(PRODUCE, error)
        with pytest.raises(WaysideError, match="Kafka"):
            put(broker, rows(1000, 3))
        until(lambda turn=turn: acknowledged(broker, rows(turn, 1)))
        assert values(broker) == [float(number) for number in range(turn + 1)]


def test_a_producer_that_lost_its_sequence_is_replaced(mock: MockKafka, broker: KafkaBroker) -> None:
    expected = []
    for turn, error in enumerate(LOST):
        mock.fail(PRODUCE, error)
        expected += [float(2 * turn)] if acknowledged(broker, rows(2 * turn, 1)) else []
        until(lambda turn=turn: acknowledged(broker, rows(2 * turn + 1, 1)))
        expected.append(float(2 * turn + 1))
        assert values(broker) == expected


def acknowledged(broker: KafkaBroker, frame: pl.DataFrame) -> bool:
    try:
        put(broker, frame)
    except WaysideError:
        return False
    return True


def test_a_producer_waits_for_its_number(mock: MockKafka) -> None:
    mock.fail(INIT_PRODUCER_ID, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.REQUEST_TIMED_OUT)
    mock.fail(METADATA, KafkaError.LEADER_NOT_AVAILABLE)
    broker = KafkaBroker(mock.servers, timeout=10.0)
    broker._catalog.write("readings", SPEC)
    broker._catalog.entries(now=True)
    assert put(broker, rows(0, 2)).offsets.to_list() == [0, 1]
    broker.close()


def test_a_slow_broker_is_not_waited_for_without_end(mock: MockKafka, broker: KafkaBroker) -> None:
    put(broker, rows(0, 2))
    for number in (1, 2, 3):
        mock.slow(number, 20_000)
    with pytest.raises(UnavailableError, match="Kafka does not answer"):
        put(broker, rows(2, 1))
    with pytest.raises(UnavailableError):
        broker.partitions("readings")
    for number in (1, 2, 3):
        mock.slow(number, 0)
    until(lambda: acknowledged(broker, rows(3, 1)))
    assert set(values(broker)) >= {0.0, 1.0, 3.0}


def test_leaders_change_and_brokers_go_under_load(mock: MockKafka, broker: KafkaBroker) -> None:
    stopping = threading.Event()
    done: list[int] = []

    def load() -> None:
        number = 0
        while not stopping.is_set():
            if acknowledged(broker, rows(number, 5)):
                done.append(number)
            number += 5

    thread = threading.Thread(target=load)
    thread.start()
    for turn in range(6):
        before = len(done)
        until(lambda before=before: len(done) > before + 3)
        mock.lead("readings", 0, turn % 3 + 1)
        mock.down((turn + 1) % 3 + 1)
        mock.fail(PRODUCE, KafkaError.NOT_LEADER_FOR_PARTITION)
        time.sleep(0.1)
        mock.up((turn + 1) % 3 + 1)
    stopping.set()
    thread.join()
    found = values(broker)
    assert len(found) == len(set(found)), "a record is there twice"
    assert {float(first + n) for first in done for n in range(5)} <= set(found), "an acknowledged record is lost"


@pytest.mark.parametrize("seed", range(3))
def test_errors_in_any_order_lose_and_repeat_nothing(mock: MockKafka, broker: KafkaBroker, seed: int) -> None:
    chance = random.Random(seed)
    ids = [f"id-{number}" for number in range(300)]
    sent = 0
    while sent < 300:
        if chance.random() < 0.5:
            mock.fail(PRODUCE, *chance.choices([*PASSING, *LOST, KafkaError.INVALID_RECORD], k=chance.randint(1, 3)))
        if chance.random() < 0.3:
            mock.fail(FETCH, *chance.choices(PASSING, k=2))
        part = slice(sent, sent + chance.randint(1, 30))
        until(lambda part=part: repeated(broker, part, ids))  # as a client does that had no answer
        sent = min(part.stop, 300)
    assert values(broker) == [float(number) for number in range(300)]


def repeated(broker: KafkaBroker, part: slice, ids: list[str]) -> bool:
    try:
        put(broker, rows(0, 300)[part], ids=ids[part])
    except WaysideError:
        return False
    return True
