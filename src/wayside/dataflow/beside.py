"""One task at a time beside the caller: a commit waits for the disk while the next micro-batch is computed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Beside:
    """Runs tasks in the order of their submission in a thread of its own, never more than one ahead of the caller.

    What a task raises is raised by the next call of `submit` or `settle`. For one caller at a time.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pool: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    def submit(self, task: Callable[[], None]) -> None:
        """Wait for the task before, and run this one without waiting; raises what the one before raised."""
        self.settle()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        self._running = self._pool.submit(task)

    def settle(self) -> None:
        """Wait until nothing runs; raises what the last task raised, once."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def close(self) -> None:
        """Wait, and end the thread; a later task begins another one."""
        try:
            self.settle()
        finally:
            pool, self._pool = self._pool, None
            if pool is not None:
                pool.shutdown()
