"""Reading messages: a few consumers, each at one place of one partition, lent to whoever goes on from there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from wayside.broker.kafka.clients import Clients
from wayside.clock import SYSTEM

_IDLE: Final = 12
_SPARE: Final = 3
_CHUNK: Final = 5_000
_LARGE: Final = 64 << 20


class Fetcher:
    """One consumer. Not for use by several threads at once."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._consumer: Consumer = clients.consumer()
        self.place: tuple[str, int] | None = None
        self.next = 0

    def read(self, place: tuple[str, int], offset: int, end: int, most: int) -> list[Any]:
        """Messages from an offset on, at most `most` of those before `end`; `next` is the offset after them.

        Fewer come back when many bytes came; none when there are only holes up to the end. Raises UnavailableError.
        """
        try:
            if place != self.place or offset != self.next:
                self._consumer.assign([TopicPartition(*place, offset)])
                self.place, self.next = place, offset
            self._consumer.resume([TopicPartition(*place)])
            found = self._gather(end, most)
            if self.next >= end:  # whoever comes next knows that there is more, so nobody need wait for it here
                self._consumer.pause([TopicPartition(*place)])
            return found
        except BaseException as error:
            self.place = None
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
                elif not error.retriable():
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
        """The first offset of a partition and the one after its last record. Raises UnavailableError."""
        try:
            found = self._asking.get_watermark_offsets(TopicPartition(*place), timeout=self._clients.timeout)
        except KafkaException as error:
            raise self._clients.explained("a partition could not be looked up", error) from error
        if found is None:
            raise self._clients.unavailable("a partition could not be looked up", "no answer in time")
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
            if len(self._idle) >= _SPARE:  # the one that waits the longest goes elsewhere
                return self._idle.pop(0)
        return Fetcher(self._clients)

    def _give_back(self, fetcher: Fetcher) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(fetcher)
                extra = self._idle.pop(0) if len(self._idle) > _IDLE else None
            else:
                extra = fetcher
        if extra is not None:
            extra.close()
