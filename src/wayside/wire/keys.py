"""The key of a message: the identity of the thing that its record is about, and the partition that follows from it.

One text column: the text itself, as any other producer would write it. One column of another type: its JSON, without
quotes where that is text. Several columns: a JSON array of them. A missing identity is one zero byte, because a
message without a key would not be compacted. Never a time of the wall clock: unless the identity has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from wayside.wire.columns import to_wire, wire_type

NO_IDENTITY: Final = b"\x00"
_SEED: Final = np.uint32(0x9747B28C)
_FACTOR: Final = np.uint32(0x5BD1E995)

Partitions = np.ndarray[Any, np.dtype[np.int64]]


def message_keys(frame: pl.DataFrame, key: Sequence[str]) -> list[bytes] | None:
    """The key of each row, or null when the topic has no identity columns."""
    if not key:
        return None
    columns = [(name, frame.schema[name]) for name in key]
    stored = frame.select(_plain(to_wire(pl.col(name), dtype), wire_type(dtype)).alias(name) for name, dtype in columns)
    if len(key) == 1:
        only = stored.to_series()
        text = only if only.dtype == pl.String else stored.select(_json(key[0])).to_series().set(only.is_null(), None)
        keys: list[bytes] = text.cast(pl.Binary).fill_null(NO_IDENTITY).to_list()
        return keys
    parts = pl.concat_str([_json(name) for name in key], separator=",")
    whole = pl.concat_str([pl.lit("["), parts, pl.lit("]")])
    found: list[bytes] = stored.select(whole.cast(pl.Binary)).to_series().to_list()
    return found


def murmur2_partitions(keys: Sequence[bytes], count: int) -> Partitions:
    """The partition of each key as Kafka's own default partitioner (Java, aiokafka, Spark) chooses it: murmur2."""
    distinct = list(dict.fromkeys(keys))
    hashes = _murmur2(distinct) & np.uint32(0x7FFFFFFF)
    homes = dict(zip(distinct, (hashes % np.uint32(count)).tolist(), strict=True))
    return np.fromiter((homes[key] for key in keys), dtype=np.int64, count=len(keys))


def _murmur2(keys: Sequence[bytes]) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """MurmurHash2 of each key, 32 bits; keys of one length are hashed together."""
    out = np.zeros(len(keys), dtype=np.uint32)
    lengths = np.fromiter((len(key) for key in keys), dtype=np.int64, count=len(keys))
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        octets = np.frombuffer(b"".join(keys[row] for row in rows.tolist()), dtype=np.uint8).reshape(len(rows), length)
        out[rows] = _murmur2_of_one_length(octets)
    return out


def _murmur2_of_one_length(octets: Any) -> Any:
    rows, length = octets.shape
    whole = length // 4 * 4
    words = np.ascontiguousarray(octets[:, :whole]).view("<u4")
    hashes = np.full(rows, _SEED ^ np.uint32(length), dtype=np.uint32)
    for at in range(whole // 4):
        word = words[:, at] * _FACTOR
        word = (word ^ (word >> np.uint32(24))) * _FACTOR
        hashes = (hashes * _FACTOR) ^ word
    rest = length - whole
    if rest:
        for at in range(rest):
            hashes = hashes ^ (octets[:, whole + at].astype(np.uint32) << np.uint32(8 * at))
        hashes = hashes * _FACTOR
    hashes = (hashes ^ (hashes >> np.uint32(13))) * _FACTOR
    return hashes ^ (hashes >> np.uint32(15))


def _plain(column: pl.Expr, dtype: Any) -> pl.Expr:
    """Minus zero is zero, as an identity."""
    return pl.when(column == 0).then(0.0).otherwise(column) if dtype in (pl.Float32, pl.Float64) else column


def _json(name: str) -> pl.Expr:
    """The JSON text of one column: that of an object with it as its only value, without what is around the value."""
    text = pl.struct(pl.col(name).alias("k")).struct.json_encode()
    return text.str.slice(len('{"k":')).str.head(-1)
