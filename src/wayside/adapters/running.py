"""What every running source has in common: start, stop, and a status that counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

from wayside.values import Receipt

State = Literal["stopped", "running", "reconnecting", "stale", "finished", "failed"]
"""A stale source answers, but not with what it holds now: what was known before stays."""


@dataclass(frozen=True)
class SourceStatus:
    """What a source has done since its start: messages handed over, and what became of their records."""

    state: State
    messages: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    last_error: str = ""


class Runner(Protocol):
    """A source at work."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Stop, and return when nothing more will be handed over."""

    def status(self) -> SourceStatus: ...


class Threaded:
    """A runner with a thread of its own, which has ended when `stop` returns; what its kinds have in common."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._state: State = "stopped"
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def stop(self) -> None:
        """Ask no more, and return when nothing more will be handed over."""
        self._stopping.set()
        if self._thread is not None:
            self._interrupt()
            self._thread.join()
            self._thread = None
        self._state = "stopped"

    def status(self) -> SourceStatus:
        """The counts so far, and whether what is known is what the source holds now."""
        return self._tally.status(self._state)

    def _begin(self, name: str, run: Callable[[], None], state: State = "running") -> None:
        """Run in a thread."""
        self._stopping.clear()
        self._state = state
        self._thread = threading.Thread(target=run, name=name, daemon=True)
        self._thread.start()

    def _interrupt(self) -> None:
        """End what the thread may wait for longer than `_stopping`; most wait for nothing else."""


class Tally:
    """Counts receipts as they come, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages = 0
        self._accepted = 0
        self._rejected = 0
        self._duplicates = 0
        self._error = ""

    def handed(self, messages: int, future: Future[Receipt]) -> None:
        """Count messages that were handed over, and their records once they are durable."""
        with self._lock:
            self._messages += messages
        future.add_done_callback(self._settled)

    def failed(self, error: BaseException) -> None:
        """Keep the newest error, on one line."""
        self._error = " ".join(str(error).split()) or type(error).__name__

    def fine(self) -> None:
        """Forget the newest error: what it told of is over."""
        self._error = ""

    def status(self, state: State) -> SourceStatus:
        """The counts so far."""
        with self._lock:
            counts = (self._messages, self._accepted, self._rejected, self._duplicates)
        return SourceStatus(state, *counts, self._error)

    def _settled(self, future: Future[Receipt]) -> None:
        if future.cancelled():
            return
        if (error := future.exception()) is not None:
            self.failed(error)
            return
        receipt = future.result()
        with self._lock:
            self._accepted += len(receipt.appended.offsets) - receipt.appended.duplicates
            self._rejected += receipt.rejected
            self._duplicates += receipt.appended.duplicates
