"""Handing messages over so that none is lost: what could not be written yet is handed over before what comes next."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from wayside.adapters.entities import ids_of
from wayside.adapters.running import Tally
from wayside.errors import OverloadedError
from wayside.ports import Intake


class Handing:
    """The way of one source through its feed's door."""

    def __init__(self, intake: Intake, tally: Tally) -> None:
        self._intake = intake
        self._tally = tally
        self._waiting: list[bytes] = []

    def give(self, lines: Sequence[bytes], stopping: threading.Event) -> None:
        """Hand over, and wait until it is durable; while the door is overloaded, wait, so that the source waits too.

        Raises what the log raised; the messages are then kept for the next time.
        """
        self._waiting += lines
        while self._waiting and not stopping.is_set():
            try:
                future = self._intake.submit(self._waiting, ids=ids_of(self._waiting))
            except OverloadedError as error:
                stopping.wait(error.retry_after / 20)
                continue
            self._tally.handed(len(self._waiting), future)
            future.result()
            self._waiting = []
