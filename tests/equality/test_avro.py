"""Records in Avro on Kafka, by our own registry and by somebody else's: Spark gives the rows of the laptop.

A topic changes from Avro to JSON in its middle, and a stranger writes to it with Confluent's own serializer.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("authlib", reason="Confluent's client of a registry is not installed")

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from bench.generate import chunk
from cluster.process import ServerProcess
from server_site import Site
from tests.equality.job_a import plan_of
from tests.equality.test_door import doors, in_order
from tests.equality.worlds import differences, on_spark, prepared, rows_of
from wayside.adapters.intake import FeedIntake
from wayside.broker import EmbeddedBroker
from wayside.broker.kafka import KafkaBroker
from wayside.clock import SYSTEM
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Plan
from wayside.hot.sqlite import SqliteStore
from wayside.runtime.folder import Folder
from wayside.runtime.parts import broker_of
from wayside.runtime.schemas import schemas_of
from wayside.settings import Settings
from wayside.wire.registry import RegistryClient

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
THEIRS = [
    {"device_id": f"theirs{number}", "timestamp": "2023-03-28T12:00:00.125Z", "sensor": "s", "value": number / 3}
    for number in range(20)
]


def brokers(kafka: Any, plan: Plan, folder: Path, registry: str) -> list[KafkaBroker]:
    """Two replicas' brokers as the settings make them: one writes Avro, the other JSON."""
    made = []
    for kind in ("avro", "json"):
        settings = Settings(
            profile="cluster",
            kafka_servers=kafka.servers,
            kafka_prefix=prefix_of(plan),
            kafka_topic_values=dict.fromkeys(plan.topics, kind),
            kafka_registry=registry,
        )
        made.append(broker_of(settings, Folder(folder), plan=plan))
    return made


def prefix_of(plan: Plan) -> str:
    """What all topics on Kafka begin with in one test; subjects of the registry do not."""
    (topic,) = plan.topics
    return f"{topic}."


def stranger(kafka: Any, plan: Plan, registry: SchemaRegistryClient) -> None:
    """Write records with a newer schema of one's own, and two that no schema reads."""
    (topic,) = plan.topics
    known = json.loads(registry.get_latest_version(f"{topic}-value").schema.schema_str)
    known["fields"].append({"name": "note", "type": ["null", "string"], "default": None})
    registry.register_schema(f"{topic}-value", Schema(json.dumps(known), "AVRO"))
    serialize = AvroSerializer(registry, json.dumps(known), conf={"auto.register.schemas": False})
    producer = Producer({"bootstrap.servers": kafka.servers, "acks": "all", "partitioner": "murmur2_random"})
    context = SerializationContext(topic, MessageField.VALUE)
    for row in THEIRS:
        value = {**row, "timestamp": datetime.fromisoformat(str(row["timestamp"])), "note": "mine"}
        producer.produce(prefix_of(plan) + topic, serialize(value, context), key=str(row["device_id"]))
    for broken in (b"\x00\x7f\x7f\x7f\x7fno such schema", serialize(value, context)[:20]):
        producer.produce(prefix_of(plan) + topic, broken, partition=0)
    assert producer.flush(30) == 0


def read_by_a_stranger(kafka: Any, plan: Plan, registry: SchemaRegistryClient, number: int) -> list[dict[str, Any]]:
    """The first values of partition 0."""
    (topic,) = plan.topics
    consumer = Consumer({"bootstrap.servers": kafka.servers, "group.id": "strangers", "enable.auto.commit": False})
    consumer.assign([TopicPartition(prefix_of(plan) + topic, 0, 0)])
    reads = AvroDeserializer(registry)
    context = SerializationContext(topic, MessageField.VALUE)
    found: list[Any] = consumer.consume(number, timeout=30)
    consumer.close()
    return [reads(message.value(), context) for message in found]


def in_the_laptop(plan: Plan, submit: Callable[[FeedIntake], None], folder: Path) -> dict[str, Any]:
    """Embedded log, embedded engine."""
    broker = EmbeddedBroker(folder / "log")
    with doors(plan, broker) as intakes:
        (intake,) = intakes.values()
        submit(intake)
    store = prepared(SqliteStore(folder / "laptop.sqlite"), plan)
    engine = EmbeddedEngine(plan, broker, store)
    engine.drain()
    return rows_of(plan, broker, store, engine)


def compared(kafka: Any, spark: Any, folder: Path, topic: str, registry: str) -> None:
    """Write half in Avro, half in JSON, and a stranger's; read as a stranger; compare what Spark makes of it."""
    plan = plan_of(topic, 2)
    lines = [line.rstrip("\n").encode() for line in chunk(0, 20_000)]
    wire = [json.dumps(row).encode() for row in THEIRS]
    expected = in_the_laptop(plan, lambda intake: in_order(intake, [*lines, *wire], None), folder)
    writers = brokers(kafka, plan, folder, registry)
    for broker, part in zip(writers, (lines[:12_000], lines[12_000:]), strict=True):
        with doors(plan, broker) as intakes:
            (intake,) = intakes.values()
            in_order(intake, part, None)
    with (
        Site(broker=writers[0]) as site,
        SchemaRegistryClient({"url": registry or f"{site.base}/registry"}) as client,
    ):
        stranger(kafka, plan, client)
        read = read_by_a_stranger(kafka, plan, client, 100)
    first = writers[1].read(topic, 0, 0)
    assert first is not None
    assert read == first.frame[:100].to_dicts()
    store = SqliteStore(folder / "cluster.sqlite")
    schemas = schemas_of(registry, writers[1], SYSTEM)
    names = {name: prefix_of(plan) + name for name in plan.topics}
    more = {"servers": kafka.servers, "names": names, "max_offsets": 7_777, "schema_of": schemas.schema}
    engine = on_spark(plan, writers[1], spark, store, folder, **more)
    engine.drain()
    found = rows_of(plan, writers[1], store, engine)
    unread = found["quarantine"].filter(rule="avro.value")
    assert b"\x00\x7f\x7f\x7f\x7fno such schema" in unread["raw"].to_list()
    assert unread.height == 2
    found["quarantine"] = found["quarantine"].filter(pl.col("rule") != "avro.value")
    assert differences(expected, found) == []
    for broker in writers:
        broker.close()
    store.close()


def test_with_our_own_registry(kafka: Any, spark: Any, tmp_path: Path) -> None:
    compared(kafka, spark, tmp_path, "avro_own", "")


def test_with_the_registry_of_others(kafka: Any, spark: Any, foreign: str, tmp_path: Path) -> None:
    compared(kafka, spark, tmp_path, "avro_foreign", foreign)


def test_a_registry_that_stands_still_is_waited_for(
    kafka: Any, spark: Any, apicurios: tuple[ServerProcess, str], tmp_path: Path
) -> None:
    """No record is unreadable because of it: both engines try again until it answers."""
    process, address = apicurios
    plan = plan_of("avro_frozen", 2)
    lines = [line.rstrip("\n").encode() for line in chunk(0, 3_000)]
    expected = in_the_laptop(plan, lambda intake: in_order(intake, lines, None), tmp_path)
    writers = brokers(kafka, plan, tmp_path, address)
    with doors(plan, writers[0]) as intakes:
        (intake,) = intakes.values()
        in_order(intake, lines, None)
    names = {name: prefix_of(plan) + name for name in plan.topics}
    schema_of = RegistryClient(address, timeout=2.0).schema
    more = {"servers": kafka.servers, "names": names, "schema_of": schema_of}
    store, other = SqliteStore(tmp_path / "cluster.sqlite"), SqliteStore(tmp_path / "other.sqlite")
    engines = {
        "spark": on_spark(plan, writers[1], spark, store, tmp_path, **more),
        "embedded": EmbeddedEngine(plan, writers[1], prepared(other, plan)),
    }
    process.send(signal.SIGSTOP)
    try:
        for engine in engines.values():
            engine.start()
        for engine in engines.values():
            until(lambda engine=engine: any("registry" in node.last_error for node in engine.status()))
            assert engine.failure is None
    finally:
        process.send(signal.SIGCONT)
    for engine in engines.values():
        until(lambda engine=engine: not any(node.lag for node in engine.status()))
        engine.stop()
    assert differences(expected, rows_of(plan, writers[1], store, engines["spark"])) == []
    assert differences(expected, rows_of(plan, writers[1], other, engines["embedded"])) == []
    for broker in writers:
        broker.close()


def until(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for a condition, generously."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
