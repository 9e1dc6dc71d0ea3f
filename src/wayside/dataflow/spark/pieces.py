"""What a task of Spark hands back: tagged frames, each as the bytes of an Arrow stream in one row.

One schema of Spark rows carries partial aggregates, late rows, table rows and refused rows of any plan, so that no
column type has to exist in Spark's own type system. The order of pieces is that in which they were made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from wayside.dataflow.steps import packed, unpacked

SCHEMA = "kind string, name string, topic string, partition int, number int, content binary"
PARTIALS, LATE, TABLE, VERSIONS = "partials", "late", "table", "versions"
REFUSED, IDS, KEPT, PROGRESS = "refused", "ids", "kept", "progress"
SCHEMAS = "schemas"
MAX_ROWS = 200_000
"""Rows of one piece; a piece is one cell of a Spark row and must stay far below 2 GB."""


@dataclass(frozen=True)
class Piece:
    """Rows of one kind for one node of the plan, from one partition of a topic."""

    kind: str
    name: str
    topic: str
    partition: int
    number: int
    content: bytes

    @property
    def frame(self) -> pl.DataFrame:
        """The rows."""
        return unpacked(self.content)

    @property
    def facts(self) -> dict[str, Any]:
        """What a piece of the kind `progress` or `schemas` says."""
        found: dict[str, Any] = json.loads(self.content)
        return found


class Pieces:
    """Collects what one partition changes."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic, self.partition = topic, partition
        self.made: list[Piece] = []

    def rows(self, kind: str, name: str, frame: pl.DataFrame) -> None:
        """Add rows; many rows become several pieces."""
        for part in frame.iter_slices(MAX_ROWS):
            self.add(kind, name, packed(part))

    def facts(self, facts: Mapping[str, Any], kind: str = PROGRESS) -> None:
        """Add how far the partition has come, or what its task does not know."""
        self.add(kind, "", json.dumps(facts).encode())

    def add(self, kind: str, name: str, content: bytes) -> None:
        self.made.append(Piece(kind, name, self.topic, self.partition, len(self.made), content))


def arrow(pieces: Iterable[Piece]) -> Iterator[Any]:
    """Arrow batches of `SCHEMA`, one piece each."""
    import pyarrow as pa

    types = [pa.string(), pa.string(), pa.string(), pa.int32(), pa.int32(), pa.binary()]
    names = ["kind", "name", "topic", "partition", "number", "content"]
    for piece in pieces:
        columns = [pa.array([getattr(piece, name)], kind) for name, kind in zip(names, types, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, names=names)
