"""The registry behind the values of Kafka's messages: our own, which lives in the same log, or somebody else's."""

from __future__ import annotations

from wayside.broker.kafka.values import Schemas
from wayside.clock import Clock
from wayside.errors import WaysideError
from wayside.ports import Broker
from wayside.server.compat import RefusalError
from wayside.server.registry import rules
from wayside.server.registry.store import SchemaStore
from wayside.wire.nodes import AvroError
from wayside.wire.registry import Absent, RegistryClient


class OwnSchemas:
    """The registry that every server of this installation serves."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._store = SchemaStore(broker, clock)
        self._texts: dict[int, str] = {}
        self._absent = Absent(clock)

    def register(self, subject: str, text: str) -> int:
        """See `Schemas.register`."""
        try:
            return int(self._store.change(rules.register(subject, text)).id)
        except RefusalError as error:
            raise WaysideError(
                f"The schema of {subject} was refused.",
                where=subject,
                why=error.message,
                next="Give new fields a default (`| None`), or lower the subject's compatibility.",
            ) from error

    def schema(self, schema_id: int) -> str:
        """See `Schemas.schema`."""
        if schema_id not in self._texts:
            self._texts[schema_id] = self._absent.ask(schema_id, lambda: self._text(schema_id))
        return self._texts[schema_id]

    def _text(self, schema_id: int) -> str:
        text = self._store.read(lambda state: state.texts.get(schema_id))
        if text is None:
            raise AvroError(f"Schema {schema_id} not found.")
        return text


def schemas_of(url: str, broker: Broker, clock: Clock) -> Schemas:
    """The registry at `url`, or our own."""
    return RegistryClient(url, clock=clock) if url else OwnSchemas(broker, clock)
