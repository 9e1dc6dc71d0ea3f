"""The schemas of a request in Avro: given as text or by id, registered under the topic's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wayside.server.compat import RefusalError
from wayside.server.registry import rules
from wayside.server.registry.store import SchemaStore
from wayside.server.restproxy import refusals
from wayside.wire.avrojson import from_json
from wayside.wire.nodes import AvroError, Node


@dataclass(frozen=True)
class Known:
    """A schema with its id."""

    id: int
    text: str
    node: Node

    def value(self, given: Any) -> Any:
        """The value for the encoder. Raises RefusalError 42203 with the place."""
        try:
            return from_json(self.node, given)
        except AvroError as error:
            raise refusals.no_conversion(f"{error.what} At {error.where}." if error.where else error.what) from error


def schema_of(store: SchemaStore, schema_id: int) -> str:
    """The text of a schema by its id. Raises AvroError."""
    text = store.read(lambda state: state.texts.get(schema_id))
    if text is None:
        raise AvroError(f"Schema {schema_id} not found.")
    return text


def given_schema(store: SchemaStore, body: dict[str, Any], part: str, topic: str) -> Known | None:
    """The schema that a request gives for its keys or values; null without one.

    Raises RefusalError: 42205 for what is no schema, 40801 for one that the registry does not take or have.
    """
    text, number = body.get(f"{part}_schema"), body.get(f"{part}_schema_id")
    if number is not None:
        if not isinstance(number, int) or isinstance(number, bool):
            raise refusals.invalid(f"{part}_schema_id is a number.")
        try:
            found = schema_of(store, number)
        except AvroError as error:
            raise refusals.schema_failed(error.what) from error
        return Known(number, found, rules.node_of(found))
    if text is None:
        return None
    if not isinstance(text, str):
        raise refusals.invalid_schema(f"{part}_schema is a text.")
    try:
        text = rules.schema_text(text)
    except RefusalError as error:
        raise refusals.invalid_schema(error.message.removeprefix("Invalid schema: ")) from error
    try:
        registered = store.change(rules.register(f"{topic}-{part}", text))
    except RefusalError as error:
        raise refusals.schema_failed(error.message) from error
    return Known(registered.id, text, rules.node_of(text))
