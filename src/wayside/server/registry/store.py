"""The registry's log: changes are appended to a topic and take effect in its order, the same on every replica.

Nobody is elected to write. A change carries the revision that its author had seen, and is void when another came
before it; its author then decides again on what is true now. So two replicas never give one id to two schemas.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import polars as pl
import structlog

from wayside.clock import Clock
from wayside.errors import OverloadedError
from wayside.ports import Broker
from wayside.server.registry.state import SPEC, TOPIC, Change, State

log = structlog.get_logger(__name__)
T = TypeVar("T")
TRIES = 20
WRITE_SECONDS = 20.0


class SchemaStore:
    """Opened at the first use; may be used from any thread. `first` is called once, with the store open."""

    def __init__(self, broker: Broker, clock: Clock, *, first: Callable[[SchemaStore], None] | None = None) -> None:
        self._broker = broker
        self._clock = clock
        self._first = first
        self._lock = threading.RLock()
        self._state = State()
        self._next = 0
        self._open = False
        self._applied: dict[int, bool] = {}

    def read(self, question: Callable[[State], T]) -> T:
        """Ask the newest state. What the question raises is raised."""
        with self._lock:
            self._catch_up()
            return question(self._state)

    def change(self, decide: Callable[[State], tuple[Sequence[Change], T]]) -> T:
        """Decide on the newest state and make the changes, all of them or none, durable before this returns.

        `decide` is called again when a change of somebody else came before. Raises what it raises, OverloadedError
        after many tries, and what the broker raises.
        """
        with self._lock:
            for _ in range(TRIES):
                self._catch_up()
                changes, result = decide(self._state)
                if not changes or self._write(changes):
                    return result
        raise OverloadedError("Too many others change the schemas at this moment.")

    def _write(self, changes: Sequence[Change]) -> bool:
        # One row for all of them: of two replicas' rows either may come first, but never a part of one.
        row = (self._state.revision, self._clock.now(), msgspec.json.encode(changes).decode())
        frame = pl.DataFrame([row], schema=SPEC.schema, orient="row")
        offset = int(self._broker.append(TOPIC, frame, partition=0).result(WRITE_SECONDS).offsets[0])
        self._applied = {offset: False}
        self._catch_up()
        return self._applied[offset]

    def _begin(self) -> None:
        self._open = True
        try:
            if self._first is not None:
                self._first(self)
        except BaseException:
            self._open = False  # the next question tries again
            raise

    def _catch_up(self) -> None:
        """Fold what the log has and we have not seen."""
        if not self._open:
            self._broker.create(SPEC)
            self._begin()
        end = self._broker.partitions(TOPIC)[0].end
        while self._next < end:
            batch = self._broker.read(TOPIC, 0, self._next)
            if batch is None:
                break
            offsets = range(batch.first, batch.next) if batch.offsets is None else batch.offsets.to_list()
            rows = batch.frame.select("revision", "changes").iter_rows()
            for offset, (revision, changes) in zip(offsets, rows, strict=False):
                applied = self._state.apply(revision, changes)
                if offset in self._applied:
                    self._applied[offset] = applied
            self._next = batch.next
