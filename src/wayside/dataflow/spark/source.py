"""Where Spark reads messages: Kafka, or anything else that gives the same columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from wayside.errors import ConfigError
from wayside.values import Position

COLUMNS = ("topic", "partition", "offset", "timestamp", "id", "value")
"""`id` is the record's id as the broker on Kafka writes it, a header of this name; null where there is none."""
ID = "cast(get(filter(headers, header -> header.key = 'id'), 0).value as string) as id"
EARLIEST = -2
FIXED = {
    "subscribe": "the plan names its topics",
    "assign": "the plan names its topics",
    "subscribePattern": "the plan names its topics",
    "startingOffsets": "positions are in the store",
    "endingOffsets": "positions are in the store",
    "minPartitions": "each partition is read in one task, because lateness follows from its order",
    "maxRecordsPerPartition": "each partition is read in one task, because lateness follows from its order",
    "includeHeaders": "ids of records are in headers",
    "failOnDataLoss": "lost records are counted by the engine",
}


class Source(Protocol):
    """Streams and ranges of messages with `COLUMNS`; each partition in one task, in the order of its offsets."""

    def stream(self, spark: Any, topics: Sequence[str], starts: Mapping[Position, int]) -> Any:
        """A streaming frame from these offsets on; partitions that are not named begin at their start."""

    def between(self, spark: Any, ranges: Mapping[Position, tuple[int, int]]) -> Any:
        """The messages of these ranges of offsets, as far as they still exist."""


@dataclass(frozen=True)
class KafkaSource:
    """Topics of a Kafka cluster.

    `max_offsets` bounds the messages of a micro-batch, and with it the memory of tasks; `options` are those of Spark's
    Kafka source, `names` those of topics on Kafka where they are called otherwise there.
    """

    servers: str
    max_offsets: int | None = 1_000_000
    options: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.options:
            for fixed, why in FIXED.items():
                if name.lower() == fixed.lower():
                    raise ConfigError(f"The option {name!r} of Spark's Kafka source cannot be set.", why=f"{why}.")

    def stream(self, spark: Any, topics: Sequence[str], starts: Mapping[Position, int]) -> Any:
        reader = self.reader(spark.readStream).option("subscribe", ",".join(self.name(topic) for topic in topics))
        reader = reader.option("startingOffsets", offsets(self.named(starts)))
        if self.max_offsets is not None:
            reader = reader.option("maxOffsetsPerTrigger", self.max_offsets)
        return self.columns(reader.load())

    def between(self, spark: Any, ranges: Mapping[Position, tuple[int, int]]) -> Any:
        topics = sorted({topic for topic, _ in ranges})
        assigned = {self.name(topic): sorted(p for t, p in ranges if t == topic) for topic in topics}
        reader = self.reader(spark.read).option("assign", json.dumps(assigned))
        starts = self.named({at: start for at, (start, _) in ranges.items()})
        ends = self.named({at: end for at, (_, end) in ranges.items()})
        reader = reader.option("startingOffsets", offsets(starts)).option("endingOffsets", offsets(ends))
        return self.columns(reader.load())

    def name(self, topic: str) -> str:
        """What a topic is called on Kafka."""
        return self.names.get(topic, topic)

    def named(self, chosen: Mapping[Position, int]) -> dict[Position, int]:
        """Offsets under the names that Kafka knows."""
        return {(self.name(topic), partition): offset for (topic, partition), offset in chosen.items()}

    def columns(self, frame: Any) -> Any:
        """`COLUMNS`, with topics under their own names."""
        topic = "topic"
        for ours, theirs in self.names.items():
            if ours != theirs:
                topic = f"if(topic = {literal(theirs)}, {literal(ours)}, {topic})"
        return frame.selectExpr(f"{topic} as topic", "partition", "offset", "timestamp", ID, "value")

    def reader(self, reader: Any) -> Any:
        """What is the same for streams and ranges."""
        made = reader.format("kafka").option("kafka.bootstrap.servers", self.servers).option("includeHeaders", "true")
        made = made.option("kafka.isolation.level", "read_committed").option("failOnDataLoss", "true")
        for name, value in self.options.items():
            made = made.option(name, value)
        return made


def offsets(chosen: Mapping[Position, int]) -> str:
    """Offsets per partition as Spark wants them, or its word for the beginning when there are none."""
    found: dict[str, dict[str, int]] = {}
    for (topic, partition), offset in sorted(chosen.items()):
        found.setdefault(topic, {})[str(partition)] = offset
    return json.dumps(found) if found else "earliest"


def literal(text: str) -> str:
    """Text in Spark's SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
