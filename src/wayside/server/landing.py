"""Results of other threads on their way home to the event loop: one wake-up brings as many as there are."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from concurrent.futures import Future
from typing import Any

from wayside.values import Receipt


class Landing:
    """Lets handlers await the futures of an intake without a thread and without a wake-up for each.

    An intake resolves the futures of a whole group one after the other; waking the loop for every one of them costs
    more than the requests themselves.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._landed: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._waking = False

    def wait(self, future: Future[Receipt]) -> asyncio.Future[Receipt]:
        """A future of the running loop with the same outcome."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._waking = loop, False
            self._landed.clear()
        home: asyncio.Future[Receipt] = loop.create_future()
        future.add_done_callback(lambda done: self._arrive(loop, home, done))
        return home

    def _arrive(self, loop: asyncio.AbstractEventLoop, home: asyncio.Future[Any], done: Future[Any]) -> None:
        self._landed.append((home, done))
        if not self._waking:
            self._waking = True
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        # Cleared first: what lands while we empty the queue either is seen here or wakes us again.
        self._waking = False
        while self._landed:
            home, done = self._landed.popleft()
            if home.done():
                continue
            error = done.exception()
            if error is None:
                home.set_result(done.result())
            else:
                home.set_exception(error)
