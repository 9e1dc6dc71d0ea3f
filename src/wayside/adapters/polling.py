"""Documents that are fetched again and again: what changed in them goes through the feed's door.

Whatever comes instead of a good document (an empty body, a page of HTML, half of it, an error, nothing at all) changes
nothing: the last good state stays, the source counts as stale, and it is asked again ever more rarely.
"""

from __future__ import annotations

import random
from datetime import datetime
from functools import partial

import httpx2

from wayside.adapters.entities import Change, Entities, UnusableBodyError, encode
from wayside.adapters.fetching import Fetcher, Limits, RefusedError
from wayside.adapters.handing import Handing
from wayside.adapters.holding import Holding
from wayside.adapters.reach import Reach, networks
from wayside.adapters.running import Threaded
from wayside.adapters.sources import Polling
from wayside.adapters.waiting import Backoff
from wayside.clock import SYSTEM, Clock
from wayside.errors import MissingExtraError, WaysideError
from wayside.ports import Intake


class Documents:
    """The meaning of one polled source's documents: body in, messages out. Keeps what the last good one held."""

    def __init__(self, source: Polling, time: str) -> None:
        self._source = source
        self.entities = (
            Entities(source.identity, time, source.removed, steady=source.steady) if source.identity else None
        )
        self.newest: datetime | None = None

    def messages(self, body: bytes, now: datetime) -> list[bytes]:
        """The messages that follow from a document. Raises UnusableBodyError, and then nothing has changed."""
        if not body.strip():
            raise UnusableBodyError("The document is empty.")
        change = self._read(body)
        if change.at is not None:
            if self.newest is not None and change.at < self.newest:
                raise UnusableBodyError(
                    "The document is older than the one before.", why=f"{change.at} is before {self.newest}."
                )
            self.newest = change.at
        if self.entities is None:
            return [encode(message) for message in change.messages]
        return self.entities.apply(change, now)

    def _read(self, body: bytes) -> Change:
        try:
            change = self._source.read(body)
            return Change(change.kind, list(change.messages), change.at)
        except (UnusableBodyError, MissingExtraError):
            raise
        except Exception as error:  # a domain's code reads what strangers send, and may raise anything
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise UnusableBodyError("The document cannot be read.", why=why) from error


class PollingRunner(Threaded):
    """A source that is polled, in a thread of its own; never more than one request at a time."""

    def __init__(
        self, source: Polling, intake: Intake, time: str, *, clock: Clock = SYSTEM, holding: Holding | None = None
    ) -> None:
        super().__init__()
        self._source = source
        self._intake = intake
        self._clock = clock
        self._documents = Documents(source, time)
        self._backoff = Backoff(*source.back_off)
        self._chance = random.Random()
        self._handing = Handing(intake, self._tally, holding)
        self.good_at: datetime | None = None
        """When the last good document was received."""

    def start(self) -> None:
        """Begin to poll; does nothing while it runs. Raises ConfigError for a header whose secret is not there."""
        if self._thread is not None:
            return
        limits = Limits(*self._source.timeouts, self._source.largest)
        reach = Reach(networks(self._source.networks, where=self._source.url))
        fetcher = Fetcher(self._source.url, self._source.headers, limits, self._clock, reach=reach)
        self._begin(f"polling {self._intake.feed}", partial(self._run, fetcher))

    def _run(self, fetcher: Fetcher) -> None:
        failures = 0
        try:
            while not self._stopping.is_set():
                wait = self._once(fetcher)
                failures = 0 if wait is None else failures + 1
                pause = self._source.every
                if wait is not None:  # the budget of requests holds for a failing source as well
                    pause = max(pause, wait or self._backoff.seconds(failures, self._chance))
                self._stopping.wait(pause)
        finally:
            fetcher.close()

    def _once(self, fetcher: Fetcher) -> float | None:
        """One request. Returns null when it was good, else the seconds that the source asks for (0 for none)."""
        try:
            if self._documents.entities is not None:
                self._handing.begin(self._documents.entities)
            body = fetcher.fetch()
            if body is not None:
                self._handing.give(self._documents.messages(body, self._clock.now()), self._stopping)
                fetcher.good()
            self._good()
            return None
        except (UnusableBodyError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            self._fail(error)
            return error.after or 0.0 if isinstance(error, RefusedError) else 0.0
        except Exception as error:  # the log may be down: what could not be written is handed over at the next turn
            self._fail(error)
            return 0.0

    def _good(self) -> None:
        self._state, self.good_at = "running", self._clock.now()
        self._tally.fine()
        newest, fresh = self._documents.newest, self._source.fresh
        if newest is not None and fresh is not None and (age := (self.good_at - newest).total_seconds()) > fresh:
            self._state = "stale"
            self._tally.failed(WaysideError(f"The document is {age:.0f} s old; {fresh:g} may pass."))

    def _fail(self, error: Exception) -> None:
        kept = f"What was fetched at {self.good_at:%H:%M:%S} UTC stays." if self.good_at else "Nothing was fetched yet."
        said = " ".join(str(error).split()) or type(error).__name__
        self._state = "stale"
        self._tally.failed(WaysideError(f"{said} {kept}"))
