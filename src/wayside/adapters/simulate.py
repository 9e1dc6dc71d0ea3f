"""Running a simulator: things that speak on schedule, through the same door as everybody."""

from __future__ import annotations

import random
import threading
from datetime import datetime, timedelta
from typing import Any

import msgspec

from wayside.adapters.running import SourceStatus, Tally
from wayside.adapters.sources import Simulation, Simulator
from wayside.clock import SYSTEM, Clock
from wayside.errors import ConfigError, OverloadedError
from wayside.ports import Intake

TICK = 0.1
"""Longest sleep between two looks at the schedule, in seconds."""
BEHIND = timedelta(seconds=5)
"""A generator that lags further (a suspended laptop) skips what it missed instead of flooding."""


class SimulatorRunner:
    """A generator over an intake, as `wayside.domain.views.Generator` asks for it.

    Message k of a thing is due at start + (k + thing / things) / rate: no drift, and no bursts.
    """

    def __init__(self, source: Simulator, intake: Intake, *, clock: Clock = SYSTEM) -> None:
        self._source = source
        self._intake = intake
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._world: Simulation | None = None
        self._things: list[dict[str, Any]] = []
        self._tally = Tally()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive() and not self._stopping.is_set()

    def start(self, things: int | None = None, *, rate: float | None = None) -> None:
        """Start `things` things at `rate` messages per second each; does nothing while it runs."""
        number, pace = things or self._source.things, rate or self._source.rate
        if number < 1 or not 0 < pace <= 1000:
            raise ConfigError(
                "A generator needs at least one thing, and a rate above 0 and up to 1000 messages per second.",
                why=f"Got {number} things at {pace:g}/s.",
            )
        with self._lock:
            if self.running:
                return
            self.prepare(number)
            self._stopping = threading.Event()
            name = f"simulator {self._intake.feed}"
            self._thread = threading.Thread(target=self._run, args=(pace, self._stopping), name=name, daemon=True)
            self._thread.start()

    def prepare(self, things: int) -> None:
        """Make the world without starting the clockwork."""
        self._world = self._source.simulate(things, random.Random(self._source.seed))
        self._things = self._world.things()
        self._tally = Tally()

    def stop(self) -> None:
        """Stop, and wait until nothing more will come."""
        with self._lock:
            self._stopping.set()
            if self._thread is not None:
                self._thread.join()
            self._thread = None
            self._things = []

    def things(self) -> list[dict[str, Any]]:
        """The things that are simulated now."""
        return self._things

    def status(self) -> SourceStatus:
        """What has been said so far."""
        return self._tally.status("running" if self.running else "stopped")

    def due(self, began: datetime, rate: float, since: datetime, until: datetime) -> list[tuple[datetime, int]]:
        """When which thing speaks in (since, until], in order of time."""
        count = len(self._things)
        pace = rate * count
        first, last = ((instant - began).total_seconds() * pace for instant in (since, until))
        turns = range(int(first) + 1 if first >= 0 else 0, int(last) + 1)
        return [(began + timedelta(seconds=turn / pace), turn % count) for turn in turns]

    def speak(self, turns: list[tuple[datetime, int]]) -> list[bytes]:
        """The messages of these turns."""
        assert self._world is not None
        said = [message for at, thing in turns for message in self._world.messages(thing, at)]
        return [message if isinstance(message, bytes) else self._encode(message) for message in said]

    def _run(self, rate: float, stopping: threading.Event) -> None:
        began = self._clock.now()
        done = began - timedelta(microseconds=1)
        try:
            while not stopping.is_set():
                now = self._clock.now()
                if now - done > BEHIND:
                    done = now - BEHIND
                self._hand_over(self.speak(self.due(began, rate, done, now)))
                done = max(done, now)
                stopping.wait(min(TICK, 1 / rate))
        except Exception as error:  # a domain's simulation may raise anything; the operator must see it
            self._tally.failed(error)

    def _hand_over(self, messages: list[bytes]) -> None:
        if not messages:
            return
        try:
            self._tally.handed(len(messages), self._intake.submit(messages))
        except OverloadedError as error:
            self._tally.failed(error)  # generated data is worth nothing later: drop it, and say so
