"""Embedded formats: how keys and values stand in the bodies of the REST Proxy, and what they are in the log.

A message of a declared topic is a row of its record: in JSON an object, in binary the bytes of that object, in Avro a
value of the topic's schema. Its key is that of the record: one column as it is, several as an array (in Avro: a
record). A message of a plain topic is bytes, and each format is a way to write or read them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import orjson
import polars as pl
from starlette.requests import Request

from wayside.record import Record
from wayside.server.compat import RefusalError, content_type
from wayside.server.restproxy import refusals
from wayside.wire import avro, json
from wayside.wire.avrojson import to_json
from wayside.wire.keys import message_keys
from wayside.wire.nodes import AvroError, parse

Format = Literal["binary", "json", "avro"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPE = "application/vnd.kafka.v2+json"
UNSPECIFIC = (MEDIA_TYPE, "application/vnd.kafka+json", "application/json", "application/octet-stream")
SchemaOf = Callable[[int], str]


def media(format: Format) -> str:
    """The media type of bodies with embedded messages."""
    return f"application/vnd.kafka.{format}.v2+json"


BY_MEDIA: dict[str, Format] = {media(format): format for format in FORMATS}
TAKEN = (*UNSPECIFIC, *BY_MEDIA)


def produced(request: Request) -> Format:
    """The format of a body; where it is not said, binary. Raises RefusalError 415."""
    kind = content_type(request)
    if kind in BY_MEDIA:
        return BY_MEDIA[kind]
    if kind in UNSPECIFIC:
        return "binary"
    raise RefusalError(415, "HTTP 415 Unsupported Media Type")


def check_accept(request: Request, format: Format) -> None:
    """Raise RefusalError 40601 when the client wants another format than its consumer has."""
    wanted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    named = [BY_MEDIA[kind] for kind in wanted if kind in BY_MEDIA]
    if named and format not in named:
        raise refusals.other_format()


# -- rows of declared topics -------------------------------------------------------------------------------------------


def declared_rows(frame: pl.DataFrame, record: type[Record], format: Format) -> list[tuple[Any, Any]]:
    """Key and value of each row, as JSON."""
    if format == "avro":
        return avro_rows(frame, record)
    values = json.encode(frame)
    keys: Sequence[bytes | None] = message_keys(frame, record.key) or [None] * frame.height
    if format == "binary":
        return list(zip(map(coded, keys), map(coded, values), strict=True))
    text = len(record.key) == 1 and record.fields[record.key[0]].kind == "str"
    shown = [None if key is None else key.decode() if text else orjson.Fragment(key) for key in keys]
    return list(zip(shown, map(orjson.Fragment, values), strict=True))


def avro_rows(frame: pl.DataFrame, record: type[Record]) -> list[tuple[Any, Any]]:
    """Key and value of each row in Avro's JSON."""
    value_node = parse(avro.value_schema(record))
    text = avro.key_schema(record)
    key_node = None if text is None else parse(text)
    found = []
    for row in avro.plain_times(frame).iter_rows(named=True):
        key: Any = None
        if key_node is not None:
            key = to_json(key_node, row[record.key[0]] if len(record.key) == 1 else row)
        found.append((key, to_json(value_node, row)))
    return found


# -- messages of plain topics ------------------------------------------------------------------------------------------


def plain_messages(frame: pl.DataFrame, format: Format, schema_of: SchemaOf) -> list[tuple[Any, Any]]:
    """Key and value of each message. Raises RefusalError 50002 where the bytes are none of this format."""

    def shown(data: bytes | None) -> Any:
        if format == "avro":
            return as_avro(data, schema_of)
        return coded(data) if format == "binary" else as_json(data)

    return [(shown(key), shown(value)) for key, value in frame.select("key", "value").iter_rows()]


def as_json(data: bytes | None) -> Any:
    """Bytes that are JSON."""
    if data is None:
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise refusals.kafka_error("Error deserializing json message: the bytes are no JSON.") from error


def as_avro(data: bytes | None, schema_of: SchemaOf) -> Any:
    """Bytes in the wire format of the registry."""
    if data is None:
        return None
    try:
        schema_id, body = avro.unframed(data)
        text = schema_of(schema_id)
        return to_json(parse(text), avro.read(body, text, tagged=True))
    except AvroError as error:
        raise refusals.kafka_error(f"Error deserializing Avro message: {error.what}") from error


def coded(data: bytes | None) -> str | None:
    """Bytes as base64."""
    return None if data is None else base64.b64encode(data).decode()


def uncoded(text: Any, what: str) -> bytes | None:
    """Base64 as bytes. Raises RefusalError 422."""
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise refusals.invalid(f"The {what} of a binary record is a text in base64.") from error
