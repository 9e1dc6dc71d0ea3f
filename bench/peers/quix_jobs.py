"""Quix Streams on the mock Kafka broker that librdkafka carries, in a child process on loopback.

A real consumer, the real window operator with its RocksDB state, no changelog topics. The mock keeps only
5 MB per partition, so the producer stays at most 20,000 messages ahead of the consumer. No job C: a key other
than the message's needs a repartition topic, and so a broker.
"""

from __future__ import annotations

import multiprocessing as mp
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from common import LATENESS_S, WINDOW_S, Job, Parser, Rows, arguments, write_summary
from confluent_kafka import Producer
from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Mean, Min
from quixstreams.models import BytesDeserializer
from quixstreams.models.topics import TopicConfig
from quixstreams.models.topics.admin import TopicAdmin

AHEAD = 20_000
WARM_UP = 1


def key_of(line: bytes) -> bytes:
    """The key that a gateway would send, device|sensor; one fixed key for lines that have none."""
    device, sensor = line.find(b'"device_id":"') + 13, line.find(b'"sensor":"') + 10
    if device < 13 or sensor < 10:
        return b"malformed"
    return line[device : line.find(b'"', device)] + b"|" + line[sensor : line.find(b'"', sensor)]


def produce(path: Path, address: Any, seen: Any) -> None:
    """The child: hosts the mock broker, tells its address, and feeds it the file."""
    mock = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:1", "log_level": 3})
    broker = next(iter(mock.list_topics(timeout=10).brokers.values()))
    servers = f"{broker.host}:{broker.port}"
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, "batch.num.messages": 10_000})
    producer.produce("messages", b"#warm-up", b"malformed", partition=0)
    producer.flush()
    address.put(servers)
    with path.open("rb") as lines:
        for sent, line in enumerate(lines, 1):
            producer.produce("messages", line[:-1], key_of(line), partition=0)
            if sent % 2000 == 0:
                producer.flush()
                while sent - seen.value > AHEAD:
                    time.sleep(0.002)
    producer.flush()
    time.sleep(3600)  # the broker lives in this process, which is ended with its parent


def teach_mock_admin() -> None:
    """The mock has no admin API: look at topics through metadata, which also creates them."""
    kept = {"cleanup.policy": "delete", "retention.ms": "604800000", "retention.bytes": "-1"}

    def inspect(self: TopicAdmin, names: list[str], timeout: float = 30) -> dict[str, TopicConfig | None]:
        known = self.list_topics(timeout=timeout)
        return {
            name: TopicConfig(len(known[name].partitions), 1, extra_config=kept) if name in known else None
            for name in names
        }

    def create(self: TopicAdmin, topics: Any, timeout: float = 30, finalize_timeout: float = 60) -> None:
        for topic in topics:
            self.admin_client.list_topics(topic.name, timeout=timeout)

    TopicAdmin.inspect_topics, TopicAdmin.create_topics = inspect, create


class Steps:
    """The functions of the pipeline, and the counts that they keep."""

    def __init__(self, job: Job, parse: Parser, out: Rows, seen: Any) -> None:
        self.job, self.parse, self.out = job, parse, out
        self.messages, self._shared = 0, seen
        self._parsed: Any = None
        self.latest: dict[str, tuple[int, float]] = {}

    def event_time(self, value: bytes, headers: Any, timestamp: float, timestamp_type: Any) -> int:
        """Milliseconds; called first for each message, so it is here that a message is parsed, once."""
        self._parsed = self.parse(value)
        return int(self._parsed[3].timestamp() * 1000) if self._parsed else 0

    def take(self, _: bytes) -> Any:
        """What the last message was parsed to."""
        self.messages += 1
        if self.messages % 500 == 0:
            self._shared.value = self.messages
        return self._parsed

    def keep(self, message: Any, state: Any) -> Any:
        """Job B: the later time wins, and the later line of the same second."""
        at, seen = int(message[3].timestamp()), state.get("at")
        if seen is None or at >= seen:
            state.set("at", at)
            self.latest[f"{message[0]}|{message[1]}"] = (at, message[2])
        return message

    def close_window(self, row: dict[str, Any], key: Any, timestamp: int, headers: Any) -> None:
        """Write a closed window."""
        measures = (row["count"], row["average"], row["minimum"], row["maximum"])
        self.out.write((row["start"] // 1000, *str(key).split("|"), *measures))


def pipeline(app: Application, steps: Steps) -> None:
    """Declare the job."""
    topic = app.topic(
        "messages",
        value_deserializer=BytesDeserializer(),
        key_deserializer="str",
        timestamp_extractor=steps.event_time,
    )
    frame = app.dataframe(topic).apply(steps.take).filter(lambda message: message is not None)
    if steps.job.job == "B":
        frame.apply(steps.keep, stateful=True)
        return
    windows = frame.apply(lambda message: message[2]).tumbling_window(
        timedelta(seconds=WINDOW_S), grace_ms=timedelta(seconds=LATENESS_S)
    )
    rolled = windows.agg(count=Count(), average=Mean(), minimum=Min(), maximum=Max())
    rolled.final(closing_strategy="partition").update(steps.close_window, metadata=True)


def main() -> None:
    job = arguments(jobs="AB")
    with job.input.open("rb") as lines:
        expected = sum(1 for _ in lines) + WARM_UP
    address, seen = mp.Queue(), mp.Value("q", 0, lock=False)
    mp.Process(target=produce, args=(job.input, address, seen), daemon=True).start()
    teach_mock_admin()
    app = Application(
        broker_address=address.get(timeout=60),
        consumer_group="bench",
        auto_offset_reset="earliest",
        state_dir=str(job.out / "state"),
        use_changelog_topics=False,
        loglevel="WARNING",
    )
    parse, out = Parser(job), Rows(job)
    steps = Steps(job, parse, out, seen)
    pipeline(app, steps)
    ended: list[float] = []

    def watch() -> None:
        while steps.messages < expected:
            time.sleep(0.05)
        ended.append(time.perf_counter())
        app.stop()

    threading.Thread(target=watch, daemon=True).start()
    began = time.perf_counter()
    app.run()
    for key, (at, value) in steps.latest.items():
        out.write((*key.split("|"), at, value))
    out.close()
    parse.close()
    write_summary(job, began=began, ended=ended[0], rejects=parse.rejects - WARM_UP)


if __name__ == "__main__":
    main()
