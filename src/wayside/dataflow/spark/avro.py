"""Avro in Spark's tasks: values in the wire format of a schema registry, with the verdicts of the door.

Tasks do not talk to the registry. One that meets an id whose schema it was not given hands back the id and nothing
else; the driver looks it up and lets the task run again. So a registry that is away fails the micro-batch, which is
tried again, and never makes a record unreadable; and workers need no way to the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from wayside.dataflow.refusing import raw_lines
from wayside.dataflow.spark.pieces import SCHEMAS, Piece
from wayside.errors import OverloadedError, UnavailableError, WaysideError
from wayside.record import Record
from wayside.record.judge import Decoded, validate
from wayside.values import Rejection
from wayside.wire import avro
from wayside.wire.nodes import AvroError

if TYPE_CHECKING:
    from wayside.dataflow.spark.worker import Job

NO_SCHEMAS: Mapping[int, str | None] = MappingProxyType({})
UNREADABLE = "avro.value"
"""The rule that a value breaks which no schema of the registry reads as a record of its topic."""


@dataclass(frozen=True)
class Read:
    """Decoded values by number, and refused rows as lines of JSON by number where they could be read at all."""

    decoded: Decoded
    raws: dict[int, bytes]


class AvroDecoder:
    """Decodes values of one record, by the texts of the schemas that their writers used."""

    def __init__(self, record: type[Record], schemas: Mapping[int, str | None]) -> None:
        self.record = record
        self.schemas = schemas
        self.wanted: str | None = None

    def unknown(self, values: Sequence[bytes | None]) -> set[int]:
        """Ids that the values name and nobody has looked up."""
        heads = {value[: avro.HEADER.size] for value in values if value is not None and avro.is_framed(value)}
        found = {avro.HEADER.unpack(head)[1] for head in heads if len(head) == avro.HEADER.size}
        return found - self.schemas.keys()

    def decode(self, values: Sequence[bytes], limit: datetime) -> Read:
        """Judge values; event times are bounded by `limit`."""
        if self.wanted is None:
            self.wanted = avro.value_schema(self.record)
        found = avro.decode(values, self.record, self.text, self.wanted)
        numbers = np.delete(np.arange(len(values), dtype=np.uint32), list(found.refused))
        judged = validate(self.record, found.frame, pl.Series("row", numbers), limit)
        broken = [rejection.row for rejection in judged.rejections]
        lines = raw_lines(found.frame[np.searchsorted(numbers, broken)]) if broken else []
        unread = [Rejection(row, UNREADABLE, why) for row, why in found.refused.items()]
        rejections = sorted(judged.rejections + unread, key=lambda rejection: rejection.row)
        return Read(Decoded(judged.frame, judged.rows, rejections), dict(zip(broken, lines, strict=True)))

    def text(self, schema_id: int) -> str:
        """The text of a schema. Raises AvroError."""
        text = self.schemas.get(schema_id)
        if text is None:
            raise AvroError(f"Schema {schema_id} not found.")
        return text


class Schemas:
    """The driver's side: what the registry has said, and jobs that run again once it has been asked."""

    def __init__(self, schema_of: Callable[[int], str]) -> None:
        self.schema_of = schema_of
        self.texts: dict[int, str] = {}

    def complete(self, job: Job, run: Callable[[Job], list[Piece]]) -> list[Piece]:
        """Run a job with all schemas that its messages name. Raises UnavailableError, OverloadedError."""
        pieces = run(replace(job, schemas=dict(self.texts)))
        unknown = {number for piece in pieces if piece.kind == SCHEMAS for number in piece.facts["ids"]}
        if not unknown:
            return pieces
        absent: dict[int, None] = {}
        for number in sorted(unknown):
            try:
                self.texts[number] = self.schema_of(number)
            except (UnavailableError, OverloadedError):
                raise
            except WaysideError:  # not remembered: it may be registered later, for messages that are yet to come
                absent[number] = None
        return run(replace(job, schemas={**self.texts, **absent}))


def no_registry(schema_id: int) -> str:
    """What is said where no registry is known. Raises AvroError."""
    raise AvroError(f"Schema {schema_id} not found.", why="No schema registry is set.")


def renumbered(decoded: Decoded, numbers: Sequence[int]) -> Decoded:
    """Rows and rejections under other numbers, given in order."""
    places = np.asarray(numbers, dtype=np.uint32)
    rows = pl.Series("row", places[decoded.rows.to_numpy()], dtype=pl.UInt32)
    rejections = [Rejection(int(places[r.row]), r.rule, r.message) for r in decoded.rejections]
    return Decoded(decoded.frame, rows, rejections)
