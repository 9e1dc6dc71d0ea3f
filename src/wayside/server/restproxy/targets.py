"""Which topics the REST Proxy knows: those that domains declare, and plain ones whose messages are bytes.

A name is a declared topic's own, or the one that a push feed declares with a path below `/topics/`: what is produced
there is that feed's message, parsed and judged by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from wayside.domain.feeds import Feed
from wayside.ports import Intake
from wayside.record import Record
from wayside.server.compat import RefusalError
from wayside.server.ingest import PROXY
from wayside.server.restproxy import refusals
from wayside.server.services import Services
from wayside.specs import TopicSpec

PLAIN = pl.Schema({"key": pl.Binary(), "value": pl.Binary()})
LONGEST_NAME = 249
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@dataclass(frozen=True)
class Target:
    """One topic under the name that the client uses. `record` and `intake` are null for one of plain messages.

    `wire` is what a produced message must be; it is the record itself unless a feed parses another.
    """

    name: str
    spec: TopicSpec
    record: type[Record] | None = None
    wire: type[Record] | None = None
    intake: Intake | None = None

    @property
    def row_each(self) -> bool:
        """Whether each message that is accepted becomes exactly one row: no feed parses it."""
        return self.name == self.topic and self.wire is self.record

    @property
    def topic(self) -> str:
        """The topic in the log."""
        return self.spec.name


class Targets:
    """Finds topics by name."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.feeds = proxied(services)

    def names(self) -> list[str]:
        """All of them, in order."""
        found = {*self.services.plan.topics, *self.feeds}
        found.update(name for name, spec in self.services.broker.topics().items() if self.is_plain(name, spec))
        return sorted(found)

    def find(self, name: str) -> Target:
        """The topic of a name. Raises RefusalError 40401."""
        plan, intakes, topics = self.services.plan, self.services.intakes, self.services.broker.topics()
        feed = self.feeds.get(name)
        if feed is not None and feed.topic in topics:
            return Target(name, topics[feed.topic], feed.record, feed.wire, intakes[feed.name])
        if name in plan.topics and name in topics:
            record = plan.topics[name].record
            return Target(name, topics[name], record, record, intakes[name])
        if name in topics and self.is_plain(name, topics[name]):
            return Target(name, topics[name])
        raise refusals.no_topic()

    def is_plain(self, name: str, spec: TopicSpec) -> bool:
        """Whether a topic that nobody declares is one of plain messages; those of our own are not shown."""
        return name not in self.services.plan.topics and not name.startswith("_") and spec.schema == PLAIN

    def find_or_create(self, name: str) -> Target:
        """The topic of a name, created if that is allowed. Raises RefusalError 40401."""
        try:
            return self.find(name)
        except RefusalError:
            if not self.services.create_topics or not creatable(name):
                raise
        self.services.broker.create(TopicSpec(name, PLAIN, key=("key",), retention_age=timedelta(days=7)))
        return self.find(name)


def creatable(name: str) -> bool:
    """Whether a topic may have this name: Kafka's letters, and no underscore at first, as our own have."""
    return 0 < len(name) <= LONGEST_NAME and set(name) <= LETTERS and name not in (".", "..") and name[0] != "_"


def proxied(services: Services) -> dict[str, Feed]:
    """Push feeds with a path below `/topics/`, by the rest of it."""
    found = {}
    for feed in services.plan.feeds.values():
        path = getattr(feed.source, "path", None)
        if feed.source.kind == "push" and isinstance(path, str) and path.startswith(PROXY):
            found[path.removeprefix(PROXY)] = feed
    return found
