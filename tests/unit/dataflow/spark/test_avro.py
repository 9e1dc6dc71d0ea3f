"""Values in Avro in Spark's tasks, without Spark: the same rows as from JSON, and who asks the registry for what."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl
import pytest

from wayside.dataflow.spark.avro import Schemas
from wayside.dataflow.spark.decoding import Messages
from wayside.dataflow.spark.partition import PartitionRun, Past
from wayside.dataflow.spark.pieces import PARTIALS, PROGRESS, REFUSED, SCHEMAS, Piece
from wayside.dataflow.spark.worker import Job
from wayside.domain import Domain, Plan, Topic, count, mean
from wayside.errors import UnavailableError
from wayside.record import Record, field
from wayside.wire import avro, json
from wayside.wire.nodes import AvroError

START = datetime(2026, 3, 1, tzinfo=UTC)


class Reading(Record, key="thing", time="at"):
    """A number of a thing."""

    thing: str = field(max_length=8)
    at: datetime = field()
    kind: Literal["a", "b"] = field()
    value: float | None = field(ge=-100, le=100)


READINGS = Topic("readings", Reading)
PLAN = Plan.of(
    [Domain("test", "Test", [READINGS.window("spans", by=["thing"], every="10s", n=count(), average=mean("value"))])]
)
TEXT = avro.value_schema(Reading)
OLDER = TEXT.replace('"name":"value"', '"name":"worth"')


def frame(rows: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "thing": [f"t{row % 7}" for row in range(rows)],
            "at": [START + timedelta(milliseconds=137 * row) for row in range(rows)],
            "kind": ["ab"[row % 2] for row in range(rows)],
            "value": [None if row % 11 == 0 else row / 7 % 100 for row in range(rows)],
        },
        schema=Reading.schema(),
    )


def messages(values: list[bytes]) -> Messages:
    offsets = np.arange(len(values), dtype=np.int64)
    at = np.full(len(values), int((START + timedelta(days=1)).timestamp() * 1_000_000))
    return Messages("readings", 0, offsets, at, list(values), pl.Series([None] * len(values), dtype=pl.String))


def run(values: list[bytes], schemas: dict[int, str | None] | None = None) -> list[Piece]:
    made = PartitionRun(PLAN, Past(), "readings", 0, schemas or {})
    made.take(messages(values))
    return made.finish()


def refused(pieces: list[Piece]) -> list[tuple[str, str, bytes]]:
    return [row for piece in pieces if piece.kind == REFUSED for row in piece.frame.select("id", "rule", "raw").rows()]


def same(one: list[Piece], two: list[Piece]) -> None:
    assert [piece.kind for piece in one] == [piece.kind for piece in two]
    for mine, other in zip(one, two, strict=True):
        if mine.kind == PROGRESS:
            assert mine.facts == other.facts
        else:
            assert mine.frame.equals(other.frame)


def test_avro_json_and_both_in_turns_give_the_same_pieces() -> None:
    rows = frame(3_000)
    plain, framed = json.encode(rows), avro.encode(rows, TEXT, 5)
    mixed = [framed[number] if number % 3 else plain[number] for number in range(rows.height)]
    expected = run(plain)
    assert any(piece.kind == PARTIALS for piece in expected)
    same(run(framed, {5: TEXT}), expected)
    same(run(mixed, {5: TEXT}), expected)


def test_broken_rules_are_those_of_json_and_what_is_kept_is_json() -> None:
    rows = frame(6).with_columns(
        value=pl.Series([1.0, 500.0, 2.0, float("nan"), None, 3.0]),
        thing=pl.Series(["x", "x", "much too long", "x", "x", "x"]),
        at=pl.Series([START, START, START, START, datetime(1969, 1, 1, tzinfo=UTC), START + timedelta(days=900)]),
    )
    rows = rows.select(pl.col(name).cast(dtype) for name, dtype in Reading.schema().items())
    found = refused(run(avro.encode(rows, TEXT, 1), {1: TEXT}))
    lines = json.encode(rows)
    without_nan = [number for number in range(6) if number != 3]
    expected = refused(run([lines[number] for number in without_nan]))
    assert [rule for _, rule, _ in found] == [
        "value.range", "thing.length", "value.finite", "at.plausible", "at.plausible"
    ]  # fmt: skip
    assert [rule for _, rule, _ in found if rule != "value.finite"] == [rule for _, rule, _ in expected]
    again = [raw for _, rule, raw in found if rule != "value.finite"]
    assert [rule for _, rule, _ in refused(run(again))] == [rule for _, rule, _ in expected]


def test_what_no_schema_reads_is_set_aside_with_its_bytes() -> None:
    good = avro.encode(frame(2), TEXT, 1)
    values = [good[0], b"\x00", b"\x00\x00\x00\x00\x09x", good[1][:-1], avro.framed(2, good[0][5:]), good[1]]
    pieces = run(values, {1: TEXT, 2: OLDER.replace('["null","double"]', '"string"'), 9: None})
    found = refused(pieces)
    assert [(rule, raw) for _, rule, raw in found] == [("avro.value", values[number]) for number in (1, 2, 3, 4)]
    assert [id.split("/")[3] for id, _, _ in found] == ["1", "2", "3", "4"]
    (facts,) = (piece.facts for piece in pieces if piece.kind == PROGRESS)
    assert (facts["next"], facts["rows"]) == (6, 2)


def test_a_writer_with_an_older_schema_is_understood() -> None:
    value = avro.framed(3, avro.write(OLDER, {"thing": "x", "at": 1_772_323_200_000_000, "kind": "a", "worth": 1.0}))
    (facts,) = (piece.facts for piece in run([value], {3: OLDER}) if piece.kind == PROGRESS)
    assert facts["rows"] == 1


def test_an_unknown_schema_gives_its_id_and_nothing_else() -> None:
    first, second = avro.encode(frame(100), TEXT, 5), avro.encode(frame(100), TEXT, 6)
    (piece,) = run([*first, b'{"not": "even JSON of ours"}', *second, struct.pack(">bI", 0, 7)])
    assert (piece.kind, piece.facts) == (SCHEMAS, {"ids": [5, 6, 7]})


class Asked:
    """A registry that notes what it is asked."""

    def __init__(self, texts: dict[int, str]) -> None:
        self.texts, self.ids = texts, list[int]()

    def schema(self, number: int) -> str:
        self.ids.append(number)
        if number not in self.texts:
            raise AvroError(f"Schema {number} not found.")
        return self.texts[number]


def test_the_driver_asks_once_and_what_was_absent_may_come() -> None:
    values = avro.encode(frame(50), TEXT, 5)
    registry = Asked({5: TEXT})
    schemas = Schemas(registry.schema)
    runs = []

    def task(job: Job) -> list[Piece]:
        runs.append(job.schemas)
        return run(values, dict(job.schemas))

    same(schemas.complete(Job(b"", Past()), task), run(json.encode(frame(50))))
    schemas.complete(Job(b"", Past()), task)
    assert (runs, registry.ids) == ([{}, {5: TEXT}, {5: TEXT}], [5])
    values = [*values, *avro.encode(frame(1), TEXT, 6)]
    assert len(refused(schemas.complete(Job(b"", Past()), task))) == 1
    registry.texts[6] = TEXT
    assert refused(schemas.complete(Job(b"", Past()), task)) == []
    assert registry.ids == [5, 6, 6]


def test_a_registry_that_is_away_fails_the_job() -> None:
    def away(number: int) -> str:
        raise UnavailableError("The registry is away.")

    with pytest.raises(UnavailableError):
        Schemas(away).complete(Job(b"", Past()), lambda job: run(avro.encode(frame(1), TEXT, 5), dict(job.schemas)))
