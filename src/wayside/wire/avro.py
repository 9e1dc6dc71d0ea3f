"""Records as Avro: the schema that follows from a Record, and rows as bytes in Confluent's wire format.

A value is one zero byte, the schema's id in four bytes (big-endian), and the Avro encoding. Times are
`timestamp-micros`, an optional field is a union with null whose default is null, a Literal whose choices are names
is an enum, and a unit is the property `unit` of its field.
"""

from __future__ import annotations

import functools
import io
import json
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import polars as pl

from wayside.errors import OverloadedError, UnavailableError, WaysideError
from wayside.record import Record
from wayside.record.fields import FieldSpec
from wayside.specs import TIME
from wayside.wire.canonical import canonical
from wayside.wire.nodes import AvroError, Node, parse

MAGIC: Final = 0
HEADER: Final = struct.Struct(">bI")
TYPES: Final[dict[str, Any]] = {
    "str": "string",
    "int": "long",
    "float": "double",
    "bool": "boolean",
    "time": {"type": "long", "logicalType": "timestamp-micros"},
}
FINER: Final = {"timestamp-millis": 1000, "timestamp-micros": 1}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Decoded(NamedTuple):
    """Rows in the order of their values; the values that could not be read are given by number, with the reason."""

    frame: pl.DataFrame
    refused: dict[int, str]


# -- schemas -----------------------------------------------------------------------------------------------------------


def value_schema(record: type[Record]) -> str:
    """The Avro schema of a record's rows, in canonical form. Raises AvroError for names that Avro cannot hold."""
    return canonical(parse(json.dumps(written(record, record.__name__, tuple(record.fields)))))


def key_schema(record: type[Record]) -> str | None:
    """The Avro schema of a record's key: the plain type of a single column, else a record. Null without a key."""
    if not record.key:
        return None
    if len(record.key) == 1:
        kind = record.fields[record.key[0]].kind
        return canonical(parse(json.dumps(TYPES[kind])))
    return canonical(parse(json.dumps(written(record, f"{record.__name__}Key", record.key))))


def written(record: type[Record], name: str, columns: Sequence[str]) -> dict[str, Any]:
    """A record's schema as JSON, with some of its columns."""
    return {
        "type": "record",
        "name": name,
        "namespace": namespace(record),
        "doc": (record.__doc__ or "").strip(),
        "fields": [one_field(record.fields[column], name) for column in columns],
    }


def namespace(record: type[Record]) -> str:
    """The package in which the record is declared."""
    package = record.__module__.rpartition(".")[0] or record.__module__
    parts = [re.sub(r"\W", "_", part, flags=re.ASCII) for part in package.split(".")]
    return ".".join(f"_{part}" if part[:1].isdigit() else part for part in parts)


def one_field(spec: FieldSpec, owner: str) -> dict[str, Any]:
    """A field's schema."""
    kind: Any = TYPES[spec.kind]
    if spec.choices and all(_NAME.fullmatch(choice) for choice in spec.choices):
        kind = {"type": "enum", "name": f"{owner}_{spec.name}", "symbols": list(dict.fromkeys(spec.choices))}
    made: dict[str, Any] = {"name": spec.name, "type": ["null", kind] if spec.optional else kind}
    if spec.doc:
        made["doc"] = spec.doc
    if spec.optional:
        made["default"] = None
    if spec.unit:
        made["unit"] = spec.unit
    return made


# -- wire format -------------------------------------------------------------------------------------------------------


def framed(schema_id: int, body: bytes) -> bytes:
    """A message of the wire format."""
    return HEADER.pack(MAGIC, schema_id) + body


def unframed(message: bytes) -> tuple[int, bytes]:
    """The schema's id and the Avro encoding. Raises AvroError."""
    if len(message) < HEADER.size or message[0] != MAGIC:
        raise AvroError(
            "The message is not in the wire format of a schema registry.",
            why=f"Required: a zero byte and four bytes of id; it begins with {message[:5].hex() or 'nothing'}.",
        )
    return HEADER.unpack_from(message)[1], message[HEADER.size :]


def is_framed(message: bytes | None) -> bool:
    """Whether a value claims to be in the wire format; no JSON begins like that."""
    return message is not None and message[:1] == b"\x00"


@functools.lru_cache(maxsize=128)
def physical(text: str) -> Any:
    """The schema for the encoder, without logical types: the encoding is the same, and integers stay exact."""
    import fastavro

    return fastavro.parse_schema(json.loads(text, object_hook=_bare), _write_hint=False)


def _bare(value: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if name not in ("logicalType", "precision", "scale")}


def write(text: str, value: Any) -> bytes:
    """The Avro encoding of one value of Python. Raises AvroError when it does not fit the schema."""
    import fastavro

    out = io.BytesIO()
    try:
        fastavro.schemaless_writer(out, physical(text), value, strict_allow_default=True)
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError, struct.error) as error:
        raise AvroError(f"The value does not fit the schema: {error}.") from error
    return out.getvalue()


def read(body: bytes, text: str, wanted: str | None = None, *, tagged: bool = False) -> Any:
    """The value of an encoding that was written with the schema `text`, as the schema `wanted` sees it.

    With `tagged`, what stands in a union of several named types says which it is. Raises AvroError.
    """
    import fastavro

    source = io.BytesIO(body)
    reader = physical(wanted) if wanted is not None and wanted != text else None
    try:
        value = fastavro.schemaless_reader(source, physical(text), reader, return_record_name=tagged)
    except Exception as error:  # the decoder raises many kinds for broken bytes
        raise AvroError(f"The bytes are not a value of their schema: {type(error).__name__} {error}.") from error
    if source.tell() != len(body):
        raise AvroError(f"{len(body) - source.tell()} bytes are left over behind the value.")
    return value


# -- rows --------------------------------------------------------------------------------------------------------------


def encode(frame: pl.DataFrame, text: str, schema_id: int) -> list[bytes]:
    """Rows of a record as messages. Raises AvroError when a value does not fit."""
    import fastavro

    schema, head = physical(text), HEADER.pack(MAGIC, schema_id)
    messages = []
    out = io.BytesIO()
    for row in plain_times(frame).iter_rows(named=True):
        out.seek(0)
        out.truncate()
        out.write(head)
        try:
            fastavro.schemaless_writer(out, schema, row)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise AvroError(f"A row does not fit its schema: {error}.") from error
        messages.append(out.getvalue())
    return messages


def decode(
    messages: Sequence[bytes | None], record: type[Record], schema_of: Callable[[int], str], wanted: str | None = None
) -> Decoded:
    """Messages as rows of a record, by Avro's resolution from each message's own schema to the record's.

    `schema_of` gives the text of a schema by its id, and raises WaysideError for one that does not exist. When it
    cannot say so, because the registry is away, its UnavailableError or OverloadedError is raised: that is no verdict.
    """
    wanted = wanted if wanted is not None else value_schema(record)
    rows: list[Any] = []
    refused: dict[int, str] = {}
    for number, message in enumerate(messages):
        try:
            schema_id, body = unframed(message or b"")
            text = schema_of(schema_id)
            row = read(body, text, wanted)
            for name, factor in coarse_times(text):
                if row.get(name) is not None:
                    row[name] *= factor
            rows.append(row)
        except (UnavailableError, OverloadedError):
            raise
        except WaysideError as error:
            refused[number] = error.what
    schema = {name: pl.Int64() if dtype == TIME else dtype for name, dtype in record.schema().items()}
    frame = pl.DataFrame(rows, schema=schema, orient="row", strict=True)
    return Decoded(frame.with_columns(pl.col(name).cast(dtype) for name, dtype in record.schema().items()), refused)


def plain_times(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as microseconds since 1970, as the encoding has them."""
    return frame.with_columns(
        pl.col(name).cast(TIME).to_physical() for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)
    )


@functools.lru_cache(maxsize=128)
def coarse_times(text: str) -> list[tuple[str, int]]:
    """Fields of a schema that hold milliseconds, which Avro's resolution does not turn into microseconds."""
    node = parse(text)
    found = []
    for each in node.fields:
        kinds: list[Node] = each.type.branches or [each.type]
        factor = max((FINER.get(kind.logical, 1) for kind in kinds), default=1)
        if factor > 1:
            found.append((each.name, factor))
    return found
