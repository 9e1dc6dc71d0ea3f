"""What the value of a message is: JSON, or Avro in Confluent's wire format. Written as set, read whichever it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, Protocol

import polars as pl

from wayside.record import Record
from wayside.wire import avro, json
from wayside.wire.nodes import AvroError

Format = Literal["json", "avro"]


class Schemas(Protocol):
    """A schema registry; both methods may be called from any thread."""

    def register(self, subject: str, text: str) -> int:
        """The id of a schema, made the newest of its subject unless it is there. Raises WaysideError."""

    def schema(self, schema_id: int) -> str:
        """The text of a schema. Raises WaysideError."""


class Values:
    """Values of the topics in `records`; those of all other topics are JSON. `by_topic` goes before `format`."""

    def __init__(
        self,
        format: Format,
        records: Mapping[str, type[Record]],
        schemas: Schemas,
        by_topic: Mapping[str, Format] = MappingProxyType({}),
    ) -> None:
        self._writes = {topic for topic in records if by_topic.get(topic, format) == "avro"}
        self._records = records
        self._schemas = schemas
        self._texts: dict[str, str] = {}
        self._ids: dict[str, int] = {}

    def prepare(self, topic: str) -> None:
        """See to it that the topic's schema has an id; to be called before rows are queued. Raises WaysideError."""
        if topic in self._writes and topic not in self._ids:
            self._ids[topic] = self._schemas.register(f"{topic}-value", self._text(topic))

    def encode(self, topic: str, frame: pl.DataFrame) -> list[bytes]:
        """One value per row. Raises DeclarationError, AvroError."""
        if topic not in self._ids:
            return json.encode(frame)
        return avro.encode(frame, self._text(topic), self._ids[topic])

    def decode(self, topic: str, values: Sequence[bytes | None], schema: pl.Schema) -> json.Decoded:
        """The rows of these values in their order; what is neither a record in JSON nor in Avro is undecodable.

        Raises UnavailableError, OverloadedError when the registry is away: nothing is left out because of that.
        """
        framed = [number for number, value in enumerate(values) if avro.is_framed(value)]
        if not framed or topic not in self._records:
            return json.decode(values, schema)
        found = avro.decode(
            [values[number] for number in framed], self._records[topic], self._schemas.schema, self._text(topic)
        )
        refused = {framed[number] for number in found.refused}
        frame = found.frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
        places = [number for number in framed if number not in refused]
        others = sorted({*range(len(values))} - {*framed})
        if others:
            plain = json.decode([values[number] for number in others], schema)
            refused |= {others[number] for number in plain.undecodable}
            places += [number for number in others if number not in refused]
            order = pl.Series(places, dtype=pl.Int64).arg_sort()
            frame = pl.concat([frame, plain.frame])[order]
        return json.Decoded(frame, sorted(refused))

    def _text(self, topic: str) -> str:
        if topic not in self._texts:
            self._texts[topic] = avro.value_schema(self._records[topic])
        return self._texts[topic]


class NoSchemas:
    """A registry for those who have none: whoever asks is told so."""

    def register(self, subject: str, text: str) -> int:
        raise AvroError("Values in Avro need a schema registry.", where=subject)

    def schema(self, schema_id: int) -> str:
        raise AvroError(f"Schema {schema_id} not found.", why="No schema registry is set.")


PLAIN = Values("json", {}, NoSchemas())
"""JSON for all topics."""
