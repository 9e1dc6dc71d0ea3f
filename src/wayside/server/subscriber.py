"""One reader of the live stream: what waits for it, and when it has to go."""

from __future__ import annotations

import asyncio
from collections import deque

from wayside.clock import Clock
from wayside.server.changes import Wish
from wayside.server.limits import Limits
from wayside.server.tails import Positions


class Subscriber:
    """A bounded queue of events between the hub and one connection. Used from the event loop only."""

    def __init__(self, wish: Wish, limits: Limits, clock: Clock) -> None:
        self.wish = wish
        self.position = 0
        self.tail: Positions = ()
        self.queue: deque[bytes] = deque()
        self.closed = False
        self._limits = limits
        self._clock = clock
        self._bytes = 0
        self._ready = asyncio.Event()
        self.since = self.spoken = clock.monotonic()

    def put(self, data: bytes) -> bool:
        """Queue an event; false when the reader is too far behind. One event always fits an empty queue."""
        limits = self._limits
        if self.queue and (len(self.queue) >= limits.queue_events or self._bytes + len(data) > limits.queue_bytes):
            return False
        self.queue.append(data)
        self._bytes += len(data)
        self._ready.set()
        return True

    def overflow(self, data: bytes) -> None:
        """Throw away what waits, say so, and end."""
        self.queue.clear()
        self.queue.append(data)
        self.close()

    def close(self) -> None:
        """End after what is queued."""
        self.closed = True
        self._ready.set()

    async def take(self) -> bytes:
        """Everything that waits, as one piece; empty when the subscription has ended."""
        while not self.queue and not self.closed:
            self._ready.clear()
            await self._ready.wait()
        data = b"".join(self.queue)
        self.queue.clear()
        self._bytes = 0
        self.spoken = self._clock.monotonic()
        return data
