"""What every running source has in common: start, stop, and a status that counts."""

from __future__ import annotations

import threading
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
