"""One recorded input, two worlds: embedded log and engine, or Kafka and Spark; and all rows that a world has made."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("confluent_kafka", reason="the extra 'kafka' is not installed")
pytest.importorskip("pyspark", reason="the extra 'spark' is not installed")

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from wayside.broker import EmbeddedBroker, MemoryBroker
from wayside.clock import SYSTEM
from wayside.dataflow import EmbeddedEngine
from wayside.dataflow.spark import KafkaSource, SparkEngine
from wayside.domain import Plan, Topic
from wayside.hot.sqlite import SqliteStore
from wayside.ports import Broker, Engine, HotStore
from wayside.quarantine import QUARANTINE, SPEC, quarantined
from wayside.record.bulk import BulkDecoder
from wayside.values import Appended, PartitionInfo
from wayside.wire import json

EVER = (datetime(1990, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC))
MANY = 10_000_000
PIECE = 20_000


@dataclass(frozen=True)
class Message:
    """What a producer wrote, and where it landed."""

    topic: str
    partition: int
    value: bytes


def home(key: str, partitions: int) -> int:
    """A partition that follows from a key."""
    return zlib.crc32(key.encode()) % partitions


def copied(broker: Broker, plan: Plan) -> list[Message]:
    """What a log of columns holds, as the messages that a broker of messages would hold at the same offsets."""
    found = []
    for topic in plan.topics:
        for info in broker.partitions(topic):
            offset = info.start
            while batch := broker.read(topic, info.partition, offset):
                assert batch.offsets is None
                found += [Message(topic, info.partition, line) for line in json.encode(batch.frame)]
                offset = batch.next
    return found


def prepared(store: HotStore, plan: Plan) -> HotStore:
    """A store with the tables and windows of a plan."""
    store.ensure([t.spec for t in plan.tables.values()], [w.spec for w in plan.windows.values()])
    return store


def appended(broker: Broker, topic: Topic, messages: list[Message], *, broken: bool = True) -> None:
    """Messages into a log of columns, judged at the door as a feed does it; the refused go to quarantine if wanted."""
    decoder, partitions = BulkDecoder(topic.record), {message.partition for message in messages}
    for partition in sorted(partitions):
        lines = [m.value for m in messages if m.partition == partition and m.topic == topic.name]
        for start in range(0, len(lines), PIECE):
            part = lines[start : start + PIECE]
            found = decoder.decode(part, SYSTEM.now())
            if found.rejections and broken:
                raws = [part[rejection.row] for rejection in found.rejections]
                frame = quarantined(topic.name, topic.name, found.rejections, raws, SYSTEM.now())
                broker.append(QUARANTINE, frame).result()
            if found.frame.height:
                broker.append(topic.name, found.frame, partition=partition).result()


def embedded(
    plan: Plan, messages: list[Message], folder: Path, *, max_rows: int = 400_000, broken: bool = True
) -> tuple[Broker, HotStore, Engine]:
    """Run the plan on the embedded engine."""
    broker = EmbeddedBroker(folder / "log")
    for spec in (*(topic.spec for topic in plan.topics.values()), SPEC):
        broker.create(spec)
    for topic in plan.topics.values():
        appended(broker, topic, [m for m in messages if m.topic == topic.name], broken=broken)
    store = prepared(SqliteStore(folder / "hot.sqlite"), plan)
    engine = EmbeddedEngine(plan, broker, store, max_rows=max_rows)
    engine.drain()
    return broker, store, engine


class BareKafka:
    """What the engine asks of a broker beside Spark's own reading: offsets, and a quarantine (kept in memory)."""

    def __init__(self, servers: str, plan: Plan) -> None:
        self.servers = servers
        self.quarantine = MemoryBroker()
        self.quarantine.create(SPEC)
        self.consumer = Consumer({"bootstrap.servers": servers, "group.id": "offsets", "enable.auto.commit": False})
        admin = AdminClient({"bootstrap.servers": servers})
        config = {"message.timestamp.type": "LogAppendTime"}
        known = admin.list_topics(timeout=30).topics
        missing = [topic for name, topic in plan.topics.items() if name not in known]
        topics = [NewTopic(topic.name, topic.partitions, 1, config=config) for topic in missing]
        for made in admin.create_topics(topics).values() if topics else ():
            made.result(30)

    def produce(self, messages: list[Message]) -> None:
        producer = Producer({"bootstrap.servers": self.servers, "enable.idempotence": True, "linger.ms": 50})
        failed: list[Any] = []

        def told(error: Any, _: Any) -> None:
            failed.extend([error] if error else [])

        for message in messages:
            while True:
                try:
                    producer.produce(message.topic, message.value, partition=message.partition, on_delivery=told)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(60) == 0
        assert not failed

    def partitions(self, topic: str) -> list[PartitionInfo]:
        if topic == QUARANTINE:
            return self.quarantine.partitions(topic)
        count = len(self.consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        found = []
        for number in range(count):
            low, high = self.consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)
            found.append(PartitionInfo(number, low, high, 0, None, None))
        return found

    def append(self, topic: str, frame: pl.DataFrame, *, ids: pl.Series | None = None) -> Future[Appended]:
        return self.quarantine.append(topic, frame, ids=ids)

    def read(self, topic: str, partition: int, offset: int, *, max_rows: int = 100_000) -> Any:
        return self.quarantine.read(topic, partition, offset, max_rows=max_rows)


def on_spark(
    plan: Plan,
    kafka: Any,
    spark: Any,
    store: HotStore,
    folder: Path,
    *,
    servers: str = "",
    names: Mapping[str, str] | None = None,
    max_offsets: int | None = None,
    kind: type[SparkEngine] = SparkEngine,
    **more: Any,
) -> SparkEngine:
    """An engine that reads the topics of a plan from a node of Kafka; `more` goes to its constructor."""
    source = KafkaSource(servers or kafka.servers, max_offsets=max_offsets, names=names or {})
    more = {"sessions": lambda: spark, "checkpoints": folder / "spark", **more}
    return kind(plan, kafka, prepared(store, plan), source=source, **more)


def rows_of(plan: Plan, broker: Broker, store: HotStore, engine: Engine) -> dict[str, pl.DataFrame]:
    """All rows of a world in canonical order: tables, closed and open windows, late and quarantined rows."""
    found: dict[str, pl.DataFrame] = {}
    for name in plan.tables:
        found[f"table {name}"] = canonical(store.table(name, limit=MANY))
    for name, window in plan.windows.items():
        columns = list(window.spec.schema)
        found[f"closed {name}"] = canonical(store.windows(name, *EVER).select(columns))
        found[f"open {name}"] = canonical(engine.open_windows(name).select(columns))
        found[f"late {name}"] = canonical(store.late(name, limit=MANY))
    found["quarantine"] = canonical(quarantine_of(broker).drop("at"))
    return found


def quarantine_of(broker: Broker) -> pl.DataFrame:
    """All rows of the quarantine."""
    frames, offset = [pl.DataFrame(schema=SPEC.schema)], 0
    while batch := broker.read(QUARANTINE, 0, offset):
        frames.append(batch.frame.select(list(SPEC.schema)))
        offset = batch.next
    return pl.concat(frames)


def canonical(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order of all their columns."""
    return frame.sort(frame.columns, nulls_last=True)


def differences(one: dict[str, pl.DataFrame], two: dict[str, pl.DataFrame]) -> list[str]:
    """What is not the same, byte for byte."""
    found = [f"only one world has {name}" for name in one.keys() ^ two.keys()]
    for name in sorted(one.keys() & two.keys()):
        a, b = one[name], two[name]
        if a.schema != b.schema or a.height != b.height:
            found.append(f"{name}: {a.height} rows of {a.schema} against {b.height} of {b.schema}")
        elif bits(a) != bits(b):
            found.append(f"{name}: {a.join(b, on=a.columns, how='anti', nulls_equal=True)}")
    return found


def bits(frame: pl.DataFrame) -> str:
    """Rows as text that tells every bit: the shortest one that gives the same number, and minus zero is not zero."""
    return repr(frame.rows())
