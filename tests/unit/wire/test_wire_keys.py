"""Keys of messages, and the partition that other producers would choose for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from wayside.wire.keys import _murmur2, message_keys, murmur2_partitions

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
    found = _murmur2(list(MURMUR2)).astype("int32").tolist()
    assert found == list(MURMUR2.values())


def test_partitions_follow_from_the_key_alone() -> None:
    keys = [b"foobar", b"21", b"foobar", b""]
    found = murmur2_partitions(keys, 7).tolist()
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
