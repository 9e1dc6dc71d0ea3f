"""Group commit: who waits for whom, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from wayside.broker.writer import AppendQueue, Job, Pending, Writer
from wayside.clock import SYSTEM
from wayside.errors import OverloadedError, StorageFailedError

ROW = pl.DataFrame({"n": [1]})


def pending(size: int = 100) -> Pending:
    return Pending("t", ROW, None, 0, size)


class Recorder:
    """A commit that can be held up, and remembers its groups."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.settled = threading.Event()
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.failure: Exception | None = None

    def commit(self, group: Sequence[Pending]) -> None:
        self.began.set()
        assert self.go_on.wait(30)
        self.groups.append(len(group))
        if self.failure is not None:
            raise self.failure
        for one in group:
            one.future.set_result(None)  # type: ignore[arg-type] # the answer does not matter here

    def settle(self) -> None:
        self.settled.set()


def started(recorder: Recorder, **options: Any) -> tuple[AppendQueue, Writer]:
    queue = AppendQueue(capacity=options.get("capacity", 1000), gather=options.get("gather", 0.0), clock=SYSTEM)
    return queue, Writer(queue, recorder.commit, recorder.settle)


def test_those_who_come_during_a_sync_go_together_after_it() -> None:
    recorder = Recorder()
    recorder.go_on.clear()
    queue, writer = started(recorder)
    first, rest = pending(), [pending(10) for _ in range(5)]
    queue.put(first)
    assert recorder.began.wait(30)
    for one in rest:
        queue.put(one)
    recorder.go_on.set()
    for one in [first, *rest]:
        one.future.result(timeout=30)
    queue.close()
    writer.join()
    assert recorder.groups == [1, 5]


def test_as_many_as_before_are_waited_for_and_not_for_long() -> None:
    recorder = Recorder()
    queue = AppendQueue(capacity=1000, gather=0.2, clock=SYSTEM)
    queue.put(pending())
    threading.Timer(0.02, lambda: queue.put(pending())).start()
    assert len(queue.take(2, None) or []) == 2
    queue.put(pending())
    began = SYSTEM.monotonic()
    assert len(queue.take(3, None) or []) == 1
    assert 0.1 < SYSTEM.monotonic() - began < 5
    assert recorder.groups == []


def test_the_first_after_a_pause_does_not_wait() -> None:
    queue = AppendQueue(capacity=1000, gather=60, clock=SYSTEM)
    threading.Timer(0.02, lambda: queue.put(pending())).start()
    began = SYSTEM.monotonic()
    assert len(queue.take(100, None) or []) == 1
    assert SYSTEM.monotonic() - began < 10


def test_a_full_queue_refuses_and_recovers() -> None:
    recorder = Recorder()
    recorder.go_on.clear()
    queue, writer = started(recorder, capacity=250)
    queue.put(pending())
    assert recorder.began.wait(30)
    queue.put(pending(200))
    with pytest.raises(OverloadedError) as refused:
        queue.put(pending(51))
    assert refused.value.retry_after > 0
    last = pending(50)
    queue.put(last)
    recorder.go_on.set()
    last.future.result(timeout=30)
    queue.put(pending(10_000))  # larger than the queue: taken when nothing else waits
    queue.close()
    writer.join()
    assert sum(recorder.groups) == 4


def test_after_a_failure_nobody_is_acknowledged() -> None:
    recorder = Recorder()
    recorder.failure = OSError(5, "input/output error")
    queue, writer = started(recorder)
    first, second, job = pending(), pending(), Job(lambda: None)
    queue.put(first)
    with pytest.raises(StorageFailedError, match="nothing is acknowledged"):
        first.future.result(timeout=30)
    recorder.failure = None
    queue.put(second)
    queue.ask(job)
    with pytest.raises(StorageFailedError):
        second.future.result(timeout=30)
    with pytest.raises(StorageFailedError):
        job.future.result(timeout=30)
    assert recorder.groups == [1]
    assert writer.failure is not None
    queue.close()
    writer.join()


def test_an_idle_log_settles_once() -> None:
    recorder = Recorder()
    queue, writer = started(recorder)
    one = pending()
    queue.put(one)
    one.future.result(timeout=30)
    assert recorder.settled.wait(30)
    recorder.settled.clear()
    assert not recorder.settled.wait(0.5)
    queue.close()
    writer.join()


def test_a_job_that_fails_tells_its_caller_and_nobody_else() -> None:
    recorder = Recorder()
    queue, writer = started(recorder)
    job = Job(lambda: 1 / 0)  # type: ignore[arg-type,return-value] # what it returns is never looked at
    queue.ask(job)
    with pytest.raises(ZeroDivisionError):
        job.future.result(timeout=30)
    one = pending()
    queue.put(one)
    one.future.result(timeout=30)
    queue.close()
    writer.join()


def test_what_was_queued_is_written_before_the_end() -> None:
    recorder = Recorder()
    recorder.go_on.clear()
    queue, writer = started(recorder)
    waiting = [pending(10) for _ in range(4)]
    for one in waiting:
        queue.put(one)
    queue.close()
    with pytest.raises(StorageFailedError, match="closed"):
        queue.put(pending())
    recorder.go_on.set()
    writer.join()
    assert all(one.future.done() for one in waiting)
    assert sum(recorder.groups) == 4
