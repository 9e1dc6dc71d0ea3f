"""How far a replay is: a bar on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from wayside.adapters.running import SourceStatus
from wayside.clock import SYSTEM, Clock

EVERY = 5.0
"""Seconds between two lines."""


class Progress(Protocol):
    """Told how far something is."""

    def at(self, share: float | None, status: SourceStatus) -> None:
        """`share` of the whole, 0 to 1; null when it has ended before its time."""


class Silent:
    """Tells nobody."""

    def at(self, share: float | None, status: SourceStatus) -> None:
        """Nothing."""


class Lines:
    """One line every few seconds, and one at the end."""

    def __init__(self, title: str, stream: TextIO, clock: Clock) -> None:
        self._title = title
        self._stream = stream
        self._clock = clock
        self._began = self._next = clock.monotonic()
        self._ended = False

    def at(self, share: float | None, status: SourceStatus) -> None:
        now = self._clock.monotonic()
        ended = status.state != "running"
        if (now < self._next and not ended) or self._ended:
            return
        self._next, self._ended = now + EVERY, ended
        where = "stopped" if share is None else f"{share:4.0%}"
        self._stream.write(f"{self._title}: {where}, {counted(status, now - self._began)}\n")
        self._stream.flush()


def counted(status: SourceStatus, seconds: float) -> str:
    """The counts of a status in words."""
    rate = status.messages / seconds if seconds > 0 else 0
    parts = [f"{status.messages:,} messages", f"{status.accepted:,} records accepted", f"{status.rejected:,} rejected"]
    if status.duplicates:
        parts.append(f"{status.duplicates:,} known already")
    return ", ".join(parts) + f" ({rate:,.0f} messages/s)"


@contextmanager
def shown(title: str, *, stream: TextIO | None = None, clock: Clock = SYSTEM) -> Iterator[Progress]:
    """A progress bar where the stream (stderr unless given) is a terminal, else plain lines."""
    out = stream or sys.stderr
    if not out.isatty():
        yield Lines(title, out, clock)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with Bars(*columns, console=Console(file=out)) as bars:
        task = bars.add_task(title, total=1.0, counts="")
        began = clock.monotonic()

        class Bar:
            def at(self, share: float | None, status: SourceStatus) -> None:
                rate = status.messages / max(clock.monotonic() - began, 0.001)
                bars.update(task, completed=share, counts=f"{status.rejected:,} rejected, {rate:,.0f}/s")

        yield Bar()
