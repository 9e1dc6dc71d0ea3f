"""Reading messages: a few consumers, each at one place of one partition, lent to whoever goes on from there.

A consumer is never sent elsewhere: a new one answers within milliseconds, while one that is paused, resumed or
assigned anew was measured to sleep for a second now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from wayside.broker.kafka.clients import Clients, passes
from wayside.clock import SYSTEM

_IDLE: Final = 32
_UNUSED: Final = 60.0
_CHUNK: Final = 5_000
_LARGE: Final = 64 << 20


class Fetcher:
    """One consumer at one partition, which it reads from an offset on. Not for use by several threads at once."""

    def __init__(self, clients: Clients, place: tuple[str, int], offset: int) -> None:
        self._clients = clients
        self._consumer: Consumer = clients.consumer()
        self._consumer.assign([TopicPartition(*place, offset)])
        self.place = place
        self.next = offset
        self.used = 0.0
        self.broken = False

    def read(self, end: int, most: int) -> list[Any]:
        """The next messages, at most `most` of those before `end`; `next` is the offset after them.

        Fewer come back when many bytes came; none when there are only holes up to the end. Raises UnavailableError.
        """
        try:
            return self._gather(end, most)
        except BaseException as error:
            self.broken = True
            if isinstance(error, KafkaException):
                raise self._clients.explained("records could not be read", error) from error
            raise

    def _gather(self, end: int, most: int) -> list[Any]:
        found: list[Any] = []
        size = 0
        until = SYSTEM.monotonic() + self._clients.timeout
        while self.next < end and len(found) < most and size < _LARGE:
            wanted = min(_CHUNK, most - len(found), end - self.next)
            came = self._consumer.consume(wanted, timeout=0.1)
            for message in came:
                error = message.error()
                if error is None:
                    found.append(message)
                    size += len(message)
                    self.next = message.offset() + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    self.next = max(self.next, message.offset())
                elif not passes(error):
                    raise KafkaException(error)
            if came:
                until = SYSTEM.monotonic() + self._clients.timeout
            elif found or SYSTEM.monotonic() > until:
                break
        if not found and self.next < end:
            raise self._clients.unavailable("records could not be read", "no answer in time")
        return found

    def close(self) -> None:
        """Give the connection back."""
        self._consumer.close()


class Fetchers:
    """The consumers of one broker; those that wait the longest are closed when there are too many."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._idle: list[Fetcher] = []
        self._closed = False
        self._asking: Consumer = clients.consumer()  # a request of its own connection waits for no records

    def bounds(self, place: tuple[str, int]) -> tuple[int, int]:
        """The first offset of a partition and the one after its last record. Raises UnavailableError.

        When one of the two questions behind it fails, the client may give the other's answer for both: ask again
        elsewhere before believing that a partition is empty.
        """
        what, until = "a partition could not be looked up", SYSTEM.monotonic() + self._clients.timeout
        while True:
            try:
                found = self._asking.get_watermark_offsets(TopicPartition(*place), timeout=self._clients.timeout)
            except KafkaException as error:
                if SYSTEM.monotonic() > until or not passes(error.args[0]):
                    raise self._clients.explained(what, error) from error
                SYSTEM.sleep(0.05)
                continue
            if found is None:
                raise self._clients.unavailable(what, "no answer in time")
            return int(found[0]), int(found[1])

    @contextmanager
    def at(self, place: tuple[str, int], offset: int) -> Iterator[Fetcher]:
        """A consumer for one read, if possible one that stands there already."""
        fetcher = self._take(place, offset)
        try:
            yield fetcher
        finally:
            self._give_back(fetcher)

    def close(self) -> None:
        """Close those that nobody uses; the others are closed when they are given back."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for fetcher in idle:
            fetcher.close()
        self._asking.close()

    def _take(self, place: tuple[str, int], offset: int) -> Fetcher:
        with self._lock:
            for fetcher in reversed(self._idle):
                if fetcher.place == place and fetcher.next == offset:
                    self._idle.remove(fetcher)
                    return fetcher
        return Fetcher(self._clients, place, offset)

    def _give_back(self, fetcher: Fetcher) -> None:
        now = fetcher.used = SYSTEM.monotonic()
        with self._lock:
            unwanted = [fetcher] if self._closed or fetcher.broken else []
            self._idle += [] if unwanted else [fetcher]
            while self._idle and (len(self._idle) > _IDLE or now - self._idle[0].used > _UNUSED):
                unwanted.append(self._idle.pop(0))
        for one in unwanted:
            one.close()
