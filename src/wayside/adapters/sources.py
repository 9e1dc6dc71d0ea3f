"""Where the records of a feed come from: declarations only; what runs them lies beside."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

from wayside.adapters.entities import Change
from wayside.adapters.reach import networks as ranges
from wayside.errors import DeclarationError

AS_FAST_AS_POSSIBLE: Literal["as fast as possible"] = "as fast as possible"
IDENTIFIER = re.compile(r"[^\W\d]\w{0,62}")
Speed = float | Literal["as fast as possible"]


@dataclass(frozen=True)
class HttpPush:
    """Clients post records. Every topic takes them at `/v1/topics/{topic}/records?feed=NAME`.

    With `path`, one message per request is also taken there, answered with `status` and an empty body once it is
    durable; a message that breaks a rule is answered 422, and a log that is down 503.
    """

    kind: ClassVar[str] = "push"
    path: str | None = None
    status: int = 202

    def __post_init__(self) -> None:
        if self.path is not None and (not self.path.startswith("/") or self.path.startswith("/v1/")):
            raise DeclarationError(
                f"Records cannot be pushed to {self.path!r}.",
                where="HttpPush(path=)",
                why="The path starts with / and leaves /v1 to Wayside.",
            )


@dataclass(frozen=True)
class Files:
    """Files that are replayed: NDJSON, CSV or Parquet, by the ending of their names; `.gz` and `.zst` too.

    `columns` maps names in the file to fields of the wire record; columns that it does not name keep theirs.
    `nulls` lists the texts that mean "no value" in a CSV file, `constants` the fields that the file does not hold.
    `glob` says which files of a folder belong to the feed. With `paths`, these are replayed when Wayside starts, as
    fast as possible or at `speed` times the pace of their event times; what was replayed before adds nothing.
    """

    kind: ClassVar[str] = "files"
    columns: Mapping[str, str] = field(default_factory=dict)
    nulls: Sequence[str] = ("",)
    constants: Mapping[str, str] = field(default_factory=dict)
    separator: str = ","
    encoding: str = "utf-8"
    glob: str = "*"
    paths: Sequence[str] = ()
    speed: Speed = AS_FAST_AS_POSSIBLE


class Simulation(Protocol):
    """A made-up world with a fixed number of things."""

    def things(self) -> list[dict[str, Any]]:
        """The things with their attributes, in order."""

    def messages(self, thing: int, at: datetime) -> Iterable[Mapping[str, Any] | bytes]:
        """What the thing of this number says at an instant; bytes go out as they are, broken or not."""


@dataclass(frozen=True)
class Simulator:
    """A generator that can be started and stopped. The same seed and instants give the same messages.

    `simulate` makes a world of a number of things. `things` and `rate` (messages per thing and second) hold where a
    start names neither. With `demo`, `wayside demo` starts it.
    """

    kind: ClassVar[str] = "simulator"
    simulate: Callable[[int, random.Random], Simulation]
    things: int = 10
    rate: float = 1.0
    seed: int = 50
    demo: bool = False

    def __post_init__(self) -> None:
        if self.things < 1 or not 0 < self.rate <= 1000:
            raise DeclarationError(
                "A simulator needs at least one thing, and a rate above 0 and up to 1000 messages per second.",
                where="Simulator",
                why=f"Got things={self.things}, rate={self.rate:g}.",
            )


@dataclass(frozen=True)
class Mqtt:
    """Messages of an MQTT 3.1.1 broker, one JSON object each.

    A message of QoS 1 or 2 is acknowledged to the broker only after it is durable here. `client` names the session
    that the broker keeps while we are away. `password` is given as `${env:NAME}` and resolved by the settings.
    """

    kind: ClassVar[str] = "mqtt"
    host: str
    topics: str | Sequence[str]
    port: int = 1883
    qos: Literal[0, 1, 2] = 1
    client: str = "wayside"
    username: str | None = None
    password: str | None = None
    keepalive: int = 30
    tls: bool = False


@dataclass(frozen=True)
class Polling:
    """A document at an address that is fetched every so many seconds, within limits.

    `read` turns its bytes into a `Change` with messages of the wire record, or raises UnusableBodyError; whatever else
    it raises means the same. With `identity`, the fields that tell things apart, a document that is a `reset` is a
    whole snapshot: things that it no longer holds leave as messages in which the field `removed` is true. Without it
    each message is passed on as it is. With `steady`, the event times of messages say only when the document was made:
    a thing of which nothing else has changed is as it was, and leaves no message.

    A document that says that it is older than `fresh` seconds is taken, and the source counts as stale all the same.
    `headers` may refer to secrets as `${env:NAME}`. `back_off` holds the shortest and longest wait after failures,
    `timeouts` the seconds to connect, without a byte, and in all; `largest` the bytes of a document. `networks` are
    address ranges (CIDR) into which the server may lead on, beside the internet.
    """

    kind: ClassVar[str] = "polling"
    url: str
    read: Callable[[bytes], Change]
    every: float = 15.0
    identity: Sequence[str] = ()
    removed: str = "removed"
    fresh: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    back_off: tuple[float, float] = (1.0, 300.0)
    timeouts: tuple[float, float, float] = (5.0, 15.0, 60.0)
    largest: int = 64 << 20
    networks: Sequence[str] = ()
    steady: bool = False

    def __post_init__(self) -> None:
        checked_url(self.url, "Polling")
        ranges(self.networks, where=self.url)
        if self.every <= 0:
            raise DeclarationError("A source cannot be polled every 0 seconds.", where=self.url, next="Give more.")


@dataclass(frozen=True)
class EventStream:
    """Server-sent events (`text/event-stream`) about things that come, change and go.

    `decode` turns an event's name and data into a `Change`, or null for one that says nothing; what it raises refuses
    that event only. After a lost connection the stream is resumed with `Last-Event-ID` where the server gave ids. A
    server that answers a resumption with a `reset` holds just what that says: everything else leaves. `networks` as
    for `Polling`.
    """

    kind: ClassVar[str] = "events"
    url: str
    decode: Callable[[str, str], Change | None]
    identity: Sequence[str]
    removed: str = "removed"
    headers: Mapping[str, str] = field(default_factory=dict)
    back_off: tuple[float, float] = (1.0, 300.0)
    silence: float = 90.0
    largest: int = 64 << 20
    networks: Sequence[str] = ()

    def __post_init__(self) -> None:
        checked_url(self.url, "EventStream")
        ranges(self.networks, where=self.url)


@dataclass(frozen=True)
class SqlTable:
    """A table or view of a SQL database that only grows, read from where the last reading ended.

    `url` is `sqlite:///file.db` (four slashes begin a path from the root) or `postgresql://user:${env:NAME}@host/name`,
    which needs the extra `postgres`. Rows are asked for in the order of the integer column `id`, `batch` at a time,
    every so many seconds; how far it has come is kept in the data folder. A row is taken once for each id: one that is
    changed under its id is not seen again. A row that becomes visible after one with a greater id, because its
    transaction took longer, is found as long as it is among the last `overlap` ids.

    `columns` maps columns of the table to fields of the wire record, `constants` gives fields that the table lacks.
    `back_off` holds the shortest and longest wait after failures.
    """

    kind: ClassVar[str] = "sql table"
    url: str
    table: str
    id: str = "id"
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    every: float = 60.0
    batch: int = 5_000
    overlap: int = 1_000
    back_off: tuple[float, float] = (1.0, 300.0)

    def __post_init__(self) -> None:
        if not self.url.startswith(("sqlite:///", "postgresql://", "postgres://")):
            raise DeclarationError(
                f"{self.url.partition(':')[0][:40]!r} is no kind of SQL database that can be read.",
                where="SqlTable(url=)",
                next="Write sqlite:///file.db or postgresql://user:${env:NAME}@host/name.",
            )
        for name in (*self.table.split("."), self.id):
            if not IDENTIFIER.fullmatch(name):
                raise DeclarationError(f"{name[:80]!r} is no name of a table or column.", where="SqlTable")
        if self.every <= 0 or self.batch < 1 or self.overlap < 0:
            raise DeclarationError(
                "A table is read every so many seconds, some rows at a time.",
                where=f"SqlTable({self.table!r})",
                why=f"Got every={self.every:g}, batch={self.batch}, overlap={self.overlap}.",
            )


def checked_url(url: str, what: str) -> None:
    """Refuse what is no web address. Raises DeclarationError."""
    if not url.startswith(("http://", "https://")):
        raise DeclarationError(
            f"{url[:80]!r} is no web address.", where=what, next="It begins with https:// or http://."
        )
