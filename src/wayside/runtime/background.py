"""Work that is done every so often beside the engine, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from wayside import metrics
from wayside.clock import SYSTEM, Clock

log = structlog.get_logger(__name__)


class Ticker:
    """Calls `work` every `seconds`. A failure is logged and counted, and the next turn tries again.

    `work` should ask `stopped` between its own steps, so that `stop` need not wait for all of them. With `at_once` the
    first turn comes at the start, else after `seconds`. With `retry`, a failed turn is followed by another one after
    so many seconds, then after twice as many and so on, up to `seconds`.
    """

    def __init__(
        self, name: str, seconds: float, work: Callable[[], object], *, clock: Clock = SYSTEM,
        at_once: bool = False, retry: float | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.seconds = seconds
        self.work = work
        self.clock = clock
        self.last_error = ""
        self.done = threading.Event()
        """Set after the first turn."""
        self._at_once = at_once
        self._retry = retry
        self._failures = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"wayside-{name}", daemon=True)

    def stopped(self) -> bool:
        """Whether a stop was asked for."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let the turn at hand be the last, without waiting for it."""
        self._stopping.set()

    def stop(self, within: float) -> bool:
        """Ask, and wait for at most `within` seconds; returns whether it has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(max(0.0, within))
        return not self._thread.is_alive()

    def turn(self) -> None:
        """Do the work once."""
        try:
            with metrics.timed(self.name, self.clock):
                self.work()
            self.last_error = ""
            self._failures = 0
        except Exception as error:  # background work must not end because of one bad turn
            self.last_error = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._failures += 1
            metrics.survived(self.name)
            log.exception("background work failed", work=self.name, error=self.last_error)
        self.done.set()

    def _run(self) -> None:
        if self._at_once:
            self.turn()
        while not self._stopping.wait(self._pause()):
            self.turn()

    def _pause(self) -> float:
        """Seconds until the next turn."""
        if self._retry is None or not self._failures:
            return self.seconds
        return min(self.seconds, self._retry * 2.0 ** min(self._failures - 1, 30))
