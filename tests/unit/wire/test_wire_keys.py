"""Keys of messages, and the partition that other producers would choose for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.wire.keys import _json, message_keys, murmur2, partitions_of

# From the tests of Kafka's own client (org.apache.kafka.common.utils.UtilsTest).
MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


def test_hashes_are_those_of_kafka() -> None:
    found = murmur2(pl.Series(list(MURMUR2))).astype("int32").tolist()
    assert found == list(MURMUR2.values())


def test_partitions_follow_from_the_key_alone() -> None:
    keys = pl.Series([b"foobar", b"21", b"foobar", b""])
    found = partitions_of(keys, 7).tolist()
    assert found[0] == found[2] == (-790332482 & 0x7FFFFFFF) % 7
    assert found[1] == (-973932308 & 0x7FFFFFFF) % 7


def test_one_text_column_is_the_text_itself() -> None:
    frame = pl.DataFrame({"thing": ["a", 'ü"', "", None]})
    assert message_keys(frame, ["thing"]) == [b"a", 'ü"'.encode(), b"", b"\x00"]


@pytest.mark.parametrize(
    ("value", "key"),
    [(5, b"5"), (0.5, b"0.5"), (-0.0, b"0.0"), (True, b"true"), (datetime(2026, 1, 1, tzinfo=UTC), None)],
)
def test_one_other_column_is_its_json(value: object, key: bytes | None) -> None:
    frame = pl.DataFrame({"thing": [value, None]})
    assert message_keys(frame, ["thing"]) == [key or b"2026-01-01T00:00:00.000000Z", b"\x00"]


def test_several_columns_are_a_json_array() -> None:
    frame = pl.DataFrame({"thing": ["a,", None], "value": [0.5, 1.0], "number": [7, None]})
    keys = message_keys(frame, ["thing", "number"])
    assert keys == [b'["a,",7]', b"[null,null]"]
    assert [json.loads(key) for key in keys] == [["a,", 7], [None, None]]


def test_a_topic_without_identity_has_no_keys() -> None:
    assert message_keys(pl.DataFrame({"value": [1.0]}), []) is None


def slowly(key: bytes) -> int:
    """Murmur2 as Kafka's own client has it, byte by byte."""
    factor, whole = 0x5BD1E995, len(key) // 4 * 4
    value = 0x9747B28C ^ len(key)
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * factor & 0xFFFFFFFF
        value = value * factor & 0xFFFFFFFF ^ (word ^ word >> 24) * factor & 0xFFFFFFFF
    if whole < len(key):
        value = (value ^ int.from_bytes(key[whole:], "little")) * factor & 0xFFFFFFFF
    value = (value ^ value >> 13) * factor & 0xFFFFFFFF
    return value ^ value >> 15


@given(st.lists(st.binary(max_size=40)))
def test_the_columns_hash_is_that_of_each_key(keys: list[bytes]) -> None:
    whole = pl.Series([b"x", b"yz", *keys])
    found = murmur2(whole[2:]).tolist()
    assert found == [slowly(key) for key in keys]
    assert partitions_of(whole[2:], 5).tolist() == [(slowly(key) & 0x7FFFFFFF) % 5 for key in keys]


@given(st.lists(st.tuples(st.text(max_size=5) | st.none(), st.integers(-9, 9) | st.none()), min_size=1))
def test_the_short_way_to_a_key_says_what_json_says(rows: list[tuple[str | None, int | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"thing": pl.String, "number": pl.Int64}, orient="row")
    keys = message_keys(frame, frame.columns)
    assert (
        keys
        == frame.select(
            pl.concat_str(pl.lit("["), _json("thing"), pl.lit(","), _json("number"), pl.lit("]")).cast(pl.Binary)
        )
        .to_series()
        .to_list()
    )
    assert [tuple(json.loads(key)) for key in keys] == rows
