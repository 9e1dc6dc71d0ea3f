"""Several files as one stream in the order of event time, and any file at the pace of its event times."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from wayside.adapters.convert import Converter
from wayside.adapters.reading import Chunk
from wayside.clock import Clock
from wayside.domain import Feed
from wayside.errors import WaysideError

Micros = npt.NDArray[np.int64]
UNKNOWN = int(np.iinfo(np.int64).min)
"""The time of messages before the first one whose time can be read."""
TICK = 0.05
"""Seconds between two looks at what is due, when paced."""


@dataclass(frozen=True)
class Parcel:
    """Messages with their record ids, on their way to an intake. `done` is the share of the work behind them."""

    content: list[bytes] | pl.DataFrame
    ids: list[str]
    done: float
    times: Micros | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, end: int) -> Parcel:
        """Some of the messages."""
        content = self.content
        cut = content.slice(start, end - start) if isinstance(content, pl.DataFrame) else content[start:end]
        times = None if self.times is None else self.times[start:end]
        return Parcel(cut, self.ids[start:end], self.done, times)


def named(name: str, chunks: Iterator[Chunk]) -> Iterator[Parcel]:
    """The chunks of one file, each message under the file's name and its own number."""
    for chunk in chunks:
        yield Parcel(
            chunk.content, [f"{name}#{row}" for row in range(chunk.first, chunk.first + len(chunk))], chunk.done
        )


def timed(feed: Feed, parcels: Iterator[Parcel], clock: Clock) -> Iterator[Parcel]:
    """The same with event times in microseconds, which never go back.

    A message that is older than one before it, or has no readable time, goes with the one before it.
    """
    time = feed.record.time
    if time is None:
        raise WaysideError(f"{feed.record.__name__} has no event time to be ordered by.", where=f"feed {feed.name}")
    converter = Converter(feed)
    newest: int | None = None
    for parcel in parcels:
        if isinstance(parcel.content, pl.DataFrame):
            found = converter.frame(parcel.content, clock.now())
        else:
            found = converter.lines(parcel.content, clock.now())
        read = found.frame[time].to_physical().to_numpy()
        if newest is None:
            newest = int(read[0]) if len(read) else None
        times = np.full(len(parcel), UNKNOWN if newest is None else newest, np.int64)
        times[found.messages.to_numpy()] = read
        times = np.maximum.accumulate(times if newest is None else np.maximum(times, newest))
        newest = int(times[-1]) if newest is not None else None
        yield Parcel(parcel.content, parcel.ids, parcel.done, times)


@dataclass
class Lane:
    """One of the files that are merged: what was read of it and not yet passed on."""

    parcels: Iterator[Parcel]
    waiting: Parcel | None = None
    done: float = 0.0

    def fill(self) -> None:
        """Read on when nothing waits."""
        while self.waiting is None or not len(self.waiting):
            self.waiting = next(self.parcels, None)
            if self.waiting is None:
                self.done = 1.0
                return
            self.done = self.waiting.done

    def until(self, horizon: int) -> Parcel | None:
        """Take the messages up to an instant."""
        if self.waiting is None or self.waiting.times is None:
            return None
        cut = int(np.searchsorted(self.waiting.times, horizon, side="right"))
        taken, self.waiting = self.waiting.part(0, cut), self.waiting.part(cut, len(self.waiting))
        return taken if cut else None


def merged(files: Sequence[Iterator[Parcel]]) -> Iterator[Parcel]:
    """Timed files as one, in the order of event time; equal times in the order of the files."""
    lanes = [Lane(parcels) for parcels in files]
    while True:
        for lane in lanes:
            lane.fill()
        ends = [int(lane.waiting.times[-1]) for lane in lanes if lane.waiting and lane.waiting.times is not None]
        if not ends:
            return
        done = sum(lane.done for lane in lanes) / len(lanes)
        taken = [parcel for lane in lanes if (parcel := lane.until(min(ends))) is not None]
        tables = [parcel for parcel in taken if isinstance(parcel.content, pl.DataFrame)]
        yield from joined([parcel for parcel in taken if not isinstance(parcel.content, pl.DataFrame)], done)
        yield from joined(tables, done)


def joined(parcels: list[Parcel], done: float) -> Iterator[Parcel]:
    """Parcels of one kind of content as one, in the order of event time."""
    if not parcels:
        return
    times = np.concatenate([parcel.times for parcel in parcels if parcel.times is not None])
    order = np.argsort(times, kind="stable")
    ids = [id for parcel in parcels for id in parcel.ids]
    frames = [parcel.content for parcel in parcels if isinstance(parcel.content, pl.DataFrame)]
    lines = [line for parcel in parcels if isinstance(parcel.content, list) for line in parcel.content]
    content = pl.concat(frames, how="diagonal_relaxed")[order] if frames else [lines[index] for index in order]
    yield Parcel(content, [ids[index] for index in order], done, times[order])


@dataclass
class Pace:
    """Lets messages through when their event time has come, `speed` times as fast as it once did.

    The first message is due at once.
    """

    speed: float
    clock: Clock
    stopping: threading.Event
    origin: tuple[float, int] | None = field(default=None, init=False)

    def parts(self, parcel: Parcel) -> Iterator[Parcel]:
        """Parts of a parcel, each when it is due; ends early when it is to stop."""
        assert parcel.times is not None
        known = parcel.times > UNKNOWN
        if self.origin is None and known.any():
            self.origin = (self.clock.monotonic(), int(parcel.times[known][0]))
        began, first = self.origin or (self.clock.monotonic(), 0)
        due = began + np.where(known, parcel.times - first, 0) / 1e6 / self.speed
        sent = 0
        while sent < len(parcel) and not self.stopping.is_set():
            now = self.clock.monotonic()
            ready = int(np.searchsorted(due, now, side="right"))
            if ready > sent:
                yield parcel.part(sent, ready)
                sent = ready
            else:
                self.clock.sleep(min(TICK, float(due[sent]) - now))
