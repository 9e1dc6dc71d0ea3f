"""Group commit: one thread writes what many callers append, and one sync pays for all of them.

An append that comes while nothing is going on is written at once. Those that come while a sync is running wait for
it and then go together; the writer gives them up to `gather` seconds to become as many as the group before, because
callers that wait for their acknowledgement come back in the same number.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import structlog

from wayside import metrics
from wayside.broker.errors import closed
from wayside.clock import Clock
from wayside.errors import OverloadedError, StorageFailedError, WaysideError
from wayside.values import Appended

_IDLE = 0.2
_LOG = structlog.get_logger(__name__)


@dataclass
class Pending:
    """Rows that wait to be written. `where` is the partition of all of them, or of each."""

    topic: str
    frame: pl.DataFrame
    ids: pl.Series | None
    where: int | np.ndarray[Any, np.dtype[np.int64]]
    size: int
    future: Future[Appended] = field(default_factory=Future)


@dataclass
class Job:
    """Something else that the writer thread is asked to do between two groups."""

    run: Callable[[], None]
    future: Future[None] = field(default_factory=Future)


class AppendQueue:
    """What is waiting, bounded by bytes."""

    def __init__(self, *, capacity: int, gather: float, clock: Clock) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Pending | Job] = deque()
        self._bytes = 0
        self._capacity = capacity
        self._gather = gather
        self._clock = clock
        self._closed = False

    def put(self, pending: Pending) -> None:
        """Queue rows. Raises OverloadedError when the queue is full, StorageFailedError when it is closed."""
        with self._changed:
            if self._closed:
                raise closed()
            if self._waiting and self._bytes + pending.size > self._capacity:
                metrics.overloaded("log")
                raise OverloadedError(
                    "The log cannot write as fast as records come in.",
                    retry_after=1.0,
                    why=f"{self._bytes} bytes wait to be written, and {self._capacity} is the limit.",
                )
            self._waiting.append(pending)
            self._bytes += pending.size
            metrics.queued("log", self._bytes)
            self._changed.notify()

    def ask(self, job: Job) -> None:
        """Queue a job. Raises StorageFailedError when the queue is closed."""
        with self._changed:
            if self._closed:
                raise closed()
            self._waiting.append(job)
            self._changed.notify()

    def take(self, expected: int, idle: float | None) -> list[Pending | Job] | None:
        """Everything that waits, once there is something; null when the queue is closed and empty.

        With `expected` above one and somebody waiting already, the others have `gather` seconds to come. An empty list
        tells that nothing came for `idle` seconds.
        """
        with self._changed:
            if self._waiting and expected > 1:
                until = self._clock.monotonic() + self._gather
                while len(self._waiting) < expected and not self._closed:
                    left = until - self._clock.monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        break
            while not self._waiting and not self._closed:
                if not self._changed.wait(idle):
                    return []
            if not self._waiting:
                return None
            taken = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            metrics.queued("log", 0)
            return taken

    def close(self) -> None:
        """Take nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Writer:
    """The thread. `commit` gets a group and resolves its futures; it raises only what ends all writing.

    `settle` is called once when nothing has come for a while after a group.
    """

    def __init__(
        self, queue: AppendQueue, commit: Callable[[Sequence[Pending]], None], settle: Callable[[], None]
    ) -> None:
        self._queue = queue
        self._commit = commit
        self._settle = settle
        self.failure: WaysideError | None = None
        self._thread = threading.Thread(target=self._run, name="wayside-log-writer", daemon=True)
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in the writer thread, as the callbacks of futures do."""
        return threading.current_thread() is self._thread

    def join(self) -> None:
        """Wait until everything queued has been answered; the queue must be closed."""
        self._thread.join()

    def _run(self) -> None:
        expected = 1
        idle: float | None = None
        while (taken := self._queue.take(expected, idle)) is not None:
            idle = _IDLE if taken else None
            if not taken:
                self._guard(self._settle)
            group = [item for item in taken if isinstance(item, Pending)]
            expected = len(taken)
            self._write(group)
            for item in taken:
                if isinstance(item, Job):
                    self._do(item)

    def _write(self, group: Sequence[Pending]) -> None:
        if group:
            with metrics.timed("log"):
                self._guard(lambda: self._commit(group))
        for pending in group:
            if not pending.future.done():
                pending.future.set_exception(self.failure or failed(RuntimeError("no answer")))

    def _guard(self, work: Callable[[], None]) -> None:
        """Do some writing, unless writing has ended; what it raises ends it."""
        if self.failure is not None:
            return
        try:
            work()
        except Exception as error:
            self.failure = failed(error)
            _LOG.critical("the log has stopped writing", error=repr(error), trace=traceback.format_exc(limit=5))

    def _do(self, job: Job) -> None:
        if self.failure is not None:
            job.future.set_exception(self.failure)
            return
        try:
            job.run()
        except Exception as error:
            job.future.set_exception(error)
        else:
            job.future.set_result(None)


def failed(error: Exception) -> WaysideError:
    """The error for everybody once a write or a sync has failed for good."""
    if isinstance(error, WaysideError):
        return error
    return StorageFailedError(
        "The log could not be written, and nothing is acknowledged any more.",
        why=f"{type(error).__name__}: {error}",
        next="Check the disk and restart: what was acknowledged is kept.",
    )
