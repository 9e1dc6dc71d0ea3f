"""The door of one feed: what arrives meanwhile is merged, judged, and acknowledged when it is durable."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import cast

import polars as pl

from wayside import metrics
from wayside.adapters.convert import Converted, Converter
from wayside.adapters.receipts import Given, receipts, record_ids, rejected_ids, rejected_rows
from wayside.adapters.submissions import Content, Submission, block, flat, kind
from wayside.clock import SYSTEM, Clock
from wayside.domain import Feed
from wayside.errors import OverloadedError
from wayside.ports import Broker
from wayside.quarantine import QUARANTINE
from wayside.values import Appended, NodeStatus, Receipt

CAPACITY = 32 << 20
MERGED = 4 << 20
"""Most bytes that are judged in one go."""
SMALL = 256 << 10
"""Fewer bytes than this wait for the write that is under way, and join its successor."""
LINGER = 0.005
GATHERED = 400 << 10
"""Bytes that are worth waiting for: judging costs 0.3 ms in all, whatever there is to judge, and the log as much."""
GATHER = 0.003
"""Seconds to wait for them."""
OVERHEAD = 256
"""Bytes counted for a submission beside its own."""


@dataclass(eq=False, slots=True)
class Flight:
    """Submissions that were judged together and are being written."""

    submissions: list[Submission]
    size: int
    converted: Converted
    writes: tuple[Future[Appended] | None, Future[Appended] | None]

    def landed(self) -> bool:
        return all(write is None or write.done() for write in self.writes)


class FeedIntake:
    """The `Intake` of one feed over a broker.

    One thread gathers submissions in order. `capacity` bounds the bytes that are held, from submission to durable
    write. `close` writes what is held and ends the thread.
    """

    def __init__(self, feed: Feed, broker: Broker, *, clock: Clock = SYSTEM, capacity: int = CAPACITY) -> None:
        self._feed = feed
        self._broker = broker
        self._clock = clock
        self._capacity = capacity
        self._converter = Converter(feed)
        self._wake = threading.Condition(threading.Lock())
        self._queue: deque[Submission] = deque()
        self._queued = 0
        self._held = 0
        self._expected = (0, 0)
        self._flights: deque[Flight] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._busy = False
        self._status = NodeStatus(feed.name, "feed", ())
        self._rated = (clock.monotonic(), 0)

    @property
    def feed(self) -> str:
        return self._feed.name

    @property
    def topic(self) -> str:
        return self._feed.topic

    def submit(self, lines: Sequence[bytes], *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """Hand over messages, one JSON object per element.

        `ids` names each message, or with a single element the whole submission; what comes again under the same id
        is dropped. Raises OverloadedError when the bytes held would pass the capacity.
        """
        return self._enter(sum(map(len, lines)), len(lines), lines, ids)

    def submit_block(self, ndjson: bytes, *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """Hand over lines of JSON, separated by newlines; blank lines are no messages."""
        return self._enter(len(ndjson), 0, ndjson, ids)

    def submit_frame(self, frame: pl.DataFrame, *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """Hand over rows of the wire record; columns may be text, missing ones are null."""
        return self._enter(int(frame.estimated_size()), frame.height, frame, ids)

    def status(self) -> NodeStatus:
        """Counts since the start, the rate since it was last asked for (over a second at least), the newest error."""
        now, (then, counted) = self._clock.monotonic(), self._rated
        if now - then >= 1.0:
            self._status.rate = (self._status.records - counted) / (now - then)
            self._rated = (now, self._status.records)
        return self._status

    @property
    def held(self) -> int:
        """Bytes between submission and durable write."""
        return self._held

    def close(self) -> None:
        """Refuse what comes, finish what is held, end the thread. Doing it twice is harmless."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _enter(self, size: int, count: int, content: Content, ids: Sequence[str] | None) -> Future[Receipt]:
        submission = Submission(size + OVERHEAD, count, content, ids, self._clock.monotonic())
        with self._wake:
            held = self._held + submission.size
            if self._closing or (held > self._capacity and self._held):
                raise self._refusal()
            self._held = held
            self._queued += submission.size
            self._queue.append(submission)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"intake {self.feed}", daemon=True)
                self._thread.start()
            if not self._busy or self._enough():
                self._wake.notify()
        return submission.future

    def _refusal(self) -> OverloadedError:
        return OverloadedError(
            f"The feed {self.feed!r} is {'closing' if self._closing else 'given more than it can write'}.",
            where=f"feed {self.feed}",
            why=f"{self._held} bytes wait to be written; {self._capacity} may.",
        )

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (ready := self._ready()) and not self._landed():
                    if self._closing and not self._queue and not self._flights:
                        return
                    self._busy = bool(self._queue)  # then time or a landing wakes us, and nobody needs to
                    self._wake.wait((LINGER if self._flights else GATHER) if self._queue else None)
                self._busy = True
                taken = self._take() if ready else []
            self._finish()
            if taken:
                self._send(taken)

    def _landed(self) -> bool:
        return bool(self._flights) and self._flights[0].landed()

    def _enough(self) -> bool:
        """Whether what has come needs to wait for nothing more."""
        size, callers = self._expected
        return self._queued >= max(SMALL, size) or 0 < callers <= len(self._queue)

    def _ready(self) -> bool:
        """Whether to judge now: nothing is being written, enough has come, or the oldest has waited long enough.

        After a large group of several submissions the next one is given a moment to become as large, or of as many:
        callers that wait for their answers come back together.
        """
        if not self._queue:
            return False
        if self._closing or self._enough():
            return True
        if not self._flights and not self._expected[1]:
            return True
        return self._clock.monotonic() - self._queue[0].arrived >= (LINGER if self._flights else GATHER)

    def _take(self) -> list[Submission]:
        """The oldest submissions that can be judged together: those of lines and blocks, or one frame."""
        taken: list[Submission] = []
        size, mixed = 0, False
        while self._queue:
            head = self._queue[0]
            alone = isinstance(head.content, pl.DataFrame)
            same = not taken or (not mixed and kind(head) is kind(taken[0]))
            if taken and (alone or size + head.size > MERGED):
                break
            if not same and not (flat(head) and (mixed or all(map(flat, taken)))):
                break
            mixed = mixed or not same
            self._queue.popleft()
            self._queued -= head.size
            if not head.future.set_running_or_notify_cancel():
                self._held -= head.size
                continue
            taken.append(head)
            size += head.size
            if alone:
                break
        return taken

    def _send(self, taken: list[Submission]) -> None:
        """Judge and hand to the broker. Whatever goes wrong is told to those who wait."""
        size = sum(submission.size for submission in taken)
        self._expected = (min(size, GATHERED), len(taken)) if len(taken) > 1 and size >= SMALL else (0, 0)
        try:
            converted = self._convert(taken)
            given = Given.of(taken)
            writes = (self._append(converted, given), self._quarantine(converted, given))
        except Exception as error:  # the thread must live on: the error belongs to the callers
            self._fail(taken, size, error)
            return
        flight = Flight(taken, size, converted, writes)
        self._flights.append(flight)
        for write in writes:
            if write is not None:
                write.add_done_callback(self._notify)

    def _convert(self, taken: list[Submission]) -> Converted:
        received = self._clock.now()
        first = taken[0]
        if isinstance(first.content, pl.DataFrame):
            return self._converter.frame(first.content, received)
        if any(isinstance(each.content, bytes) for each in taken):
            converted, counts = self._converter.blocks(list(map(block, taken)), received)
            for each, count in zip(taken, counts, strict=True):
                each.count = count
            return converted
        lines = [line for each in taken for line in cast(Sequence[bytes], each.content)]
        return self._converter.lines(lines, received)

    def _append(self, converted: Converted, given: Given) -> Future[Appended] | None:
        if converted.frame.is_empty():
            return None
        ids = record_ids(self.feed, given, converted.messages, converted.parts)
        return self._retried(lambda: self._broker.append(self.topic, converted.frame, ids=ids))

    def _quarantine(self, converted: Converted, given: Given) -> Future[Appended] | None:
        if not converted.rejections:
            return None
        rows = rejected_rows(self.feed, self.topic, converted.refused, self._clock.now())
        ids = rejected_ids(self.feed, given, converted)
        return self._retried(lambda: self._broker.append(QUARANTINE, rows, ids=ids))

    def _retried(self, append: Callable[[], Future[Appended]]) -> Future[Appended]:
        """Append, and wait while the log's queue is full: our own queue then fills up and refuses."""
        while True:
            try:
                return append()
            except OverloadedError:
                if self._closing:
                    raise
                threading.Event().wait(LINGER)

    def _notify(self, _: Future[Appended]) -> None:
        with self._wake:
            self._wake.notify()

    def _finish(self) -> None:
        """Answer, in order, those whose rows are durable."""
        while self._landed():
            flight = self._flights.popleft()
            failed = next((e for write in flight.writes if write is not None and (e := write.exception())), None)
            if failed is not None:
                self._fail(flight.submissions, flight.size, failed)
                continue
            appended = flight.writes[0].result() if flight.writes[0] is not None else None
            answers = receipts(flight.converted, [s.count for s in flight.submissions], appended)
            self._count(flight, appended)
            for submission, receipt in zip(flight.submissions, answers, strict=True):
                submission.future.set_result(receipt)

    def _count(self, flight: Flight, appended: Appended | None) -> None:
        with self._wake:
            self._held -= flight.size
        duplicates = appended.duplicates if appended is not None else 0
        accepted, rejected = flight.converted.frame.height - duplicates, len(flight.converted.rejections)
        self._status.records += accepted
        self._status.rejected += rejected
        self._status.last_record = self._clock.now()
        self._status.last_error = ""
        metrics.received(self.feed, accepted=accepted, rejected=rejected, duplicates=duplicates)
        if rejected:
            metrics.rejected(self.feed, Counter(rejection.rule for rejection in flight.converted.rejections))
        metrics.took("intake", self._clock.monotonic() - flight.submissions[0].arrived)

    def _fail(self, submissions: list[Submission], size: int, error: BaseException) -> None:
        with self._wake:
            self._held -= size
        self._status.last_error = " ".join(str(error).split())
        for submission in submissions:
            submission.future.set_exception(error)
