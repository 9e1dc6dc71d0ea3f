"""Small logs for the tests of this folder, and a way to look into their files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl

from tests.contracts.broker.rows import NOON, SPEC, everything, put, rows
from wayside.broker import EmbeddedBroker
from wayside.broker.entry import Header
from wayside.broker.scan import Walk
from wayside.clock import ManualClock
from wayside.files import REAL, FileSystem

__all__ = ["NOON", "SPEC", "Path", "entries", "everything", "minute", "opened", "partition", "put", "rows", "segments"]


def opened(
    folder: Path, clock: ManualClock | None = None, *, files: FileSystem = REAL, segment_bytes: int = 4096
) -> EmbeddedBroker:
    """A broker with small segments that starts at noon."""
    return EmbeddedBroker(folder, clock=clock or ManualClock(NOON), files=files, segment_bytes=segment_bytes)


def partition(folder: Path, topic: str = "readings", number: int = 0) -> Path:
    """Where a partition lies."""
    return folder / "topics" / topic / str(number)


def segments(folder: Path, topic: str = "readings") -> list[str]:
    """Names of the segment files of partition 0."""
    return sorted(path.name for path in partition(folder, topic).glob("*.log"))


def entries(path: Path) -> list[tuple[int, Header, bool]]:
    """Position and header of each entry of a file, and whether its payload is whole."""
    file = REAL.open(path)
    found = list(Walk(file, 0, file.size()).entries())
    file.close()
    return [(one.position, one.header, one.payload is not None) for one in found if one.header is not None]


def minute(number: float) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=number)


def frame_of(values: list[int]) -> pl.DataFrame:
    """Rows with these values."""
    return pl.concat([rows(value, 1) for value in values])
