"""Consumer groups: which consumer reads which partition, from where, and what it has committed.

Consumers live in this process. Those of one group share the partitions of the topics that they subscribe to, and what
a group commits is kept by the log, under a name that no group of Wayside itself has.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl
import structlog

from wayside.clock import Clock
from wayside.errors import OverloadedError, WaysideError
from wayside.ports import Broker
from wayside.server.compat import RefusalError
from wayside.server.limits import Limits
from wayside.server.restproxy import refusals
from wayside.server.restproxy.formats import Format
from wayside.server.restproxy.targets import Targets
from wayside.values import Position

log = structlog.get_logger(__name__)
Pairs = Mapping[Position, int]


@dataclass(frozen=True)
class Config:
    """How a consumer was made. `reset` says where to start without a committed offset; `wait` is in seconds."""

    format: Format = "binary"
    reset: str = "latest"
    auto_commit: bool = True
    wait: float = 1.0
    least: int = 1


@dataclass(eq=False)
class Consumer:
    """One consumer. `positions` holds the next offset of each partition that it has read or was set to."""

    group: str
    id: str
    config: Config
    used: float
    topics: tuple[str, ...] | None = None
    pattern: str | None = None
    manual: bool = False
    assigned: list[Position] = field(default_factory=list)
    positions: dict[Position, int] = field(default_factory=dict)
    returned: dict[Position, int] = field(default_factory=dict)
    turn: int = 0
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def subscribes(self) -> bool:
        """Whether it reads what it subscribes to, and not what was assigned by hand."""
        return self.topics is not None or self.pattern is not None


class Groups:
    """All consumers of this process. May be used from any thread."""

    def __init__(self, broker: Broker, targets: Targets, clock: Clock, limits: Limits) -> None:
        self._broker = broker
        self._targets = targets
        self._clock = clock
        self._limits = limits
        self._lock = threading.RLock()
        self._consumers: dict[tuple[str, str], Consumer] = {}

    # -- coming and going ----------------------------------------------------------------------------------------------

    def create(self, group: str, name: str, config: Config) -> Consumer:
        """A new consumer. Raises RefusalError 40902, OverloadedError when there are too many."""
        with self._lock:
            self._sweep()
            if (group, name) in self._consumers:
                raise refusals.exists()
            if len(self._consumers) >= self._limits.consumers:
                raise OverloadedError(
                    "Too many consumers are open.",
                    why=f"At most {self._limits.consumers} are; they end by DELETE, or when nobody asks them.",
                    retry_after=5,
                )
            made = self._consumers[group, name] = Consumer(group, name, config, self._clock.monotonic())
            return made

    def find(self, group: str, name: str) -> Consumer:
        """A consumer, which counts as used by that. Raises RefusalError 40403."""
        with self._lock:
            self._sweep()
            found = self._consumers.get((group, name))
            if found is None:
                raise refusals.no_consumer()
            found.used = self._clock.monotonic()
            return found

    def end(self, consumer: Consumer) -> None:
        """Commit what it has returned, if it commits by itself, and forget it."""
        with self._lock:
            self._consumers.pop((consumer.group, consumer.id), None)
            self._let_go(consumer)
            self._share(consumer.group)

    def _sweep(self) -> None:
        """End the consumers that nobody has asked for too long."""
        before = self._clock.monotonic() - self._limits.consumer_seconds
        for consumer in [each for each in self._consumers.values() if each.used < before]:
            if not consumer.reading.locked():
                self.end(consumer)

    # -- who reads what ------------------------------------------------------------------------------------------------

    def subscribe(self, consumer: Consumer, topics: tuple[str, ...] | None, pattern: str | None) -> None:
        """Read topics together with the others of the group. Raises RefusalError 40903."""
        with self._lock:
            if consumer.manual:
                raise refusals.illegal("Subscription to topics, partitions and pattern are mutually exclusive")
            consumer.topics, consumer.pattern = topics, pattern
            self._share(consumer.group)

    def unsubscribe(self, consumer: Consumer) -> None:
        """Read nothing more."""
        with self._lock:
            consumer.topics = consumer.pattern = None
            consumer.manual = False
            self._give(consumer, [])
            self._share(consumer.group)

    def assign(self, consumer: Consumer, partitions: list[Position]) -> None:
        """Read these partitions, whoever else does. Raises RefusalError 40903."""
        with self._lock:
            if consumer.subscribes:
                raise refusals.illegal("Subscription to topics, partitions and pattern are mutually exclusive")
            consumer.manual = bool(partitions)
            self._give(consumer, partitions)

    def _share(self, group: str) -> None:
        """Divide the partitions of all subscribed topics among the group's consumers, the same way each time."""
        members = [each for key, each in sorted(self._consumers.items()) if key[0] == group and each.subscribes]
        wanted: dict[str, list[Consumer]] = {}
        for member in members:
            for topic in self.topics_of(member):
                wanted.setdefault(topic, []).append(member)
        shares: dict[str, list[Position]] = {member.id: [] for member in members}
        specs = self._broker.topics()
        for topic in sorted(wanted):
            for number in range(specs[self._targets.find(topic).topic].partitions):
                shares[wanted[topic][number % len(wanted[topic])].id].append((topic, number))
        # Who loses a partition commits first, so that the one who gets it goes on there.
        for member in members:
            kept = [place for place in member.assigned if place in shares[member.id]]
            if kept != member.assigned:
                self._give(member, kept)
        for member in members:
            self._give(member, shares[member.id])

    def topics_of(self, consumer: Consumer) -> Iterable[str]:
        """The topics that it subscribes to and that are there."""
        names = self._targets.names()
        if consumer.pattern is not None:
            texts = pl.Series(names, dtype=pl.String)
            return texts.filter(texts.str.contains(f"^(?:{consumer.pattern})$")).to_list()
        return [name for name in dict.fromkeys(consumer.topics or ()) if name in names]

    def _give(self, consumer: Consumer, places: list[Position]) -> None:
        """Let a consumer read exactly these partitions."""
        if places == consumer.assigned:
            return
        self._let_go(consumer)
        consumer.assigned = list(places)
        for held in (consumer.positions, consumer.returned):
            for place in [place for place in held if place not in places]:
                del held[place]

    def _let_go(self, consumer: Consumer) -> None:
        """Commit before others read on; what cannot be committed is read again by them."""
        try:
            self.auto_commit(consumer)
        except (WaysideError, RefusalError) as error:
            log.warning("what a consumer had read was not committed", group=consumer.group, why=str(error))

    # -- offsets -------------------------------------------------------------------------------------------------------

    def commit(self, consumer: Consumer, offsets: Pairs) -> None:
        """Keep the next offsets of the group. Raises RefusalError."""
        if offsets:
            self._broker.commit(log_group(consumer.group), {self.in_log(place): at for place, at in offsets.items()})

    def committed(self, consumer: Consumer, places: Iterable[Position]) -> dict[Position, int]:
        """The next offsets that the group has committed."""
        known = self._broker.committed(log_group(consumer.group))
        named = {place: self.in_log(place) for place in places}
        return {place: known[there] for place, there in named.items() if there in known}

    def auto_commit(self, consumer: Consumer) -> None:
        """Commit what was returned, for a consumer that commits by itself."""
        with self._lock:
            if consumer.config.auto_commit and consumer.returned:
                self.commit(consumer, consumer.returned)
                consumer.returned = {}

    def in_log(self, place: Position) -> Position:
        """The partition in the log, where a topic may have another name. Raises RefusalError 40401."""
        return self._targets.find(place[0]).topic, place[1]


def log_group(group: str) -> str:
    """The name of a client's group in the log."""
    return f"rest-{group}"
