"""Waiting for records: own appends wake at once, those of others are asked for twenty times a second."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from wayside.broker.kafka.offsets import Offsets
from wayside.clock import SYSTEM
from wayside.errors import UnavailableError

_EVERY: Final = 0.05


class Ends:
    """The ends of partitions, as far as this process has heard of them."""

    def __init__(self, offsets: Offsets) -> None:
        self._offsets = offsets
        self._changed = threading.Condition()
        self._known: dict[tuple[str, int], int] = {}
        self._closed = False

    def landed(self, kafka: str, ends: Mapping[int, int]) -> None:
        """Records of this process are in the log up to these offsets."""
        with self._changed:
            for number, end in ends.items():
                self._known[kafka, number] = max(end, self._known.get((kafka, number), 0))
            self._changed.notify_all()

    def wait(self, places: Mapping[tuple[str, int], int], timeout: float) -> bool:
        """Whether one of the partitions has rows at or beyond its offset, after at most `timeout` seconds.

        While Kafka does not answer there is nothing to read, and this says so.
        """
        until = SYSTEM.monotonic() + timeout
        while True:
            if self._beyond(places):
                return True
            try:
                found = self._offsets.all_ends(places)
            except UnavailableError:
                found = {}
            with self._changed:
                self._known.update(found)
                left = until - SYSTEM.monotonic()
                if self._beyond(places) or self._closed or left <= 0:
                    return self._beyond(places)
                self._changed.wait(min(_EVERY, left))

    def forget(self, kafka: str) -> None:
        """Drop what is known about a topic that is no more."""
        with self._changed:
            self._known = {place: end for place, end in self._known.items() if place[0] != kafka}

    def close(self) -> None:
        """Wake everybody."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _beyond(self, places: Mapping[tuple[str, int], int]) -> bool:
        return any(self._known.get(place, 0) > offset for place, offset in places.items())
