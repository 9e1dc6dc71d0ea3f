"""The log on a real Kafka: what strangers read and write, what replicas do to each other, what Kafka decides itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.contracts.broker.rows import SCHEMA, SPEC, everything, put, rows
from wayside.errors import ConfigError, DeclarationError, OffsetOutOfRangeError, TopicNotFoundError, WaysideError
from wayside.specs import TopicSpec

if TYPE_CHECKING:
    from cluster.kafka import KafkaNode
    from wayside.broker.kafka import KafkaBroker

pytestmark = pytest.mark.servers
Make = Callable[..., "KafkaBroker"]


@pytest.fixture
def prefix() -> str:
    return f"{uuid.uuid4().hex}-"


@pytest.fixture
def make(kafka: KafkaNode, prefix: str) -> Iterator[Make]:
    """Brokers of one installation: replicas of each other."""
    from wayside.broker.kafka import KafkaBroker

    made: list[KafkaBroker] = []

    def one(**more: Any) -> KafkaBroker:
        made.append(KafkaBroker(kafka.servers, prefix=prefix, **more))
        return made[-1]

    yield one
    for broker in made:
        broker.close()


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition, generously."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.05)


def consumed(servers: str, topic: str, count: int) -> list[Any]:
    """Messages as a plain consumer gets them."""
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[Any] = []
    until(lambda: len(found.extend(consumer.consume(100, 0.5)) or found) >= count)
    consumer.close()
    return found


def produced(servers: str, topic: str, messages: list[dict[str, Any]]) -> None:
    """Produce as a stranger does, who knows nothing of us."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})
    for message in messages:
        producer.produce(topic, **message)
    assert producer.flush(30) == 0


def test_a_plain_consumer_reads_what_we_wrote(make: Make, kafka: KafkaNode, prefix: str) -> None:
    broker = make()
    broker.create(replace(SPEC, partitions=3))
    answer = put(broker, rows(0, 30, things=10), ids=[f"id-{number}" for number in range(30)])
    found = consumed(kafka.servers, f"{prefix}readings", 30)
    assert [message.error() for message in found] == [None] * 30
    read = {json.loads(message.value())["value"]: message for message in found}
    for row, (partition, offset) in enumerate(zip(answer.partitions, answer.offsets, strict=True)):
        message = read[float(row)]
        assert (message.partition(), message.offset()) == (partition, offset)
        assert message.key() == f"thing-{row % 10}".encode()
        assert message.headers() == [("id", f"id-{row}".encode())]
    assert json.loads(read[1.0].value()) == {"thing": "thing-1", "at": "2026-01-01T12:00:01.000000Z", "value": 1.0}


def test_what_a_stranger_produces_is_read_in_the_partition_of_its_key(
    make: Make, kafka: KafkaNode, prefix: str
) -> None:
    broker = make()
    broker.create(replace(SPEC, partitions=3))
    homes = put(broker, rows(0, 10, things=10)).partitions.to_list()
    at = "2026-01-01T14:00:00.5+02:00"
    produced(
        kafka.servers,
        f"{prefix}readings",
        [
            {"key": f"thing-{n}", "value": json.dumps({"thing": f"thing-{n}", "at": at, "value": 100 + n})}
            for n in range(10)
        ],
    )
    seen = {}
    for partition in range(3):
        frame = everything(broker, partition)
        for thing, instant, value in frame.filter(pl.col("value") >= 100).iter_rows():
            assert instant == datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
            assert thing == f"thing-{value - 100:.0f}"
            seen[thing] = partition
    assert [seen[f"thing-{n}"] for n in range(10)] == homes


def test_what_is_no_record_is_left_out_and_leaves_a_hole(make: Make, kafka: KafkaNode, prefix: str) -> None:
    broker = make()
    broker.create(SPEC)
    put(broker, rows(0, 2))
    produced(kafka.servers, f"{prefix}readings", [{"value": b"no json"}, {"key": b"thing-1", "value": None}])
    put(broker, rows(2, 1))
    until(lambda: broker.partitions("readings")[0].end == 5)
    batch = broker.read("readings", 0, 0)
    assert batch is not None
    assert batch.next == 5
    assert batch.offsets is not None
    assert batch.offsets.to_list() == [0, 1, 4]
    assert batch.frame.equals(rows(0, 3))
    empty = broker.read("readings", 0, 2, max_rows=2)
    assert empty is not None
    assert (empty.frame.height, empty.next) == (0, 4)


async def test_aiokafka_reads_and_writes_the_same(make: Make, kafka: KafkaNode, prefix: str) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    broker = make()
    broker.create(replace(SPEC, partitions=2))
    homes = put(broker, rows(0, 6, things=6), ids=list("abcdef")).partitions.to_list()
    producer = AIOKafkaProducer(bootstrap_servers=kafka.servers, enable_idempotence=True)
    await producer.start()
    value = json.dumps({"thing": "thing-4", "at": "2026-01-01T12:00:00Z", "value": 7})
    told = await producer.send_and_wait(f"{prefix}readings", value.encode(), key=b"thing-4")
    await producer.stop()
    assert told.partition == homes[4]
    consumer = AIOKafkaConsumer(f"{prefix}readings", bootstrap_servers=kafka.servers, auto_offset_reset="earliest")
    await consumer.start()
    found = [await consumer.getone() for _ in range(7)]
    await consumer.stop()
    ids = {json.loads(message.value)["value"]: dict(message.headers).get("id") for message in found}
    assert ids == {**{float(n): name.encode() for n, name in enumerate("abcdef")}, 7: None}
    assert everything(broker, told.partition).filter(pl.col("value") == 7.0).height == 1


def test_kcat_reads_and_writes_the_same(make: Make, kafka: KafkaNode, prefix: str) -> None:
    kcat = shutil.which("kcat")
    if kcat is None:
        pytest.skip("kcat is not on PATH (Debian: apt-get install kcat)")
    broker = make()
    broker.create(SPEC)
    put(broker, rows(0, 2))
    common = [kcat, "-b", kafka.servers, "-t", f"{prefix}readings"]
    value = b'thing-9:{"thing":"thing-9","at":"2026-01-01T12:00:09Z","value":9}\n'
    subprocess.run([*common, "-P", "-K", ":"], input=value, check=True, timeout=60)
    read = subprocess.run([*common, "-C", "-e", "-q", "-K", ":"], capture_output=True, check=True, timeout=60).stdout
    assert [line.partition(b":")[0] for line in read.splitlines()] == [b"thing-0", b"thing-1", b"thing-9"]
    assert everything(broker).row(2) == ("thing-9", datetime(2026, 1, 1, 12, 0, 9, tzinfo=UTC), 9.0)


def test_a_replica_knows_the_topics_and_ids_of_the_other(make: Make) -> None:
    first, second = make(), make()
    first.create(SPEC)
    assert put(first, rows(0, 2), ids=["a", "b"]).duplicates == 0
    assert second.topics() == {"readings": SPEC}
    assert put(second, rows(0, 3), ids=["a", "b", "c"]).offsets.to_list() == [-1, -1, 2]
    until(lambda: put(first, rows(2, 1), ids=["c"]).duplicates == 1)
    third = make()  # started anew: what it knows is in the log
    assert put(third, rows(0, 4), ids=["a", "b", "c", "d"]).offsets.to_list()[:3] == [-1, -1, -1]
    first.commit("group", {("readings", 0): 2})
    assert third.committed("group") == {("readings", 0): 2}


@pytest.mark.parametrize("start", [0, 2, 5, 8])
def test_what_two_replicas_let_through_is_read_once(make: Make, kafka: KafkaNode, prefix: str, start: int) -> None:
    broker = make()
    broker.create(SPEC)
    values = ["a", "b", "a", None, None, "c", "b", "a", "d", "c"]
    messages = [
        {
            "value": json.dumps({"thing": "t", "at": "2026-01-01T12:00:00Z", "value": number}),
            "headers": [] if id is None else [("id", id.encode())],
        }
        for number, id in enumerate(values)
    ]
    produced(kafka.servers, f"{prefix}readings", messages)
    first_seen = [0, 1, 3, 4, 5, 8]
    for most in (1, 3, 100):
        frame = everything(broker, 0, start, max_rows=most)
        assert frame.get_column("value").to_list() == [float(n) for n in first_seen if n >= start]


def test_an_id_may_come_again_after_the_horizon_of_kafkas_own_clock(make: Make) -> None:
    broker = make()
    broker.create(replace(SPEC, dedup_horizon=timedelta(seconds=2)))
    assert put(broker, rows(0, 1), ids=["a"]).offsets.to_list() == [0]
    assert put(broker, rows(1, 1), ids=["a"]).duplicates == 1
    time.sleep(4.2)
    assert put(broker, rows(2, 1), ids=["a"]).offsets.to_list() == [1]
    assert everything(broker).get_column("value").to_list() == [0.0, 2.0]


def test_append_times_are_those_of_kafka(make: Make) -> None:
    broker = make()
    broker.create(SPEC)
    times = []
    for number in range(4):
        times.append(datetime.now(UTC))
        put(broker, rows(number, 1))
        time.sleep(0.05)
    batch = broker.read("readings", 0, 0)
    assert batch is not None
    assert batch.appends is not None
    millisecond = timedelta(milliseconds=1)
    for number, time_ in enumerate(batch.appends):
        assert times[number] - millisecond <= time_ <= datetime.now(UTC)
        assert broker.seek("readings", 0, time_, by="append") == number
    info = broker.partitions("readings")[0]
    assert (info.oldest, info.newest) == (batch.appends[0], batch.appends[3])


def test_retention_is_kafkas_and_a_reader_is_told_what_it_lost(make: Make) -> None:
    broker = make(topic_config={"segment.ms": "200"})
    broker.create(replace(SPEC, retention_age=timedelta(seconds=1)))
    put(broker, rows(0, 10))
    time.sleep(0.3)
    put(broker, rows(10, 1))
    until(lambda: broker.partitions("readings")[0].start >= 10)
    with pytest.raises(OffsetOutOfRangeError, match="no longer kept"):
        broker.read("readings", 0, 3)


def test_compaction_is_kafkas_and_goes_by_offset_alone(make: Make) -> None:
    """Otherwise than in the embedded log, a later record of an earlier event time takes the place of the newest."""
    broker = make(topic_config={"segment.ms": "100", "min.cleanable.dirty.ratio": "0.0"})
    broker.create(replace(SPEC, compact=True))
    put(broker, rows(5000, 1, things=1))
    for number in range(10):
        put(broker, rows(number, 50, things=1))
        time.sleep(0.12)

    def compacted() -> bool:
        put(broker, rows(9, 1, things=1))  # what is written last is in a segment that is not looked at yet
        return everything(broker).filter(pl.col("value") == 5000.0).is_empty()

    until(compacted, 90)
    last = broker.partitions("readings")[0].end - 1
    tail = broker.read("readings", 0, last)
    assert tail is not None
    assert tail.frame.equals(rows(9, 1, things=1))


def test_a_topic_changes_with_its_declaration_and_is_deleted(make: Make, kafka: KafkaNode, prefix: str) -> None:
    from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

    broker, other = make(), make()
    broker.create(SPEC)
    put(broker, rows(0, 2), ids=["a", "b"])
    changed = replace(SPEC, retention_age=timedelta(days=1), retention_bytes=10**9)
    broker.create(changed)
    assert other.topics()["readings"] == changed
    resource = ConfigResource(ResourceType.TOPIC, f"{prefix}readings")
    admin = AdminClient({"bootstrap.servers": kafka.servers})
    found = admin.describe_configs([resource])[resource].result(30)
    assert found["retention.ms"].value == str(24 * 3600 * 1000)
    assert found["retention.bytes"].value == str(10**9)
    assert found["message.timestamp.type"].value == "LogAppendTime"
    broker.delete("readings")
    with pytest.raises(TopicNotFoundError):
        broker.read("readings", 0, 0)
    until(lambda: "readings" not in other.topics())
    until(lambda: f"{prefix}readings" not in admin.list_topics(timeout=30).topics)
    broker.create(SPEC)
    assert put(broker, rows(5, 1), ids=["a"]).offsets.to_list() == [0]
    assert everything(broker).equals(rows(5, 1))


def test_a_topic_of_somebody_else_with_other_partitions_is_refused(make: Make, kafka: KafkaNode, prefix: str) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": kafka.servers})
    admin.create_topics([NewTopic(f"{prefix}readings", 2, 1)])[f"{prefix}readings"].result(30)
    broker = make()
    with pytest.raises(DeclarationError, match="another number of partitions"):
        broker.create(SPEC)
    assert broker.topics() == {}
    broker.create(replace(SPEC, partitions=2))
    assert put(broker, rows(0, 4)).duplicates == 0


def test_a_record_that_is_too_large_fails_alone(make: Make) -> None:
    broker = make()
    broker.create(TopicSpec("texts", pl.Schema({"text": pl.String()})))
    long = pl.DataFrame({"text": ["x", "y" * (9 << 20)]})
    with pytest.raises(WaysideError, match="not acknowledged"):
        broker.append("texts", long).result(60)
    assert broker.append("texts", pl.DataFrame({"text": ["z"]})).result(60).offsets.to_list() == [1]


def test_keys_of_the_client_that_could_do_harm_are_refused(kafka: KafkaNode) -> None:
    from wayside.broker.kafka import KafkaBroker

    for name in ("plugin.library.paths", "ssl.engine.location", "sasl.kerberos.kinit.cmd", "acks", "partitioner"):
        with pytest.raises(ConfigError, match="cannot be configured") as caught:
            KafkaBroker(kafka.servers, config={name: "secret"})
        assert name in str(caught.value)
        assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be configured"):
        KafkaBroker(kafka.servers, config={"linger.ms": "soon"})
    KafkaBroker(kafka.servers, config={"linger.ms": "1", "compression.type": "zstd", "fetch.min.bytes": "1"}).close()


def test_the_schema_is_that_of_every_kind(make: Make) -> None:
    wide = pl.Schema({**SCHEMA, "pair": pl.Struct({"x": pl.List(pl.Enum(["a", "b"])), "y": pl.Duration("us")})})
    make().create(replace(SPEC, name="wide", schema=wide))
    assert make().topics()["wide"].schema == wide
