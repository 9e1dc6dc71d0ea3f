"""Timetables that are replaced while everything runs: from a file that changes, or from an address.

A timetable is read whole before it is used. One that cannot be fetched or read changes nothing: the one before stays in
use, the operator is told, and the next turn tries again.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

from wayside.adapters.mirror import Mirror
from wayside.clock import SYSTEM, Clock
from wayside.domain import Chore
from wayside.errors import WaysideError
from wayside_domains.transit.gtfs import TimetableError, read_gtfs
from wayside_domains.transit.networks import Network, Networks
from wayside_domains.transit.timetable import Timetable

UNDER_WAY = 86_400.0
"""Seconds for which trips of the timetable before are still known."""
Signature = tuple[tuple[str, int, int], ...]


class Swap:
    """Keeps the timetable of one network up to date; called every so often, by one thread at a time."""

    def __init__(self, network: Network, clock: Clock = SYSTEM) -> None:
        self._network = network
        self._clock = clock
        self._seen: Signature | None = None
        self._swapped: float | None = None
        self._kept = 0

    def __call__(self, folder: Path) -> None:
        """Use what has changed. Raises WaysideError when that cannot be had or read."""
        self._network.shared = folder / "shared"
        try:
            fresh = self._fetched(folder) if isinstance(self._network.timetable, str) else self._changed()
        except WaysideError as error:
            with suppress(WaysideError):  # the next turn tries again
                self._keep(folder)
            raise WaysideError(
                f"The timetable of {self._network.name!r} was not replaced: {error.what}",
                where=error.where,
                why=error.why,
                next="The one before it stays in use, if there was one.",
            ) from error
        now = self._clock.monotonic()
        if fresh is not None:
            self._network.use(fresh)
            self._swapped = now
        elif self._swapped is not None and now - self._swapped > UNDER_WAY:
            self._network.forget()
            self._swapped = None
        self._keep(folder)

    def _keep(self, folder: Path) -> None:
        """Write down which timetable is in use, where that is news."""
        if self._network.serial == self._kept:
            return
        serial = self._network.serial
        try:
            self._network.keep(folder / "before", self._clock.now())
        except OSError as error:
            raise WaysideError(
                f"The timetable of {self._network.name!r} is in use, but it could not be kept for later.",
                where=str(folder / "before"),
                why=str(error.strerror),
                next="Make room; it is tried again.",
            ) from error
        self._kept = serial

    def _fetched(self, folder: Path) -> Timetable | None:
        """What an address has that is new; at the start, what it had when it was last asked."""
        network = self._network
        assert isinstance(network.timetable, str)
        mirror = Mirror(
            network.timetable,
            folder,
            f"{network.name}.zip",
            headers=network.headers,
            networks=network.networks,
            clock=self._clock,
        )
        if network.read() is None and mirror.copy.is_file():
            network.use(self._read(mirror.copy))
        return mirror.refresh(self._read)

    def _changed(self) -> Timetable | None:
        """What a file or folder holds that is new since the last turn."""
        path = self._network.timetable
        assert isinstance(path, Path)
        try:
            now = signature(path)
        except OSError as error:
            raise TimetableError("It is not there.", where=str(path), why=str(error.strerror)) from error
        if self._seen is None:  # it is read when it is first needed, which may have been before this
            self._network.read()
        fresh = self._read(path) if self._seen not in (None, now) else None
        self._seen = now
        return fresh

    def _read(self, path: Path) -> Timetable:
        return read_gtfs(path, self._network.name)


def signature(path: Path) -> Signature:
    """Names, sizes and times of a file, or of the files of a folder. Raises OSError."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return tuple((one.name, (stat := one.stat()).st_size, stat.st_mtime_ns) for one in files)


def chores_of(networks: Networks) -> list[Chore]:
    """A chore for each network whose timetable may change."""
    return [
        Chore(f"timetable of {network.name}", network.every, Swap(network), partial(getattr, network, "serial"))
        for network in networks
        if isinstance(network.timetable, Path | str)
    ]
