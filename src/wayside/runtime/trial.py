"""A domain run in memory, at once and to the end: for tests, tutorials and notebooks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from wayside.adapters.intake import FeedIntake
from wayside.broker import MemoryBroker
from wayside.clock import SYSTEM, Clock
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Domain
from wayside.errors import NotFoundError
from wayside.hot.memory import MemoryStore
from wayside.quarantine import QUARANTINE, SPEC
from wayside.runtime.chosen import plain_feed, plan_of
from wayside.values import Receipt

Message = Mapping[str, Any] | bytes
EVER = (datetime.fromisoformat("0001-01-02T00:00:00+00:00"), datetime.fromisoformat("9999-12-30T00:00:00+00:00"))


class Trial:
    """Everything that `wayside up` runs for a domain, without files, threads of its own or a server.

        trial = Trial(domain)
        trial.push("my_feed", [{"station": "north", ...}])
        trial.finish()
        trial.windows("my_rollup")

    Event times more than a day ahead of `clock` are refused, as they are in earnest.
    """

    def __init__(self, *domains: Domain, clock: Clock | None = None) -> None:
        self.clock = clock or SYSTEM
        self.plan = plan_of(domains)
        self.broker = MemoryBroker(clock=self.clock)
        for topic in self.plan.topics.values():
            self.broker.create(topic.spec)
        self.broker.create(SPEC)
        self.store = MemoryStore(clock=self.clock)
        self.store.ensure(
            [table.spec for table in self.plan.tables.values()], [window.spec for window in self.plan.windows.values()]
        )
        self.engine = EmbeddedEngine(self.plan, self.broker, self.store, clock=self.clock)
        feeds = {name: plain_feed(topic) for name, topic in self.plan.topics.items()} | self.plan.feeds
        self.intakes = {name: FeedIntake(feed, self.broker, clock=self.clock) for name, feed in feeds.items()}

    def push(self, feed: str, messages: Iterable[Message]) -> Receipt:
        """Hand messages to a feed (or to a topic, under its name) and run the plan over them."""
        intake = self.intakes.get(feed)
        if intake is None:
            raise NotFoundError(f"No feed is named {feed!r}.", why=f"Feeds: {', '.join(self.intakes)}.")
        lines = [message if isinstance(message, bytes) else json.dumps(message).encode() for message in messages]
        receipt = intake.submit(lines).result()
        self.engine.drain()
        return receipt

    def finish(self) -> None:
        """Say that nothing more will come: every open window closes."""
        self.engine.drain()
        self.engine.finish()

    def table(self, name: str) -> pl.DataFrame:
        """Live rows of a table, in key order."""
        return self.store.table(name, limit=1_000_000)

    def windows(self, name: str) -> pl.DataFrame:
        """Closed windows with their declared outputs, in order of start and key."""
        spec = self.plan.windows[name].spec
        found = self.store.windows(name, *EVER)
        return found.select("window_start", "window_end", *spec.by, *spec.outputs())

    def late(self, name: str) -> pl.DataFrame:
        """Records that came after their window had closed."""
        return self.store.late(name)

    def quarantine(self) -> pl.DataFrame:
        """Rejected records with their bytes and the rule that they broke."""
        batch = self.broker.read(QUARANTINE, 0, 0)
        return pl.DataFrame(schema=SPEC.schema) if batch is None else batch.frame
