"""Handing messages over so that none is lost: what could not be written yet is handed over before what comes next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from wayside.adapters.entities import Entities, Moves, ids_of
from wayside.adapters.holding import Holding
from wayside.adapters.running import Tally
from wayside.errors import OverloadedError
from wayside.ports import Intake
from wayside.values import Receipt


def admitted(submit: Callable[[], Future[Receipt]], stopping: threading.Event) -> Future[Receipt] | None:
    """What `submit` promises; while the door is overloaded, wait, so that the source waits too.

    Null when it was stopped before the door took anything.
    """
    while not stopping.is_set():
        try:
            return submit()
        except OverloadedError as error:
            stopping.wait(error.retry_after / 20)
    return None


class Handing:
    """The way of one source through its feed's door; `holding` remembers its things beyond a restart."""

    def __init__(self, intake: Intake, tally: Tally, holding: Holding | None = None) -> None:
        self._intake = intake
        self._tally = tally
        self._holding = holding
        self._moves = Moves()
        self._waiting: list[bytes] = []
        self._loaded = holding is None

    def begin(self, entities: Entities) -> None:
        """Give the source back what it was known to hold, once. Raises what the log raises."""
        if not self._loaded and self._holding is not None:
            entities.remember(*self._holding.load())
            entities.moves = self._moves
            self._loaded = True

    def give(self, lines: Sequence[bytes], stopping: threading.Event) -> None:
        """Hand over, and wait until it is durable; while the door is overloaded, wait, so that the source waits too.

        Raises what the log raised; the messages are then kept for the next time.
        """
        self._waiting += lines
        if self._holding is not None and self._moves.came:
            self._holding.came(self._moves.came)
            self._moves.came.clear()
        while self._waiting and not stopping.is_set():
            future = admitted(lambda: self._intake.submit(self._waiting, ids=ids_of(self._waiting)), stopping)
            if future is None:
                break
            self._tally.handed(len(self._waiting), future)
            future.result()
            self._waiting = []
        if self._holding is not None and self._moves.went and not self._waiting:
            self._holding.went(self._moves.went)
            self._moves.went.clear()
