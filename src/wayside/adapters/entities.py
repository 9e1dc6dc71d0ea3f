"""Things that an outside source holds now, told as messages of what changes: also that a thing is no longer there.

Sources that send whole snapshots, or objects that come and go, both end here. A thing that the source no longer holds
leaves as a message of its own; one that it tells again as it was says nothing new, and leaves no message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from wayside.errors import WaysideError

Message = Mapping[str, Any]
Key = tuple[Any, ...]
LONGEST = timedelta(days=1)
"""A thing that left longer ago than the log recognises repeats is like one that never was."""
MANY = 10_000
encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=str).encode


class UnusableBodyError(WaysideError):
    """What was fetched says nothing: it is empty, another kind of document, or damaged. The last state stays."""


@dataclass(frozen=True)
class Change:
    """What a source says: `reset` that it holds these things and no others, `put` and `remove` that some changed.

    A message to remove needs the fields of its identity only. `at` is when the source says so, if it does.
    """

    kind: Literal["reset", "put", "remove"]
    messages: Sequence[Message]
    at: datetime | None = None


@dataclass
class Moves:
    """Things that came and things that went."""

    came: dict[Key, Message] = field(default_factory=dict)
    went: dict[Key, None] = field(default_factory=dict)

    def come(self, key: Key, message: Message) -> None:
        """A thing is there that was not."""
        self.came[key] = message
        self.went.pop(key, None)

    def go(self, key: Key) -> None:
        """A thing is no longer there."""
        self.went[key] = None


class Entities:
    """The things of one source.

    `identity` names the fields that tell things apart (they need not be fields of the record), `time` the field of the
    event time, `removed` the one that is true in the last message of a thing that has gone. A message without an event
    time gets that of its receipt. One that lacks a field of the identity belongs to no thing: it is passed on as it is
    each time, for the feed's rules to refuse, and nobody else suffers.

    The last message says what the one before said, at the same event time: it comes later, which decides. So a thing
    that comes again as it was, as after a reset that did not hold it, is there again. Two fields that no record has,
    `again` and `gone`, make such messages different from those before, so that the log does not take them for repeats.
    A record may have a field `gone` all the same, to know when a thing went.

    With `steady`, the event time is only when the source was asked: a thing that is told with another one and nothing
    else is as it was, and its time stays that of the first message that said so.
    """

    def __init__(self, identity: Sequence[str], time: str, removed: str = "removed", *, steady: bool = False) -> None:
        self._identity = tuple(identity)
        self._time = time
        self._removed = removed
        self._steady = steady
        self._held: dict[Key, tuple[Message, bytes]] = {}
        self._left: dict[Key, datetime] = {}
        self.moves: Moves | None = None
        """What came and went since whoever writes it down has emptied it; null when nobody does."""

    def __len__(self) -> int:
        return len(self._held)

    def remember(self, there: Mapping[Key, Message], left: Mapping[Key, datetime]) -> None:
        """Things that were there before this began, and those that had left by then.

        Each thing that was there is told anew when the source still has it.
        """
        self._held |= {key: (message, b"") for key, message in there.items() if key not in self._held}
        self._left |= left

    def apply(self, change: Change, now: datetime) -> list[bytes]:
        """The messages that follow from a change, as JSON. `now` is when it was received."""
        found: list[bytes] = []
        keys: set[Key] = set()
        for message in change.messages:
            key = self.key(message)
            keys.add(key)
            if change.kind == "remove":
                found += self._leave(key, change.at or now)
            else:
                found += self._put(key, message, change.at or now)
        if change.kind == "reset":
            for key in [key for key in self._held if key not in keys]:
                found += self._leave(key, change.at or now)
        return found

    def key(self, message: Message) -> Key:
        """What tells a thing apart."""
        return tuple(message.get(name) for name in self._identity)

    def _put(self, key: Key, message: Message, at: datetime) -> list[bytes]:
        content = encode({**message, self._time: None} if self._steady else message)
        known = self._held.get(key)
        again = self._left.pop(key, None) if known is None else None
        if None not in key:
            if known is not None and known[1] == content:
                return []
            self._held[key] = (message, content)
            if known is None and self.moves is not None:
                self.moves.come(key, message)
        more = {"again": again} if again is not None else {}
        return [encode({self._time: at, self._removed: False, **message, **more})]

    def _leave(self, key: Key, at: datetime) -> list[bytes]:
        known = self._held.pop(key, None)
        if known is None:
            return []
        if self.moves is not None:
            self.moves.go(key)
        if len(self._left) >= MANY:
            self._left = {one: moment for one, moment in self._left.items() if at - moment < LONGEST}
        self._left[key] = at
        message, told = known
        # Of a thing of an earlier life only the first message is known, and later ones may have had later times.
        moment = message.get(self._time) or at if told else at
        return [encode({**message, self._time: moment, self._removed: True, "gone": at})]


def ids_of(lines: Iterable[bytes]) -> list[str]:
    """Record ids made of the messages themselves: what is told again after a restart is recognised."""
    return [hashlib.blake2b(line, digest_size=16).hexdigest() for line in lines]
