"""Kafka is killed, frozen and cut off under load: nothing acknowledged is lost, and each id is read once.

How long it took until records were acknowledged again is printed.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.contracts.broker.rows import SPEC, everything, put, rows
from wayside.errors import OverloadedError, UnavailableError, WaysideError

if TYPE_CHECKING:
    from cluster.kafka import KafkaNode
    from wayside.broker.kafka import KafkaBroker

pytestmark = [pytest.mark.servers, pytest.mark.faults]
SIZE = 20


@pytest.fixture
def node(tmp_path: Path) -> Iterator[KafkaNode]:
    """A node of its own, to be killed."""
    from cluster.kafka import KafkaNode, missing

    if reason := missing():
        pytest.skip(f"tier servers: {reason}")
    node = KafkaNode(tmp_path / "kafka", memory="384m")
    try:
        yield node.start()
    finally:
        node.thaw()
        node.stop()


class Client:
    """Sends numbered records without end, each again under its id until it is acknowledged, through two replicas."""

    def __init__(self, replicas: list[KafkaBroker]) -> None:
        self.replicas = replicas
        self.acknowledged = 0
        self.refused = 0
        self.times: list[float] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        number = turn = 0
        while not self.stopping.is_set():
            frame = rows(number, SIZE)
            ids = pl.Series([f"id-{n}" for n in range(number, number + SIZE)])
            try:
                self.replicas[turn % 2].append("readings", frame, ids=ids).result(200)
            except (UnavailableError, OverloadedError):
                self.refused += 1
                turn += 1  # a client tries the other one
                time.sleep(0.1)
                continue
            self.times.append(time.monotonic())
            number += SIZE
            self.acknowledged = number
            turn += number % 7 == 0

    def __enter__(self) -> Client:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join(220)
        assert not self.thread.is_alive()

    def after(self, moment: float) -> float | None:
        """Seconds from a moment to the first acknowledgement after it."""
        return next((at - moment for at in self.times if at > moment), None)


def until(holds: Callable[[], Any], seconds: float = 200.0) -> None:
    """Wait for a condition, generously."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.02)


def impatient(node: KafkaNode) -> KafkaBroker:
    """A replica that gives a record up after five seconds."""
    from wayside.broker.kafka import KafkaBroker

    return KafkaBroker(node.servers, config={"delivery.timeout.ms": "5000", "request.timeout.ms": "2000"})


def check(client: Client, node: KafkaNode) -> None:
    """Every acknowledged record is there, every record is read once, whoever reads."""
    reader = impatient(node)
    values = everything(reader, max_rows=1000).get_column("value").to_list()
    reader.close()
    assert len(values) == len(set(values)), "a record is read twice"
    assert set(map(float, range(client.acknowledged))) <= set(values), "an acknowledged record is lost"


def run(node: KafkaNode, harm: Callable[[], float], times: int) -> Client:
    """Do harm under load, several times; `harm` returns when the node is back."""
    replicas = [impatient(node), impatient(node)]
    replicas[0].create(SPEC)
    recovered = []
    with Client(replicas) as client:
        for _ in range(times):
            before = client.acknowledged
            until(lambda before=before: client.acknowledged > before + 200)
            back = harm()
            until(lambda back=back: client.after(back) is not None)
            recovered.append(client.after(back))
    for replica in replicas:
        replica.close()
    seconds = ", ".join(f"{one:.2f}" for one in recovered if one is not None)
    print(f"acknowledged again after {seconds} s; {client.acknowledged} records, {client.refused} refusals")
    check(client, node)
    return client


def killed(node: KafkaNode, down: float) -> float:
    node.kill()
    time.sleep(down)
    node.start()
    return time.monotonic()


def frozen(node: KafkaNode, seconds: float) -> float:
    node.freeze()
    time.sleep(seconds)
    node.thaw()
    return time.monotonic()


def test_a_killed_node_loses_nothing(node: KafkaNode) -> None:
    run(node, lambda: killed(node, 0.0), 1)


def test_a_frozen_node_loses_nothing(node: KafkaNode) -> None:
    client = run(node, lambda: frozen(node, 8.0), 1)
    assert client.refused, "the freeze was meant to last longer than a record is waited for"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_node_that_is_killed_again_and_again_loses_nothing(node: KafkaNode) -> None:
    pauses = iter((0.0, 7.0, 1.0, 0.0, 12.0))
    run(node, lambda: killed(node, next(pauses)), 5)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_node_that_is_frozen_for_a_minute_loses_nothing(node: KafkaNode) -> None:
    run(node, lambda: frozen(node, 60.0), 1)


def test_while_kafka_is_away_all_is_refused_in_words_and_nothing_acknowledged(node: KafkaNode) -> None:
    from wayside.broker.kafka import KafkaBroker

    config = {"delivery.timeout.ms": "2000", "request.timeout.ms": "1000"}
    broker = KafkaBroker(node.servers, config=config, timeout=3.0, queue_bytes=20_000)
    broker.create(SPEC)
    put(broker, rows(0, 3), ids=["a", "b", "c"])
    node.kill()
    late = broker.append("readings", rows(3, 2), ids=pl.Series(["d", "e"]))
    refusals: list[OverloadedError] = []
    for number in range(100):
        try:
            broker.append("readings", rows(number, 50))
        except OverloadedError as error:
            refusals.append(error)
    assert refusals
    assert "as fast" in str(refusals[0])
    with pytest.raises(UnavailableError, match="Kafka does not answer"):
        late.result(60)
    for question in (
        lambda: broker.read("readings", 0, 0),
        lambda: broker.partitions("readings"),
        lambda: broker.commit("group", {("readings", 0): 1}),
        lambda: broker.committed("group"),
        lambda: broker.create(SPEC),
    ):
        with pytest.raises(UnavailableError, match="Kafka does not answer"):
            question()
    assert not broker.wait({("readings", 0): 3}, 0.2)
    node.start()

    def taken() -> bool:
        try:
            return put(broker, rows(3, 2), ids=["d", "e"]).duplicates == 0
        except WaysideError:
            return False

    until(taken)
    values = everything(broker).get_column("value").to_list()
    assert [values.count(float(number)) for number in range(3)] == [1, 1, 1]
    broker.close()


def test_closing_while_kafka_is_away_takes_its_time_and_no_longer(node: KafkaNode) -> None:
    from wayside.broker.kafka import KafkaBroker

    broker = KafkaBroker(node.servers, prefix=f"{uuid.uuid4().hex}-", timeout=5.0, stop_within=1.0)
    broker.create(SPEC)
    put(broker, rows(0, 1))
    node.kill()
    late = broker.append("readings", rows(1, 1))
    broker.close()
    with pytest.raises(UnavailableError):
        late.result(0)
