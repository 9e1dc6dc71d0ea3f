"""A feed's simulator without a server: its messages printed, or sent to a Wayside that runs elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import polars as pl

from wayside.adapters.running import SourceStatus
from wayside.adapters.simulate import SimulatorRunner
from wayside.adapters.sources import Simulator
from wayside.domain import Feed, Plan
from wayside.errors import NotFoundError, WaysideError
from wayside.runtime.remote import RemoteIntake
from wayside.values import Appended, Receipt


class Printer:
    """An intake that hands every message to `write`, one by one."""

    def __init__(self, feed: Feed, write: Callable[[bytes], None]) -> None:
        self._feed = feed
        self._write = write
        self.error: BaseException | None = None

    @property
    def feed(self) -> str:
        return self._feed.name

    @property
    def topic(self) -> str:
        return self._feed.topic

    def submit(self, lines: Sequence[bytes], *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """Write the messages; all of them count as accepted."""
        done: Future[Receipt] = Future()
        try:
            for line in lines:
                self._write(line)
        except BaseException as error:
            self.error = error
            done.set_exception(error)
            return done
        places = pl.Series([0] * len(lines), dtype=pl.Int64)
        done.set_result(Receipt(Appended(places, places)))
        return done

    def submit_block(self, ndjson: bytes, *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """See `submit`."""
        return self.submit(ndjson.splitlines())

    def submit_frame(self, frame: pl.DataFrame, *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """See `submit`."""
        return self.submit_block(frame.write_ndjson().encode())


def simulator_of(plan: Plan, name: str) -> Feed:
    """A feed that is simulated. Raises NotFoundError naming those that are."""
    feed = plan.feeds.get(name)
    if feed is None or not isinstance(feed.source, Simulator):
        names = [feed.name for feed in plan.feeds.values() if isinstance(feed.source, Simulator)]
        raise NotFoundError(f"There is no simulator {name!r}.", why=f"Simulators: {', '.join(names) or 'none'}.")
    return feed


def simulate(
    feed: Feed,
    intake: Printer | RemoteIntake,
    *,
    things: int | None = None,
    rate: float | None = None,
    seconds: float | None = None,
    stopping: threading.Event | None = None,
) -> SourceStatus:
    """Run a feed's simulator into an intake, in real time, for `seconds` or until `stopping` is set."""
    assert isinstance(feed.source, Simulator)
    stopping = stopping or threading.Event()
    runner = SimulatorRunner(feed.source, intake)
    runner.start(things, rate=rate)
    try:
        left = seconds if seconds is not None else float("inf")
        while left > 0 and intake.error is None and not stopping.wait(min(left, 0.1)):
            left -= 0.1
    finally:
        runner.stop()
        if isinstance(intake, RemoteIntake):
            intake.close()
    if intake.error is not None:
        raise intake.error
    status = runner.status()
    if status.last_error:
        raise WaysideError(f"The simulator {feed.name!r} has stopped.", why=status.last_error)
    return status
