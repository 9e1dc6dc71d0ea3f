"""A frame as one checked blob: Arrow IPC with zstd. Measured against lz4: a third of the bytes for a third more time,
and bytes are what a commit waits for."""

from __future__ import annotations

import io

import google_crc32c
import polars as pl

from wayside import metrics
from wayside.errors import CorruptDataError


def encode(rows: pl.DataFrame) -> bytes:
    """The frame as an Arrow IPC stream."""
    target = io.BytesIO()
    rows.rechunk().write_ipc_stream(target, compression="zstd")
    return target.getvalue()


def decode(body: bytes, crc: int, *, where: str) -> pl.DataFrame:
    """The inverse of `encode`; raises CorruptDataError when the checksum or the stream is wrong."""
    if checksum(body) != crc:
        metrics.damaged("hot")
        raise CorruptDataError(
            "A stored block fails its checksum.",
            where=where,
            why=f"Its {len(body)} bytes have the CRC32C {checksum(body):08x}; {crc:08x} was stored with them.",
        )
    return pl.read_ipc_stream(io.BytesIO(body))


def released(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows in memory of their own.

    A filtered frame keeps the text of everything it was filtered from (measured: 1.4 GB under 29 MB of rows), and
    `rechunk` does not change that for a single chunk; taking the rows one by one does.
    """
    return rows.select(pl.all().gather(pl.int_range(pl.len())))


def checksum(body: bytes) -> int:
    """CRC32C of some bytes."""
    return int(google_crc32c.value(body))
