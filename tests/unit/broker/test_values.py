"""Values of messages: JSON and Avro beside each other, and what is neither."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

pytest.importorskip("confluent_kafka", reason="the extra 'kafka' is not installed")

from wayside.broker.kafka.values import PLAIN, Values
from wayside.domain import Domain, Plan, Topic
from wayside.errors import ConfigError, UnavailableError, WaysideError
from wayside.record import Record, field
from wayside.runtime.folder import Folder
from wayside.runtime.parts import broker_of
from wayside.settings import Settings
from wayside.wire.avro import framed
from wayside.wire.nodes import AvroError
from wayside.wire.registry import RegistryAwayError


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


def test_a_registry_that_is_away_makes_nothing_unreadable() -> None:
    """It is no verdict: the rows would be left out for good."""

    class Away(Known):
        def schema(self, schema_id: int) -> str:
            raise RegistryAwayError("The schema registry gave no answer that can be read.")

    avro, _ = pair()
    values = avro.encode("readings", FRAME)
    with pytest.raises(UnavailableError, match="no answer"):
        Values("json", {"readings": Reading}, Away()).decode("readings", values, SCHEMA)


def test_a_topic_may_differ_from_the_others() -> None:
    records = {"readings": Reading, "others": Reading}
    for format, by_topic in (("json", {"readings": "avro"}), ("avro", {"others": "json"})):
        made = Values(format, records, Known(), by_topic)  # type: ignore[arg-type]  # literals
        for topic in records:
            made.prepare(topic)
        assert made.encode("readings", FRAME)[0][:1] == b"\x00"
        assert made.encode("others", FRAME)[0][:1] == b"{"


def test_a_topic_that_nobody_declares_is_refused(tmp_path: Path) -> None:
    plan = Plan.of([Domain("test", "Test", [Topic("readings", Reading)])])
    chosen = {"profile": "cluster", "postgres_dsn": "postgresql://x", "kafka_servers": "127.0.0.1:1"}
    settings = Settings(**chosen, kafka_topic_values={"readings": "avro", "reading": "avro"})
    with pytest.raises(ConfigError, match="'reading'"):
        broker_of(settings, Folder(tmp_path), plan=plan)
