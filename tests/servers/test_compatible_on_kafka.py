"""The registry and the REST Proxy in front of Kafka: two servers agree, and strangers' clients understand."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from cluster.kafka import KafkaNode
from proxy_calls import AVRO, BINARY, JSON, ask, made, records
from registry_calls import MEDIA, record, run
from server_site import TOKEN, Sample, Site, sample
from wayside.broker.kafka import KafkaBroker
from wayside.broker.kafka.values import Values
from wayside.clock import SYSTEM
from wayside.runtime.schemas import OwnSchemas
from wayside.specs import TopicSpec

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def prefix() -> str:
    return f"{uuid.uuid4().hex}-"


@pytest.fixture(scope="module")
def pair(kafka: KafkaNode, prefix: str) -> Iterator[tuple[Site, Site]]:
    """Two servers in front of one log."""
    one, two = (KafkaBroker(kafka.servers, prefix=prefix) for _ in range(2))
    with Site(broker=one, create_topics=True) as first, Site(broker=two) as second:
        yield first, second


def test_topics_are_changed_and_deleted_through_either_server(pair: tuple[Site, Site], prefix: str) -> None:
    admin = {"authorization": f"Bearer {TOKEN}"}
    one, two = pair
    one.broker.create(TopicSpec("leftover", pl.Schema({"x": pl.Int64()}), partitions=2))
    body = {"retention": {"age_seconds": 7_200, "bytes": 1_000_000}}
    answer = two.client.patch("/v1/topics/leftover", json=body, headers=admin)
    assert answer.status_code == 200, answer.text
    kafka = AdminClient({"bootstrap.servers": one.broker._clients.servers})
    resource = ConfigResource(ResourceType.TOPIC, f"{prefix}leftover")
    settings = kafka.describe_configs([resource])[resource].result(30)
    assert (settings["retention.ms"].value, settings["retention.bytes"].value) == ("7200000", "1000000")
    until(lambda: one.client.get("/v1/topics/leftover").json()["retention"] == body["retention"])
    assert "leftover" in [topic["name"] for topic in one.client.get("/v1/topics?all=true").json()]
    assert one.client.delete("/v1/topics/leftover", headers=admin).status_code == 204
    until(lambda: two.client.get("/v1/topics/leftover").status_code == 404)
    assert f"{prefix}leftover" not in kafka.list_topics(timeout=30).topics


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition, generously: what the topics are is looked up again after a second."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_two_servers_that_register_at_once_agree(pair: tuple[Site, Site]) -> None:
    bodies = [record(("a", "int"), name=f"R{number}") for number in range(8)]

    def register(site: Site) -> list[int]:
        paths = [f"/registry/subjects/at-once-{number}/versions" for number in range(len(bodies))]
        answers = [ask(site, "POST", path, body, kind=MEDIA) for path, body in zip(paths, bodies, strict=True)]
        return [answer.json()["id"] for answer in answers]

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(register, pair)
    assert one == two
    assert len(set(one)) == len(bodies)
    texts = [[ask(site, "GET", f"/registry/schemas/ids/{number}").json() for number in one] for site in pair]
    assert texts[0] == texts[1]


def test_the_registry_answers_as_on_the_log_of_this_machine(pair: tuple[Site, Site]) -> None:
    with Site() as site:
        expected = {name: (said.status, said.code) for name, said in run(site.base + "/registry").items()}
    assert {name: (said.status, said.code) for name, said in run(pair[1].base + "/registry").items()} == expected


def test_a_strangers_messages_through_kafka_by_our_schemas(kafka: KafkaNode, pair: tuple[Site, Site]) -> None:
    topic = f"strange-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka.servers})
    admin.create_topics([NewTopic(topic, 1)])[topic].result(30)
    schema = json.dumps({"type": "record", "name": "S", "fields": [{"name": "x", "type": ["null", "long"]}]})
    context = SerializationContext(topic, MessageField.VALUE)
    producer = Producer({"bootstrap.servers": kafka.servers, "acks": "all"})
    with SchemaRegistryClient({"url": pair[0].base + "/registry"}) as registry:
        serialize = AvroSerializer(registry, schema)
        for number in range(3):
            producer.produce(topic, serialize({"x": number or None}, context))
    assert producer.flush(30) == 0
    with SchemaRegistryClient({"url": pair[1].base + "/registry"}) as registry:
        deserialize = AvroDeserializer(registry)
        found = [deserialize(value, context) for value in consumed(kafka, topic, 3)]
    assert found == [{"x": None}, {"x": 1}, {"x": 2}]


def consumed(kafka: KafkaNode, topic: str, count: int) -> list[bytes]:
    """The first values of a topic, as a consumer of Kafka reads them."""
    settings = {"bootstrap.servers": kafka.servers, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    try:
        messages: list[Any] = consumer.consume(count, timeout=30)
        return [message.value() for message in messages]
    finally:
        consumer.close()


def test_produce_and_consume(pair: tuple[Site, Site], kafka: KafkaNode, prefix: str) -> None:
    first, second = pair
    at = "2026-01-01T12:00:00.000001Z"
    body = {"records": [{"value": sample("n1", 1.5, at=at)}, {"value": sample("n1", 9999.0)}]}
    good, bad = ask(first, "POST", "/topics/samples", body, kind=JSON).json()["offsets"]
    assert (good["error_code"], bad["error_code"]) == (None, 50002)
    [found] = records(second, made(second, "g", ["samples"]), timeout=10_000)
    assert (found["key"], found["value"]["at"], found["offset"]) == (["n1", "air"], at, good["offset"])
    [typed] = records(first, made(first, "h", ["samples"], format="avro"), AVRO, timeout=10_000)
    assert typed["value"]["count"] is None
    [value] = consumed(kafka, f"{prefix}samples", 1)
    assert json.loads(value) == found["value"], "the very message that a consumer of Kafka reads"


def test_plain_topics_and_committed_offsets(pair: tuple[Site, Site]) -> None:
    site = pair[0]
    body = {"records": [{"key": "a2V5", "value": "dmFsdWU="}]}
    answer = ask(site, "POST", "/topics/plain", body, kind=BINARY)
    assert answer.json()["offsets"][0]["error_code"] is None, answer.text
    path = made(site, "c", ["plain"], format="binary")
    [found] = records(site, path, BINARY, timeout=10_000)
    assert (found["key"], found["value"]) == ("a2V5", "dmFsdWU=")
    assert ask(site, "DELETE", path).status_code == 204
    assert records(site, made(site, "c", ["plain"], format="binary"), BINARY, timeout=500) == []


def test_values_in_avro_are_read_by_strangers_and_by_us(kafka: KafkaNode) -> None:
    prefix = f"{uuid.uuid4().hex}-"
    records = {"samples": Sample}
    broker, other = (
        KafkaBroker(
            kafka.servers, prefix=prefix, values=lambda log, kind=kind: Values(kind, records, OwnSchemas(log, SYSTEM))
        )
        for kind in ("avro", "json")
    )
    with Site(broker=broker) as site:
        first = site.post([sample(value=1.5, note="ü"), sample(value=2.5, count=3)])
        assert first.status_code == 202, first.text
        rows = other.read("samples", 0, 0)
        assert rows is not None
        other.append("samples", rows.frame.with_columns(value=pl.lit(3.5))[:1]).result(30)  # a replica that writes JSON
        registry = SchemaRegistryClient({"url": f"{site.base}/registry"})
        reads = AvroDeserializer(registry)
        name = f"{prefix}samples"
        found = consumed(kafka, name, 3)
        assert [value[:1] for value in found] == [b"\x00", b"\x00", b"{"]
        values = [reads(value, SerializationContext(name, MessageField.VALUE)) for value in found[:2]]
        assert [(value["value"], value["note"], value["count"]) for value in values] == [
            (1.5, "ü", None),
            (2.5, None, 3),
        ]
        assert values[0]["at"].tzinfo is not None
        theirs = AvroSerializer(registry, registry.get_latest_version("samples-value").schema.schema_str)
        stranger = Producer({"bootstrap.servers": kafka.servers})
        said = theirs({**values[0], "value": 4.5}, SerializationContext(name, MessageField.VALUE))
        for value in (said, b"\x00\x7f\x7f\x7f\x7fno such schema", b"\x00", said[:-1]):
            stranger.produce(name, value, key=b'["north","air"]')
        assert stranger.flush(30) == 0
        for reader in (broker, other):
            until(lambda reader=reader: reader.partitions("samples")[0].end == 7)
            batch = reader.read("samples", 0, 0)
            assert batch is not None
            assert batch.frame["value"].to_list() == [1.5, 2.5, 3.5, 4.5]
            assert batch.next == 7
        assert site.client.get("/v1/topics/samples/records").json()["rows"][3][-3] == 4.5
    for one in (broker, other):
        one.close()
