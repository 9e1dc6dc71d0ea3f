"""MQTT against Debian's mosquitto: nothing is acknowledged before it is durable, nothing counts twice."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho
import polars as pl
import pytest

from wayside.adapters import Mqtt
from wayside.adapters.intake import FeedIntake
from wayside.adapters.mqtt import MqttRunner
from wayside.broker import EmbeddedBroker
from wayside.broker.memory import MemoryBroker
from wayside.domain import Topic
from wayside.quarantine import QUARANTINE, SPEC
from wayside.record import Record

pytestmark = pytest.mark.servers
NOW = datetime.now(UTC).timestamp()


class Sample(Record, key="name", time="at"):
    """A numbered sample."""

    name: str
    at: datetime
    number: int


class Mosquitto:
    """The broker as a process, with what it keeps in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.keeping(False)

    def keeping(self, everything: bool) -> None:
        """Whether it writes each change to disk at once, as far as it ever does."""
        saving = (
            f"persistence true\nautosave_on_changes true\nautosave_interval 1\npersistence_location {self.folder}/\n"
        )
        (self.folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n"
            + (saving if everything else "")
        )

    def start(self) -> None:
        program = shutil.which("mosquitto")
        assert program is not None
        self.process = subprocess.Popen(
            [program, "-c", str(self.folder / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: connects(self.port))

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.01)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder)
    broker.start()
    yield broker
    broker.kill()


class Station:
    """A log, a feed on it and its subscription."""

    def __init__(self, port: int, broker: MemoryBroker | EmbeddedBroker, qos: int = 1) -> None:
        self.broker = broker
        topic = Topic("samples", Sample)
        source = Mqtt("127.0.0.1", "plant/#", port, qos=qos, client="wayside-test")  # type: ignore[arg-type]  # one of 0, 1 and 2
        self.feed = topic.feed("plant", source)
        broker.create(topic.spec)
        broker.create(SPEC)
        self.intake = FeedIntake(self.feed, broker)
        self.runner = MqttRunner(source, self.intake)

    def __enter__(self) -> Station:
        self.runner.start()
        until(lambda: self.runner.status().state == "running")
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.stop()
        self.intake.close()

    def numbers(self) -> list[int]:
        return sorted(rows(self.broker, "samples")["number"].to_list())


def rows(broker: MemoryBroker | EmbeddedBroker, topic: str) -> pl.DataFrame:
    frames = []
    for info in broker.partitions(topic):
        offset = info.start
        while (batch := broker.read(topic, info.partition, offset)) is not None:
            frames.append(batch.frame)
            offset = batch.next
    return pl.concat(frames) if frames else pl.DataFrame(schema=broker.topics()[topic].schema)


def memory() -> MemoryBroker:
    return MemoryBroker()


def publisher(port: int) -> paho.Client:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


def sample(number: int, name: str = "a") -> bytes:
    return json.dumps({"name": name, "at": NOW - 1000 + number, "number": number}).encode()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_is_published_arrives_once(mosquitto: Mosquitto, qos: int) -> None:
    with Station(mosquitto.port, memory(), qos) as station:
        client = publisher(mosquitto.port)
        for number in range(200):
            client.publish(f"plant/{number % 7}", sample(number), qos=qos)
        until(lambda: len(station.numbers()) >= 200)
        assert station.numbers() == list(range(200))
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("qos", [1, 2])
def test_nothing_is_acknowledged_that_is_not_durable(mosquitto: Mosquitto, tmp_path: Path, qos: int) -> None:
    """The log takes nothing for a while; the broker must still hold all of it when we come back."""
    first = memory()
    with Station(mosquitto.port, first, qos) as station:
        station.broker.append = refuse  # type: ignore[method-assign]  # a disk that is full
        client = publisher(mosquitto.port)
        sent = [client.publish("plant/x", sample(number), qos=qos) for number in range(50)]
        for each in sent:
            each.wait_for_publish(10)
        until(lambda: bool(station.runner.status().last_error))
        time.sleep(0.3)
        assert station.numbers() == []
    second = EmbeddedBroker(tmp_path / "log")
    with Station(mosquitto.port, second, qos) as station:
        until(lambda: len(station.numbers()) >= 50)
        time.sleep(0.3)
        assert station.numbers() == list(range(50))
    second.close()
    client.disconnect()
    client.loop_stop()


def refuse(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_refusing_log_recovers_without_a_reconnect(mosquitto: Mosquitto) -> None:
    broker = memory()
    working = broker.append
    with Station(mosquitto.port, broker) as station:
        broker.append = refuse  # type: ignore[method-assign]  # a disk that is full
        client = publisher(mosquitto.port)
        for number in range(60):
            client.publish("plant/x", sample(number), qos=1)
        until(lambda: bool(station.runner.status().last_error))
        broker.append = working  # type: ignore[method-assign]  # there is space again
        until(lambda: len(station.numbers()) >= 60)
        assert station.numbers() == list(range(60))
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("qos", [1, 2])
def test_a_killed_broker_sends_again_what_we_had_not_confirmed(mosquitto: Mosquitto, qos: int) -> None:
    mosquitto.kill()
    mosquitto.keeping(True)
    mosquitto.start()
    broker = memory()
    working = broker.append
    with Station(mosquitto.port, broker, qos) as station:
        publish(mosquitto.port, range(50), qos)
        until(lambda: len(station.numbers()) == 50)
        broker.append = refuse  # type: ignore[method-assign]  # a disk that is full
        publish(mosquitto.port, range(50, 100), qos)
        until(lambda: sample(99)[-12:] in (mosquitto.folder / "mosquitto.db").read_bytes())
        mosquitto.kill()
        broker.append = working  # type: ignore[method-assign]  # there is space again
        mosquitto.start()
        until(lambda: set(station.numbers()) == set(range(100)), 30)
        publish(mosquitto.port, range(100, 120), qos)
        until(lambda: len(station.numbers()) >= 120)
        time.sleep(0.3)
        assert station.numbers() == list(range(120))


def publish(port: int, numbers: range, qos: int) -> None:
    """Publish one by one, each confirmed by the broker."""
    client = publisher(port)
    for number in numbers:
        client.publish("plant/k", sample(number), qos=qos).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_a_reconnect_of_ours_repeats_nothing(mosquitto: Mosquitto) -> None:
    broker = memory()
    client = publisher(mosquitto.port)
    for round in range(3):
        with Station(mosquitto.port, broker) as station:
            for number in range(round * 50, round * 50 + 50):
                client.publish("plant/r", sample(number), qos=1).wait_for_publish(5)
            until(lambda: bool(station.numbers()))
    with Station(mosquitto.port, broker) as station:
        until(lambda: len(station.numbers()) >= 150)
        time.sleep(0.2)
        assert station.numbers() == list(range(150))
    client.disconnect()
    client.loop_stop()


def test_a_flood_of_retained_messages_counts_once_however_often_we_subscribe(mosquitto: Mosquitto) -> None:
    client = publisher(mosquitto.port)
    for number in range(1000):
        client.publish(f"plant/room-{number}", sample(number, f"room-{number}"), qos=1, retain=True)
    client.publish("plant/last", sample(1000), qos=1, retain=True).wait_for_publish(20)
    broker = memory()
    for _ in range(3):
        with Station(mosquitto.port, broker) as station:
            until(lambda: len(station.numbers()) >= 1001 and station.runner.status().messages >= 1001)
    assert station.numbers() == list(range(1001))
    client.disconnect()
    client.loop_stop()


def test_hostile_payloads_are_quarantined_and_acknowledged(mosquitto: Mosquitto) -> None:
    bad = [b"", b"\x00", b"{", b"[]", b'{"name":"a"}', b"\xff" * 10, b"9" * 2_000_000, sample(1)[:-1]]
    with Station(mosquitto.port, memory()) as station:
        client = publisher(mosquitto.port)
        for payload in bad:
            client.publish("plant/bad/\u202etopic", payload, qos=1)
        client.publish("plant/good", sample(7), qos=1).wait_for_publish(10)
        until(lambda: station.numbers() == [7])
        refused = rows(station.broker, QUARANTINE)
        assert refused.height == len(bad)
        assert sorted(len(raw) for raw in refused["raw"]) == sorted(min(len(raw), 1 << 20) for raw in bad)
        client.disconnect()
        client.loop_stop()
