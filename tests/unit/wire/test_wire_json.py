"""Values of messages: exact there and back, and readable by any JSON parser."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wayside.errors import DeclarationError
from wayside.specs import TIME
from wayside.wire.json import decode, encode

SCHEMA = pl.Schema({"thing": pl.String(), "at": TIME, "value": pl.Float64(), "number": pl.Int64()})
INSTANT = st.datetimes(timezones=st.just(UTC))
ROW = st.tuples(
    st.none() | st.text(st.characters(exclude_categories=("Cs",))),
    st.none() | INSTANT,
    st.none() | st.floats(),
    st.none() | st.integers(-(2**63), 2**63 - 1),
)


@given(st.lists(ROW, max_size=20))
def test_rows_come_back_with_the_same_bits(rows: list[tuple[object, ...]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    values = encode(frame)
    found = decode(values, SCHEMA)
    assert found.undecodable == []
    bits = pl.col("value").fill_nan(0.125).reinterpret(signed=True)  # NaN has many bit patterns and one name
    assert_frame_equal(found.frame.with_columns(bits), frame.with_columns(bits))
    assert found.frame.get_column("value").is_nan().equals(frame.get_column("value").is_nan())
    assert all(set(json.loads(value)) == set(SCHEMA) and b"\n" not in value for value in values)


def test_a_stranger_reads_what_is_meant() -> None:
    at = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
    frame = pl.DataFrame({"thing": ["ü\n"], "at": [at], "value": [0.1], "number": [None]}, schema=SCHEMA)
    expected = '{"thing":"ü\\n","at":"2026-01-01T12:00:00.000005Z","value":0.1,"number":null}'
    assert encode(frame) == [expected.encode()]


KINDS: dict[str, tuple[pl.DataType, list[object], list[object]]] = {
    "octets": (pl.Binary(), [b"\x00\xff", b"", None], ["AP8=", "", None]),
    "flag": (pl.Boolean(), [True, False, None], [True, False, None]),
    "small": (pl.Int8(), [-128, 127, None], [-128, 127, None]),
    "large": (pl.UInt64(), [0, 2**64 - 1, None], [0, 2**64 - 1, None]),
    "single": (pl.Float32(), [0.5, float("-inf"), None], [0.5, "-Infinity", None]),
    "day": (pl.Date(), [date(2026, 1, 2), None, None], ["2026-01-02", None, None]),
    "clock": (pl.Time(), [time(1, 2, 3, 4), None, None], ["01:02:03.000004000", None, None]),
    "local": (
        pl.Datetime("us"),
        [datetime(2026, 1, 2, tzinfo=UTC).replace(tzinfo=None), None, None],
        ["2026-01-02T00:00:00.000000", None, None],
    ),
    "paris": (
        pl.Datetime("ns", "Europe/Paris"),
        [datetime(2026, 7, 1, 10, tzinfo=UTC), None, None],
        ["2026-07-01T10:00:00.000000000Z", None, None],
    ),
    "span": (pl.Duration("us"), [timedelta(days=1), timedelta(0), None], [86_400_000_000, 0, None]),
    "price": (pl.Decimal(10, 2), [Decimal("1.10"), Decimal("-0.01"), None], ["1.10", "-0.01", None]),
    "kind": (pl.Enum(["warm", "cold"]), ["cold", "warm", None], ["cold", "warm", None]),
    "list": (pl.List(pl.Int64()), [[1, 2], [], None], [[1, 2], [], None]),
    "floats": (pl.List(pl.Float64()), [[1.0, float("nan")], [], None], [[1.0, "NaN"], [], None]),
    "ring": (pl.Array(pl.Int64(), 2), [[1, 2], [3, None], None], [[1, 2], [3, None], None]),
    "pair": (
        pl.Struct({"x": pl.Float64(), "y": TIME}),
        [{"x": float("inf"), "y": datetime(2026, 1, 1, tzinfo=UTC)}, {"x": None, "y": None}, None],
        [{"x": "Infinity", "y": "2026-01-01T00:00:00.000000Z"}, {"x": None, "y": None}, None],
    ),
    "kinds": (pl.List(pl.Enum(["warm"])), [["warm"], [], None], [["warm"], [], None]),
    "an odd name: ü'": (pl.Null(), [None, None, None], [None, None, None]),
}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_columns_of_every_kind_come_back_as_they_were(name: str) -> None:
    dtype, values, expected = KINDS[name]
    frame = pl.DataFrame({name: pl.Series(values, dtype=dtype)})
    written = encode(frame)
    assert [json.loads(value)[name] for value in written] == expected
    found = decode(written, frame.schema)
    assert found.undecodable == []
    assert_frame_equal(found.frame, frame)


BAD = {
    "absent": None,
    "empty": b"",
    "no JSON": b"{",
    "an array": b"[1]",
    "null": b"null",
    "more than one": b'{"number":1},{"number":2}',
    "half of two": b'{"number":1',
    "no UTF-8": b'{"thing":"\xff"}',
    "text for a number": b'{"value":"1.5"}',
    "a flag for a number": b'{"value":true}',
    "a fraction for an integer": b'{"number":1.5}',
    "too large": b'{"number":9223372036854775808}',
    "a number for text": b'{"thing":5}',
    "no instant": b'{"at":"yesterday"}',
    "a time without a zone": b'{"at":"2026-01-01T12:00:00"}',
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_is_no_record_is_named_and_the_others_are_read(name: str) -> None:
    good = pl.DataFrame({"thing": [f"t{i}" for i in range(9)], "number": list(range(9))})
    frame = good.select("thing", pl.lit(None, TIME).alias("at"), pl.lit(0.5).alias("value"), "number")
    values: list[bytes | None] = [*encode(frame)]
    values.insert(4, BAD[name])
    values.append(BAD[name])
    found = decode(values, SCHEMA)
    assert found.undecodable == [4, 10]
    assert_frame_equal(found.frame, frame)


def test_reading_is_generous_where_nothing_is_lost() -> None:
    values = [b' {"at": "2026-01-01T14:00:00.5+02:00",\n "more": [1, {}], "value": 3} ']
    found = decode(values, SCHEMA)
    assert found.frame.row(0) == (None, datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC), 3.0, None)


def test_nothing_gives_nothing() -> None:
    assert encode(pl.DataFrame(schema=SCHEMA)) == []
    assert_frame_equal(decode([], SCHEMA).frame, pl.DataFrame(schema=SCHEMA))


def test_a_type_without_a_form_in_json_is_refused() -> None:
    with pytest.raises(DeclarationError, match="JSON cannot carry"):
        encode(pl.DataFrame({"odd": [object()]}))
    with pytest.raises(DeclarationError, match="keys of a JSON object"):
        encode(pl.DataFrame({'a "name"': [1]}))
    with pytest.raises(DeclarationError, match="at least one column"):
        encode(pl.DataFrame())
