"""Partitions by key: the same for good, and evenly spread."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.broker import EmbeddedBroker
from wayside.broker.entry import checksum
from wayside.broker.keys import key_text, partitions_of, text_hashes
from wayside.errors import DeclarationError
from wayside.specs import TIME, TopicSpec


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


def test_a_topic_of_an_older_version_keeps_its_partitions(tmp_path: Path) -> None:
    spec = TopicSpec("readings", pl.Schema({"k": pl.String()}), key=("k",), partitions=16)
    frame = pl.DataFrame({"k": [f"thing-{number}" for number in range(50)]})
    broker = EmbeddedBroker(tmp_path)
    broker.create(spec)
    new = broker.append("readings", frame).result(timeout=30).partitions
    broker.close()
    file = tmp_path / "topics" / "readings" / "topic.json"
    body = b"\n".join(file.read_bytes().split(b"\n")[1:-1]).replace(b',\n "partitioner": "murmur2"', b"")
    assert b"partitioner" not in body
    file.write_bytes(b"%08x\n%s\n" % (checksum(body), body))
    for _ in range(2):  # what the first start writes is as good as what it found
        broker = EmbeddedBroker(tmp_path)
        broker.create(replace(spec, retention_age=None))
        old = broker.append("readings", frame).result(timeout=30).partitions
        broker.close()
        assert old.to_list() == partitions_of(frame, ["k"], 16).tolist() != new.to_list()


@pytest.mark.parametrize("way", ["murmur2", "fnv1a"])
def test_a_topic_whose_description_is_lost_keeps_its_partitions(
    way: Literal["murmur2", "fnv1a"], tmp_path: Path
) -> None:
    spec = TopicSpec("readings", pl.Schema({"k": pl.String(), "n": pl.Int64()}), key=("k",), partitions=4)
    frame = pl.DataFrame({"k": [f"thing-{number}" for number in range(50)], "n": range(50)})
    ids = pl.Series([str(number) for number in range(50)])
    broker = EmbeddedBroker(tmp_path)
    broker.create(replace(spec, partitioner=way))
    before = broker.append("readings", frame, ids=ids).result(timeout=30).partitions
    broker.close()
    (tmp_path / "topics" / "readings" / "topic.json").unlink()
    for _ in range(2):  # the second time it is described again
        broker = EmbeddedBroker(tmp_path)
        broker.create(spec)
        assert broker.topics()["readings"].partitioner == way
        assert broker.append("readings", frame).result(timeout=30).partitions.to_list() == before.to_list()
        broker.close()


def test_a_lost_description_is_not_made_up_otherwise(tmp_path: Path) -> None:
    spec = TopicSpec("readings", pl.Schema({"k": pl.String()}), key=("k",), partitions=4)
    broker = EmbeddedBroker(tmp_path)
    broker.create(spec)
    broker.append("readings", pl.DataFrame({"k": ["a", "b", "c"]})).result(timeout=30)
    broker.close()
    (tmp_path / "topics" / "readings" / "topic.json").unlink()
    broker = EmbeddedBroker(tmp_path)
    for wrong in (2, 5):
        with pytest.raises(DeclarationError, match=f"declared with {wrong} partitions, and its records are in 4"):
            broker.create(replace(spec, partitions=wrong))
    with pytest.raises(DeclarationError, match="another key"):
        broker.create(replace(spec, schema=pl.Schema({"other": pl.String()}), key=("other",)))
    broker.create(spec)
    assert sum(info.end for info in broker.partitions("readings")) == 3
    broker.close()
