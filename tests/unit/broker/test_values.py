"""Values of messages: JSON and Avro beside each other, and what is neither."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import polars as pl
import pytest

pytest.importorskip("confluent_kafka", reason="the extra 'kafka' is not installed")

from wayside.broker.kafka.values import PLAIN, Values
from wayside.errors import ConfigError, WaysideError
from wayside.record import Record, field
from wayside.runtime.parts import check
from wayside.settings import Settings
from wayside.wire.avro import framed
from wayside.wire.nodes import AvroError


class Reading(Record, key="thing", time="at"):
    """One reading."""

    thing: str = field(max_length=16)
    at: datetime = field()
    kind: Literal["a", "b"] = field()
    value: float | None = field()
    ok: bool = field()


class Known:
    """A registry in memory."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []

    def register(self, subject: str, text: str) -> int:
        if (subject, text) not in self.texts:
            self.texts.append((subject, text))
        return self.texts.index((subject, text))

    def schema(self, schema_id: int) -> str:
        if schema_id >= len(self.texts):
            raise AvroError(f"Schema {schema_id} not found.")
        return self.texts[schema_id][1]


FRAME = pl.DataFrame(
    {
        "thing": ["x", "ü", "z"],
        "at": [datetime(2026, 1, 1, 0, 0, second, 123_456, tzinfo=UTC) for second in range(3)],
        "kind": ["a", "b", "a"],
        "value": [0.1, None, float("inf")],
        "ok": [True, False, True],
    },
    schema=Reading.schema(),
)
SCHEMA = pl.Schema(Reading.schema())


def pair() -> tuple[Values, Values]:
    schemas, records = Known(), {"readings": Reading}
    writes = Values("avro", records, schemas)
    writes.prepare("readings")
    return writes, Values("json", records, schemas)


def test_rows_come_back_whoever_wrote_and_whoever_reads() -> None:
    avro, json = pair()
    for writer in (avro, json):
        values = writer.encode("readings", FRAME)
        assert (values[0][:1] == b"\x00") == (writer is avro)
        for reader in (avro, json):
            found = reader.decode("readings", values, SCHEMA)
            assert found.undecodable == []
            assert found.frame.equals(FRAME)


def test_both_may_stand_in_any_order_and_the_unreadable_are_named() -> None:
    avro, json = pair()
    a, j = avro.encode("readings", FRAME), json.encode("readings", FRAME)
    values = [j[0], a[1], b"\x00", None, a[2], b"{", framed(7, b"x"), j[1], a[0][:-1]]
    found = json.decode("readings", values, SCHEMA)
    assert found.undecodable == [2, 3, 5, 6, 8]
    assert found.frame.equals(pl.concat([FRAME[0], FRAME[1], FRAME[2], FRAME[1]]))
    assert json.decode("readings", [b"\x00", b"\x00\x01"], SCHEMA).undecodable == [0, 1]


def test_topics_without_a_record_stay_json() -> None:
    avro, _ = pair()
    avro.prepare("others")
    assert avro.encode("others", FRAME) == PLAIN.encode("others", FRAME)
    assert PLAIN.decode("readings", avro.encode("readings", FRAME), SCHEMA).undecodable == [0, 1, 2]


def test_a_registry_that_refuses_is_told_before_rows_are_queued() -> None:
    class Refusing(Known):
        def register(self, subject: str, text: str) -> int:
            raise WaysideError(f"The schema of {subject} was refused.")

    with pytest.raises(WaysideError, match="readings-value"):
        Values("avro", {"readings": Reading}, Refusing()).prepare("readings")


def test_spark_is_refused_with_them() -> None:
    chosen = {"profile": "cluster", "postgres_dsn": "postgresql://x", "kafka_servers": "k:1", "kafka_values": "avro"}
    check(Settings(**chosen))
    with pytest.raises(ConfigError, match="JSON"):
        check(Settings(**chosen, engine="spark"))
