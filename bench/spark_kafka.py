"""Job A from Kafka on Spark: our plan against the same job written by hand, and what a trip through Arrow costs.

    python -m bench.spark_kafka [MESSAGES]     starts a broker, runs every way in a process of its own, prints a table

Ways: `read` only counts what Kafka gives; `arrow` hands every message to Python and back (`mapInArrow` without work);
`hand` is native Spark: from_json, withWatermark, a window, Parquet; `ours` is the plan with exact lateness, a
quarantine, a store in SQLite and exactly-once commits. All read batches of 500,000 messages on `local[2]`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

BATCH = 500_000
WAYS = ("read", "arrow", "hand", "ours")
SCHEMA = "device_id string, timestamp timestamp, sensor string, value double"


def plan_of(topic: str, partitions: int) -> Any:
    """Job A of the bench."""
    from bench.wayside_jobs import AGGREGATES, Message
    from wayside.domain import Domain, Plan, Topic

    messages = Topic(topic, Message, partitions=partitions)
    window = messages.window("result", by=["device_id", "sensor"], every="10s", lateness="5s", **AGGREGATES)
    return Plan.of([Domain("bench", "Bench", [window])])


def produce(servers: str, topic: str, partitions: int, number: int) -> None:
    """The generator's messages, each thing's in one partition."""
    import zlib

    from confluent_kafka import Producer

    from bench.generate import CHUNK, chunk

    producer = Producer({"bootstrap.servers": servers, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
    for first in range(0, number, CHUNK):
        for line in chunk(first, min(first + CHUNK, number)):
            home = zlib.crc32(line[:24].encode()) % partitions
            producer.produce(topic, line.rstrip("\n").encode(), partition=home)
        producer.flush(60)


def same(batches: Iterable[Any]) -> Iterator[Any]:
    """Messages as they came."""
    yield from batches


def by_hand(messages: Any, folder: Path) -> Any:
    """Job A in native Spark."""
    from pyspark.sql import functions as F

    parsed = messages.select(F.from_json(F.col("value").cast("string"), SCHEMA).alias("m")).select("m.*")
    whole = parsed.where("device_id is not null and timestamp is not null and sensor is not null and value is not null")
    rows = whole.withWatermark("timestamp", "5 seconds")
    grouped = rows.groupBy(F.window("timestamp", "10 seconds").alias("window"), "device_id", "sensor").agg(
        F.count("*").alias("count"), F.avg("value"), F.min("value").alias("low"), F.max("value").alias("high")
    )
    named = grouped.withColumnRenamed("avg(value)", "average").writeStream.outputMode("append")
    return named.format("parquet").option("path", str(folder / "rows"))


def timed(way: str, servers: str, topic: str, partitions: int, folder: Path) -> float:
    """Seconds of one way, after the session is ready."""
    from cluster import spark as spark_jars
    from tests.equality.worlds import BareKafka, on_spark
    from wayside.dataflow.spark import KafkaSource, session
    from wayside.hot.sqlite import SqliteStore

    spark = session("local[2]", jars=spark_jars.install(), memory="2g")
    spark.range(10).mapInArrow(same, "id bigint").count()
    plan, source = plan_of(topic, partitions), KafkaSource(servers, max_offsets=BATCH)
    if way == "ours":
        log, store = BareKafka(servers, plan), SqliteStore(folder / "hot.sqlite")
        engine = on_spark(plan, log, spark, store, folder, max_offsets=BATCH)
        engine.recover()
        began = time.perf_counter()
        engine.drain()
        return time.perf_counter() - began
    began = time.perf_counter()
    messages = source.stream(spark, [topic], {})
    if way == "arrow":
        messages = messages.select("topic", "partition", "offset", "timestamp", "value")
        messages = messages.mapInArrow(same, messages.schema)
    if way == "hand":
        writer = by_hand(messages, folder)
    else:
        writer = messages.writeStream.foreachBatch(lambda rows, _: rows.write.format("noop").mode("overwrite").save())
    query = writer.option("checkpointLocation", str(folder / "spark")).trigger(availableNow=True).start()
    query.awaitTermination()
    return time.perf_counter() - began


def measured(way: str, servers: str, topic: str, partitions: int, folder: Path) -> float:
    """Seconds of one way in a process of its own."""
    folder.mkdir()
    command = [sys.executable, "-m", "bench.spark_kafka", "--way", way, servers, topic, str(partitions), str(folder)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "scripts")])}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr[-4000:])
    return float(done.stdout.split("seconds")[1])


def table(number: int, place: Path) -> dict[str, int]:
    """Messages per second of every way, with one and two partitions."""
    from cluster.kafka import KafkaNode
    from tests.equality.worlds import BareKafka

    figures: dict[str, int] = {}
    node = KafkaNode(place / "kafka", properties={"log.flush.interval.messages": "1000000"}).start()
    try:
        for partitions in (1, 2):
            topic = f"job{partitions}"
            BareKafka(node.servers, plan_of(topic, partitions))
            produce(node.servers, topic, partitions, number)
            for way in WAYS:
                seconds = measured(way, node.servers, topic, partitions, place / f"{way}{partitions}")
                name = f"{way}, {partitions} partition(s)"
                figures[name] = round(number / seconds)
                print(f"{name:20} {seconds:6.1f} s {figures[name]:9,} messages/s", flush=True)
    finally:
        node.stop()
    return figures


def main() -> None:
    if sys.argv[1:2] == ["--way"]:
        way, servers, topic, partitions, folder = sys.argv[2:]
        print("seconds", timed(way, servers, topic, int(partitions), Path(folder)))
        return
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as place:
        print(json.dumps(table(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, Path(place))))


if __name__ == "__main__":
    main()
