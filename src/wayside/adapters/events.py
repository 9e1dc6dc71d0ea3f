"""Server-sent events about things that come, change and go, read for as long as it takes.

The stream is resumed where it broke off. Only whole events count: what a lost connection cut off is told again by the
server, and an event that came twice changes nothing the second time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2

from wayside.adapters.entities import Change, Entities
from wayside.adapters.fetching import resolved
from wayside.adapters.handing import Handing
from wayside.adapters.holding import Holding
from wayside.adapters.outbound import NotAllowedError, Outbound
from wayside.adapters.reach import Reach, networks
from wayside.adapters.running import Threaded
from wayside.adapters.sources import EventStream
from wayside.adapters.waiting import Backoff, retry_after
from wayside.clock import SYSTEM, Clock
from wayside.errors import WaysideError
from wayside.ports import Intake

LONGEST_RETRY = 3_600.0
CONNECT, HEAD = 5.0, 30.0
"""Seconds to connect, and until the stream has begun."""


class Unmarked:
    """A response whose text has no byte order mark, which a stream of events may begin with."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self.headers = response.headers
        self.request = response.request

    def iter_text(self) -> Iterator[str]:
        """The text as it comes."""
        first = True
        for piece in self._response.iter_text():
            yield piece.removeprefix("\ufeff") if first else piece
            first = first and not piece


class EventsRunner(Threaded):
    """A stream of events at work, in a thread of its own."""

    def __init__(
        self, source: EventStream, intake: Intake, time: str, *, clock: Clock = SYSTEM, holding: Holding | None = None
    ) -> None:
        super().__init__()
        self._source = source
        self._intake = intake
        self._clock = clock
        self._entities = Entities(source.identity, time, source.removed)
        self._chance = random.Random()
        self._handing = Handing(intake, self._tally, holding)
        self._outbound: Outbound | None = None
        self._last_id = ""
        self._retry: float | None = None
        self._failures = 0

    def start(self) -> None:
        """Begin to listen; does nothing while it runs. Raises ConfigError for a header whose secret is not there."""
        if self._thread is not None:
            return
        headers = {name: resolved(value) for name, value in self._source.headers.items()}
        reach = Reach(networks(self._source.networks, where=self._source.url))
        self._outbound = Outbound(self._source.url, headers, connect=CONNECT, silence=self._source.silence, reach=reach)
        self._begin(f"events {self._intake.feed}", self._run, "reconnecting")

    def _interrupt(self) -> None:
        if self._outbound is not None:
            self._outbound.hang_up()

    def _run(self) -> None:
        assert self._outbound is not None
        with closing(self._outbound) as connection:
            while not self._stopping.is_set():
                asked: float | None = None
                try:
                    self._handing.begin(self._entities)
                    asked = self._listen(connection)
                except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, NotAllowedError, OSError) as error:
                    self._tally.failed(error)
                except Exception as error:  # the log may be down: begin again, and be told everything again
                    self._tally.failed(error)
                    self._last_id = ""
                self._state = "reconnecting"
                self._failures += 1
                self._stopping.wait(self._pause(asked))

    def _pause(self, asked: float | None) -> float:
        """Seconds until the next attempt: the first is made when the server said, later ones ever more rarely."""
        usual = Backoff(*self._source.back_off).seconds(self._failures, self._chance)
        if self._retry is not None and self._failures == 1:
            usual = self._retry
        return max(asked or 0.0, usual)

    def _listen(self, connection: Outbound) -> float | None:
        """One connection, to its end; returns the seconds after which the server wants to be asked again."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        with connection.get(headers, seconds=HEAD, endless=True) as response:
            if response.status_code != 200:
                self._tally.failed(WaysideError(f"The source answered {response.status_code}."))
                return retry_after(response.headers.get("retry-after"), self._clock.now())
            self._state = "running"
            source: Any = Unmarked(response)
            for event in httpx2.EventSource(source, self._source.largest):
                if self._stopping.is_set():
                    return None
                self._take(event)
        return None

    def _take(self, event: httpx2.ServerSentEvent) -> None:
        """One event: the change that it tells of, then its id, so that it is told again unless it was taken."""
        if event.retry is not None:
            self._retry = min(event.retry / 1000, LONGEST_RETRY)
        if event.data:
            change = self._change(event)
            if change is not None:
                self._handing.give(self._entities.apply(change, self._clock.now()), self._stopping)
                self._failures = 0
                self._tally.fine()
        self._last_id = event.id or self._last_id

    def _change(self, event: httpx2.ServerSentEvent) -> Change | None:
        try:
            return self._source.decode(event.event, event.data)
        except Exception as error:  # a domain's code reads what strangers send; one odd event must not end the stream
            self._tally.failed(WaysideError(f"An event {event.event[:40]!r} cannot be read.", why=str(error)[:200]))
            return None
