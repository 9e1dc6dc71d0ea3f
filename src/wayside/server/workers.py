"""Threads for questions to stores and log: few, with a bounded queue and a deadline, so that ingest stays quick."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from wayside.server.limits import Limits
from wayside.server.problems import ProblemError

T = TypeVar("T")


class Workers:
    """Runs blocking functions for handlers of the event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pool = ThreadPoolExecutor(limits.query_threads, thread_name_prefix="query")
        self.running = 0

    async def run(self, function: Callable[..., T], *args: Any, **named: Any) -> T:
        """The function's result. Raises ProblemError 503 when the queue is full or the deadline has passed.

        A function that is past its deadline cannot be stopped; its thread stays counted until it ends.
        """
        if self.running >= self._limits.query_threads + self._limits.query_waiting:
            raise ProblemError(
                503,
                "Too many questions are waiting for an answer.",
                why=f"At most {self._limits.query_waiting} wait at a time.",
                next="Retry after 1 s.",
                headers={"Retry-After": "1"},
            )
        self.running += 1
        call = functools.partial(guarded, function, *args, **named)
        future = asyncio.get_running_loop().run_in_executor(self._pool, call)
        future.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._limits.query_seconds)
        except TimeoutError as error:
            if future.done() and not future.cancelled():
                raise
            raise ProblemError(
                503,
                f"The question took longer than {self._limits.query_seconds:g} s.",
                next="Ask for a shorter range, or filter by key.",
                headers={"Retry-After": "1"},
            ) from error

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self.running -= 1
        if not future.cancelled():
            future.exception()

    def close(self) -> None:
        """Let go of the threads; questions that are being answered end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def guarded(function: Callable[..., T], *args: Any, **named: Any) -> T:
    """Call; a panic of the frame engine, which is no Exception, becomes one, so that it is answered and logged."""
    try:
        return function(*args, **named)
    except Exception:
        raise
    except BaseException as panic:
        raise RuntimeError(f"{type(panic).__name__}: {panic}") from panic
