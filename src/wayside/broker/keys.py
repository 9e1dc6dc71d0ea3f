"""The text of a key, and the partition that topics of older data folders have for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

_BASIS: Final = np.uint64(0xCBF29CE484222325)
_PRIME: Final = np.uint64(0x100000001B3)
_LONGEST: Final = 64

Partitions = np.ndarray[Any, np.dtype[np.int64]]


def partitions_of(frame: pl.DataFrame, key: Sequence[str], count: int) -> Partitions:
    """The partition of each row under `fnv1a`: FNV-1a over the UTF-8 text of the key, and not that of Kafka's clients.

    A topic that began with it goes on with it: the records of a thing must stay together.
    """
    hashes = text_hashes(key_text(frame, key))
    # FNV's low bits follow those of the last character, so they are mixed once more (as MurmurHash3 ends).
    for factor in (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)):
        hashes = (hashes ^ (hashes >> np.uint64(33))) * factor
    return ((hashes ^ (hashes >> np.uint64(33))) % np.uint64(count)).astype(np.int64)


def key_text(frame: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """The key as one text per row; times and numbers by their stored value, null as a text of its own."""
    parts = [_text(frame.get_column(name)).fill_null("\x00") for name in key]
    if len(parts) == 1:
        return parts[0]
    named = [part.alias(str(number)) for number, part in enumerate(parts)]
    return pl.DataFrame(named).select(pl.concat_str(pl.all(), separator="\x1f")).to_series()


def text_hashes(text: pl.Series) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """64-bit FNV-1a of each text; a text of more than 64 bytes stands for its BLAKE2b digest of 16."""
    lengths = text.str.len_bytes().to_numpy()
    if len(lengths) and lengths.max() > _LONGEST:
        short = [value if len(value.encode()) <= _LONGEST else _digest(value) for value in text.to_list()]
        text = pl.Series(short, dtype=pl.String)
        lengths = text.str.len_bytes().to_numpy()
    array = text.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array)]
    octets = np.frombuffer(data or b"", dtype=np.uint8)
    hashes = np.full(len(text), _BASIS, dtype=np.uint64)
    for at in range(int(lengths.max()) if len(lengths) else 0):
        rows = np.flatnonzero(lengths > at)
        hashes[rows] = (hashes[rows] ^ octets[starts[rows] + at]) * _PRIME
    return hashes


def _digest(value: str) -> str:
    return hashlib.blake2b(value.encode(), digest_size=16).hexdigest()


def _text(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if dtype == pl.String:
        return column
    if dtype.is_temporal():
        return column.to_physical().cast(pl.String)
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if dtype.is_float():
        values = column.cast(pl.Float64).to_numpy()
        bits = np.where(values == 0, 0.0, np.where(np.isnan(values), np.nan, values)).view(np.int64)
        return pl.Series(bits).cast(pl.String).set(column.is_null(), None)
    return column.cast(pl.String)
