"""Partitions by key: the same for good, and evenly spread."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from wayside.broker.keys import key_text, partitions_of, text_hashes
from wayside.specs import TIME


def slow_hash(text: str) -> int:
    data = text.encode()
    if len(data) > 64:
        data = hashlib.blake2b(data, digest_size=16).hexdigest().encode()
    value = 0xCBF29CE484222325
    for octet in data:
        value = (value ^ octet) * 0x100000001B3 % 2**64
    return value


@given(st.lists(st.text(max_size=100), min_size=1, max_size=20))
def test_the_columns_hash_is_that_of_each_text(texts: list[str]) -> None:
    assert text_hashes(pl.Series(texts, dtype=pl.String)).tolist() == [slow_hash(text) for text in texts]


def test_slices_hash_like_the_whole() -> None:
    series = pl.Series([f"thing-{number}" * (number % 5) for number in range(100)])
    assert text_hashes(series[37:61]).tolist() == text_hashes(series)[37:61].tolist()


def test_known_keys_stay_where_they_are() -> None:
    """Stored data depends on these numbers: they never change."""
    frame = pl.DataFrame({"k": ["", "a", "thing-1", "Düsseldorf", "x" * 65, None]})
    assert partitions_of(frame, ["k"], 1000).tolist() == [342, 315, 396, 276, 306, 267]
    several = pl.DataFrame(
        {
            "n": [1, 2, None],
            "at": pl.Series([datetime(2026, 1, 1, tzinfo=UTC), None, None], dtype=TIME),
            "day": [date(2026, 1, 1), None, None],
            "real": [0.0, -0.0, 1.5],
            "octets": [b"\x00\xff", b"", None],
            "flag": [True, False, None],
        }
    )
    texts = ["1", "1767225600000000", "20454", "0", "00ff", "true"]
    assert key_text(several, several.columns)[0] == "\x1f".join(texts)
    assert key_text(several, ["real"]).to_list() == ["0", "0", str(0x3FF8000000000000)]
    assert partitions_of(several, several.columns, 1000).tolist() == [79, 271, 568]


def test_columns_do_not_run_together() -> None:
    frame = pl.DataFrame({"a": ["x", "xy", None], "b": ["yz", "z", "\x00"]})
    assert len(set(key_text(frame, ["a", "b"]).to_list())) == 3


def test_keys_spread_evenly() -> None:
    frame = pl.DataFrame({"k": [f"device-{number:05d}" for number in range(16_000)]})
    counts = np.bincount(partitions_of(frame, ["k"], 16), minlength=16)
    assert counts.min() > 850
    assert counts.max() < 1150
