"""Records as Avro: the schema, and every kind of field there and back without a bit of difference."""

from __future__ import annotations

import io
import json
import struct
from datetime import UTC, datetime, timedelta
from typing import Literal

import fastavro
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.record import Record, field
from wayside.specs import TIME
from wayside.wire import avro
from wayside.wire.nodes import AvroError


class Whole(Record, key=("name", "number"), time="at"):
    """One of each kind."""

    name: str = field(doc="who", max_length=99)
    number: int = field(unit="1")
    at: datetime
    amount: float = field(unit="Cel", doc="how warm")
    fine: bool
    colour: Literal["red", "green"]
    state: Literal["on going", "done"]
    name_: str | None
    number_: int | None
    at_: datetime | None
    amount_: float | None
    fine_: bool | None
    colour_: Literal["red", "green"] | None


class Single(Record, key="id"):
    """A key of one column."""

    id: int


FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)
INTS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COLOURS = st.sampled_from(["red", "green"])
KINDS = [TEXTS, INTS, INTS, FLOATS, st.booleans(), COLOURS, st.sampled_from(["on going", "done"])]
OPTIONAL = [st.none() | kind for kind in (TEXTS, INTS, INTS, FLOATS, st.booleans(), COLOURS)]


@given(st.lists(st.tuples(*KINDS, *OPTIONAL), max_size=8), st.integers(0, 2**32 - 1))
def test_every_kind_of_field_comes_back_bit_by_bit(rows: list[tuple[object, ...]], schema_id: int) -> None:
    schema = {name: pl.Int64() if dtype == TIME else dtype for name, dtype in Whole.schema().items()}
    frame = pl.DataFrame(rows, schema=schema, orient="row").cast({"at": TIME, "at_": TIME})
    text = avro.value_schema(Whole)
    messages = avro.encode(frame, text, schema_id)
    assert all(avro.unframed(message)[0] == schema_id for message in messages)
    found = avro.decode(messages, Whole, {schema_id: text}.__getitem__)
    assert found.refused == {}
    assert bits(found.frame) == bits(frame)


def bits(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    """Rows in which floats are their bits and times are numbers."""
    floats = frame.select(pl.selectors.float()).columns
    plain = frame.with_columns(pl.selectors.datetime().to_physical())
    return [
        tuple(struct.pack(">d", v) if n in floats and v is not None else v for n, v in row.items())
        for row in plain.iter_rows(named=True)
    ]


def test_what_a_schema_says() -> None:
    schema = json.loads(avro.value_schema(Whole))
    assert (schema["name"], schema["doc"]) == ("Whole", "One of each kind.")
    assert schema["namespace"] == avro.namespace(Whole)
    fields = {each["name"]: each for each in schema["fields"]}
    assert fields["amount"] == {"name": "amount", "type": "double", "doc": "how warm", "unit": "Cel"}
    assert fields["at"]["type"] == {"type": "long", "logicalType": "timestamp-micros"}
    assert fields["colour"]["type"] == {"type": "enum", "name": "Whole_colour", "symbols": ["red", "green"]}
    assert fields["state"]["type"] == "string", "a choice with a space cannot be a symbol"
    assert fields["number_"] == {"name": "number_", "type": ["null", "long"], "default": None}
    key = avro.key_schema(Whole)
    assert key is not None
    assert [each["name"] for each in json.loads(key)["fields"]] == ["name", "number"]
    assert avro.key_schema(Single) == '"long"'


def test_a_strangers_reader_understands_the_bytes_and_the_logical_type() -> None:
    at = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    row = {"name": "a", "number": 1, "at": at, "amount": 1.5, "fine": True, "colour": "red", "state": "done"}
    frame = pl.DataFrame([row], schema=Whole.schema())
    text = avro.value_schema(Whole)
    [message] = avro.encode(frame, text, 5)
    found = fastavro.schemaless_reader(io.BytesIO(message[5:]), fastavro.parse_schema(json.loads(text)))
    assert {name: found[name] for name in row} == row


def test_an_older_writers_message_is_read_by_resolution_and_milliseconds_become_microseconds() -> None:
    old = json.loads(avro.value_schema(Whole))
    for each in old["fields"]:
        if each["name"] == "at":
            each["type"] = {"type": "long", "logicalType": "timestamp-millis"}
        if each["name"] == "number":
            each["type"] = "int"
    old["fields"] = [each for each in old["fields"] if each["name"] != "amount_"]
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=7)
    values = {"name": "a", "number": 1, "at": round(at.timestamp() * 1000), "amount": 1.5, "fine": True}
    values |= {"colour": "red", "state": "done"}
    values |= {f"{name}_": None for name in ("name", "number", "at", "fine", "colour")}
    message = avro.framed(3, avro.write(json.dumps(old), values))
    found = avro.decode([message], Whole, {3: json.dumps(old)}.__getitem__)
    assert found.frame["at"].to_list() == [at]
    assert found.frame["amount_"].to_list() == [None]


def test_what_is_no_message_is_told_by_its_number() -> None:
    text = avro.value_schema(Single)
    good = avro.framed(1, avro.write(text, {"id": 4}))

    def schema_of(schema_id: int) -> str:
        if schema_id != 1:
            raise AvroError(f"Schema {schema_id} not found.")
        return text

    found = avro.decode(
        [b"", good, None, b"\x01" + good[1:], good + b"x", avro.framed(2, b""), good[:-1]], Single, schema_of
    )
    assert found.frame["id"].to_list() == [4]
    assert sorted(found.refused) == [0, 2, 3, 4, 5, 6]
    assert "left over" in found.refused[4]
    assert "Schema 2 not found" in found.refused[5]


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(AvroError, match="does not fit"):
        avro.write('"long"', "x")
    frame = pl.DataFrame({"id": [None]}, schema=Single.schema())
    with pytest.raises(AvroError, match="does not fit"):
        avro.encode(frame, avro.value_schema(Single), 1)
