"""Replaying files through a feed's door, at full speed or at the pace at which their events happened.

Every message goes in under an id made of the file's content and its own number, so that a replay that was broken off
is simply run again: what is in the topic already is recognised within the topic's deduplication horizon.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import polars as pl

from wayside.adapters.handing import admitted
from wayside.adapters.merging import Pace, Parcel, merged, named, timed
from wayside.adapters.progress import Progress, Silent
from wayside.adapters.reading import chunks, fingerprint, regular
from wayside.adapters.running import SourceStatus, State, Tally
from wayside.adapters.sources import AS_FAST_AS_POSSIBLE, Files, Speed
from wayside.clock import SYSTEM, Clock
from wayside.domain import Feed
from wayside.errors import ConfigError
from wayside.ports import Intake
from wayside.values import Receipt

AHEAD = 8
"""Hand-overs that may wait for their receipt."""


class FileReplay:
    """Files on their way through an intake; several are merged in the order of their event times.

    That matters: what is older than the windows of the topic that are closed already is late, and counted as such.
    """

    def __init__(
        self,
        feed: Feed,
        paths: Sequence[Path],
        intake: Intake,
        *,
        speed: Speed = AS_FAST_AS_POSSIBLE,
        clock: Clock = SYSTEM,
        progress: Progress | None = None,
    ) -> None:
        if speed != AS_FAST_AS_POSSIBLE and not speed > 0:
            raise ConfigError(
                f"A replay cannot run at {speed:g} times the pace of its events.", next="Give more than 0."
            )
        self._feed = feed
        self._source = feed.source if isinstance(feed.source, Files) else Files()
        self._paths = [regular(path) for path in paths]
        self._intake = intake
        self._speed = None if speed == AS_FAST_AS_POSSIBLE else float(speed)
        self._clock = clock
        self._progress = progress or Silent()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._flying: deque[Future[Receipt]] = deque()
        self._tally = Tally()
        self._state: State = "stopped"

    def start(self) -> None:
        """Begin in a thread of its own; does nothing while one runs."""
        if self._state == "running":
            return
        self._stopping.clear()
        self._state = "running"
        self._thread = threading.Thread(target=self._run, name=f"replay {self._feed.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hand nothing more over, and wait for what was."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def status(self) -> SourceStatus:
        """The counts so far."""
        return self._tally.status(self._state)

    def run(self) -> SourceStatus:
        """Replay in this thread, to the end. Raises WaysideError when a file or the log cannot be used."""
        self._state = "running"
        try:
            for parcel in self._parcels():
                if self._stopping.is_set():
                    break
                self._hand_over(parcel)
                self._progress.at(parcel.done, self.status())
            self._settle(0)
            self._state = "stopped" if self._stopping.is_set() else "finished"
        except BaseException:
            self._state = "failed"
            raise
        finally:
            self._progress.at(1.0 if self._state == "finished" else None, self.status())
        return self.status()

    def _run(self) -> None:
        try:
            self.run()
        except Exception as error:  # a thread has nobody to raise to: the status tells
            self._tally.failed(error)

    def _parcels(self) -> Iterator[Parcel]:
        """What to hand over, when it is time to."""
        wire = self._feed.wire
        files = [named(fingerprint(path), chunks(path, self._source, wire)) for path in self._paths]
        if self._speed is None and len(files) == 1:
            return files[0]
        parcels = merged([timed(self._feed, file, self._clock) for file in files])
        if self._speed is None:
            return parcels
        pace = Pace(self._speed, self._clock, self._stopping)
        return (part for parcel in parcels for part in pace.parts(parcel))

    def _hand_over(self, parcel: Parcel) -> None:
        content = parcel.content

        def submit() -> Future[Receipt]:
            if isinstance(content, pl.DataFrame):
                return self._intake.submit_frame(content, ids=parcel.ids)
            return self._intake.submit(content, ids=parcel.ids)

        future = admitted(submit, self._stopping)
        if future is None:
            return
        self._tally.handed(len(parcel), future)
        self._flying.append(future)
        self._settle(AHEAD)

    def _settle(self, most: int) -> None:
        """Wait until at most so many hand-overs are without a receipt. Raises what the log raised."""
        while len(self._flying) > most:
            self._flying.popleft().result()
