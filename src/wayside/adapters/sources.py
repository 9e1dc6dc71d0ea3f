"""Where the records of a feed come from: declarations only; what runs them lies beside."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

from wayside.errors import DeclarationError

AS_FAST_AS_POSSIBLE: Literal["as fast as possible"] = "as fast as possible"
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
