"""Appending: one thread hands records to the producer, one takes its delivery reports and answers.

A record whose id is known is not sent. One whose id is on its way already is answered when that one is durable, and
fails when that one fails: nothing is acknowledged that is not in the log.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from wayside import metrics
from wayside.broker.errors import closed
from wayside.broker.kafka.clients import Clients
from wayside.broker.kafka.tail import Tail
from wayside.broker.kafka.values import PLAIN, Values
from wayside.errors import OverloadedError, WaysideError
from wayside.values import Appended
from wayside.wire.keys import message_keys

_LOG = structlog.get_logger(__name__)
_POLL: Final = 0.05
Landed = Callable[[str, dict[int, int]], None]


@dataclass(eq=False)
class Pending:
    """Rows that were handed over: where each belongs, and how many of them have not been answered yet."""

    topic: str
    kafka: str
    key: tuple[str, ...]
    frame: pl.DataFrame
    ids: pl.Series | None
    partitions: np.ndarray[Any, np.dtype[np.int64]]
    size: int
    future: Future[Appended] = field(default_factory=Future)
    offsets: list[int] = field(default_factory=list)
    left: int = 0
    newest: int = 0
    duplicates: int = 0
    error: WaysideError | None = None
    sent: list[int] = field(default_factory=list)
    waiters: list[Pending] = field(default_factory=list)


class Sender:
    """The two threads and the queue before them, bounded by bytes that are not answered yet."""

    def __init__(self, clients: Clients, tail: Tail, landed: Landed, *, capacity: int, stop_within: float) -> None:
        self._clients = clients
        self.values: Values = PLAIN
        self._tail = tail
        self._landed = landed
        self._capacity = capacity
        self._stop_within = stop_within
        self._changed = threading.Condition(threading.RLock())
        self._waiting: deque[Pending] = deque()
        self._flying: dict[tuple[str, str], Pending] = {}
        self._open: set[Pending] = set()
        self._bytes = 0
        self._closed = self._ended = self._broken = False
        self._producer: Producer = clients.producer(self._noticed)
        self._threads = [
            threading.Thread(target=self._send, name="wayside-kafka-sender", daemon=True),
            threading.Thread(target=self._poll, name="wayside-kafka-reports", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def put(self, pending: Pending) -> None:
        """Queue rows. Raises OverloadedError when too many bytes wait, StorageFailedError after closing."""
        with self._changed:
            if self._closed:
                raise closed()
            if self._bytes and self._bytes + pending.size > self._capacity:
                metrics.overloaded("log")
                raise OverloadedError(
                    "Kafka does not take records as fast as they come in.",
                    where=self._clients.servers,
                    why=f"{self._bytes} bytes wait for its acknowledgement, and {self._capacity} is the limit.",
                )
            self._bytes += pending.size
            metrics.queued("log", self._bytes)
            self._open.add(pending)
            self._waiting.append(pending)
            self._changed.notify_all()

    def close(self) -> None:
        """Send what waits and wait for its answers, for a while; what is not acknowledged then fails."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._open, self._stop_within)
            rest, self._ended = [*self._open], True
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._producer.purge()
        self._producer.flush(1)
        for pending in rest:
            if not pending.future.done():
                pending.future.set_exception(self._clients.unavailable("records were not acknowledged", "closing"))

    def _send(self) -> None:
        while (pending := self._take()) is not None:
            try:
                self._renew()
                self._start(pending)
            except Exception as error:
                if not isinstance(error, WaysideError):
                    _LOG.exception("records could not be sent")
                    error = WaysideError("The records could not be sent.", why=f"{type(error).__name__}: {error}")
                self._done(pending, pending.left, error)

    def _take(self) -> Pending | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended or (self._closed and not self._open))
            return self._waiting.popleft() if self._waiting and not self._ended else None

    def _start(self, pending: Pending) -> None:
        """Send the rows that are not known; the count of what is left is set before the first can be answered."""
        height = pending.frame.height
        pending.offsets = [-1] * height
        pending.left = 1  # so that an error in here has something to take back
        values = self.values.encode(pending.topic, pending.frame)
        keys = message_keys(pending.frame, pending.key)
        if pending.ids is None:
            rows, ids = list(range(height)), None
        else:
            rows, ids = self._unknown(pending)
        pending.sent = rows
        with self._changed:
            pending.left += len(rows)
        self._produce(pending, rows, values, keys, ids)
        self._done(pending, 1, None)

    def _unknown(self, pending: Pending) -> tuple[list[int], list[str | None]]:
        """The rows to send. Known ids are duplicates; those on their way make this append wait for that one.

        What is on its way is looked at first: it becomes known before it is no longer on its way.
        """
        assert pending.ids is not None
        ids: list[str | None] = pending.ids.to_list()
        mine = [True] * len(ids)
        with self._changed:
            awaited: set[Pending] = set()
            for row, name in enumerate(ids):
                if name is None:
                    continue
                other = self._flying.setdefault((pending.topic, name), pending)
                if other is not pending:
                    mine[row] = False
                    awaited.add(other)
            for other in awaited:
                other.waiters.append(pending)
            pending.left += len(awaited)
        known = self._tail.known(pending.topic, pending.ids)
        rows = np.flatnonzero(np.array(mine, dtype=np.bool_) & ~known).tolist()
        pending.duplicates = len(ids) - len(rows)
        return rows, ids

    def _produce(
        self, pending: Pending, rows: list[int], values: list[bytes], keys: list[bytes] | None, ids: list[Any] | None
    ) -> None:
        produce, kafka, homes = self._producer.produce, pending.kafka, pending.partitions.tolist()
        for row in rows:
            headers = None if ids is None or ids[row] is None else [("id", ids[row].encode())]
            key = None if keys is None else keys[row]
            told = partial(self._told, pending, row)
            while True:
                try:
                    produce(kafka, values[row], key, homes[row], told, headers=headers)
                except BufferError:  # the reports are taken by the other thread
                    with self._changed:
                        self._changed.wait(_POLL)
                        if self._ended:
                            self._told(pending, row, KafkaError(KafkaError._DESTROY), None)
                            break
                    continue
                except KafkaException as error:
                    self._told(pending, row, error.args[0], None)
                break

    def _told(self, pending: Pending, row: int, error: KafkaError | None, message: Any) -> None:
        """One delivery report."""
        if error is None:
            pending.offsets[row] = message.offset()
            pending.newest = max(pending.newest, message.timestamp()[1])
            self._done(pending, 1, None)
            return
        if error.fatal():
            self._broken = True
        what = f"a record of topic {pending.topic} was not acknowledged"
        self._done(pending, 1, self._clients.explained(what, KafkaException(error)))

    def _done(self, pending: Pending, count: int, error: WaysideError | None) -> None:
        with self._changed:
            pending.error = pending.error or error
            pending.left -= count
            if pending.left > 0 or pending not in self._open:
                return
            self._remember(pending)
            self._open.discard(pending)
            self._bytes -= pending.size
            metrics.queued("log", self._bytes)
            self._changed.notify_all()
        self._answer(pending)
        for waiter in pending.waiters:
            self._done(waiter, 1, pending.error)

    def _remember(self, pending: Pending) -> None:
        """Note the ids that are durable now, also when others of the same append are not."""
        if pending.ids is None:
            return
        durable = [row for row in pending.sent if pending.offsets[row] >= 0]
        if durable:
            self._tail.remember(pending.topic, pending.ids[durable], pending.newest * 1000)
        for name in pending.ids.drop_nulls().to_list():
            if self._flying.get((pending.topic, name)) is pending:
                del self._flying[pending.topic, name]

    def _answer(self, pending: Pending) -> None:
        offsets = np.array(pending.offsets or [-1] * len(pending.partitions), dtype=np.int64)
        ends = {
            number: int(offsets[pending.partitions == number].max()) + 1
            for number in np.unique(pending.partitions).tolist()
        }
        self._landed(pending.kafka, ends)
        if pending.error is not None:
            pending.future.set_exception(pending.error)
        else:
            homes = pl.Series("partition", pending.partitions)
            pending.future.set_result(Appended(homes, pl.Series("offset", offsets), pending.duplicates))

    def _poll(self) -> None:
        while not self._ended:
            self._serve(self._producer)
            if self._broken:  # what it holds will never be told otherwise, and somebody waits for it
                self._producer.purge()

    def _serve(self, producer: Producer) -> None:
        """Take delivery reports for a moment. An error that ends the producer is raised here as well as noticed."""
        try:
            producer.poll(_POLL)
        except KafkaException as error:
            self._noticed(error.args[0])

    def _noticed(self, error: KafkaError) -> None:
        if error.fatal():
            self._broken = True
        _LOG.warning("Kafka's producer reports a problem", why=error.str())

    def _renew(self) -> None:
        """A producer that lost its sequence for good is replaced, once all that it was given has been answered."""
        if not self._broken:
            return
        _LOG.error("Kafka's producer cannot go on and is replaced")
        old = self._producer
        old.purge()
        while len(old) and not self._ended:
            self._serve(old)
        self._producer, self._broken = self._clients.producer(self._noticed), False
