"""Which agencies there are: each with its timetable, which is read when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from wayside.adapters.reach import networks as ranges
from wayside.adapters.versions import Versions
from wayside.errors import DeclarationError
from wayside_domains.transit.earlier import TODAY, History, Then
from wayside_domains.transit.packing import pack, unpack
from wayside_domains.transit.timetable import Timetable

Reader = Callable[[], Timetable]


@dataclass
class Network:
    """An agency: a short name that goes into every record, and where its timetable comes from.

    `timetable` is a GTFS zip or folder, the address of a zip, or a function that makes the timetable; null for feeds
    without one. A file or an address is looked at `every` so often, and what has changed is used from then on.
    `headers` of the request may refer to secrets as `${env:NAME}`; `networks` are address ranges (CIDR) into which the
    server may lead on, beside the internet. Of the timetables that were in use before, at most `kept` and `kept_bytes`
    (with that of now) stay in the data folder, so that a board of then is drawn with its own.
    """

    name: str
    title: str
    timetable: Path | str | Reader | None = None
    every: str = "6h"
    headers: Mapping[str, str] = field(default_factory=dict)
    networks: Sequence[str] = ()
    kept: int = 40
    kept_bytes: int = 1 << 30
    shared: Path | None = field(default=None, repr=False)
    """A folder for what other processes are to read: the timetable in use. Given by the chore that swaps it."""
    serial: int = field(default=0, repr=False)
    """How often the timetable in use has changed."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _read: Timetable | None = field(default=None, repr=False)
    _packed: tuple[int, Path] | None = field(default=None, repr=False)
    _history: History | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        ranges(self.networks, where=f"network {self.name!r}")
        if isinstance(self.timetable, str) and not self.timetable.startswith(("http://", "https://")):
            raise DeclarationError(
                f"{self.timetable[:80]!r} is no web address.",
                where=f"network {self.name!r}",
                next="An address begins with https:// or http://; for a file give a Path.",
            )

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: where the timetable comes from, and a file with the one that is in use.

        Without such a file it is read there when it is needed.
        """
        state = {one.name: getattr(self, one.name) for one in fields(self) if not one.name.startswith("_")}
        with self._lock:
            if self._read is not None and self.shared is not None:
                if self._packed is None or self._packed[0] != self.serial:
                    self._packed = (self.serial, pack(self._read, self.shared, self.name))
                state["packed"] = self._packed[1]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        packed = state.pop("packed", None)
        self.__init__(**state)  # type: ignore[misc]  # the lock is made anew
        self._read = unpack(packed, self.name) if packed is not None else None

    def read(self) -> Timetable | None:
        """The timetable in use; a file is read at the first call. Raises WaysideError when it cannot be read then.

        Null without a timetable, and until one at an address has been fetched.
        """
        with self._lock:
            if self._read is None and self.timetable is not None and not isinstance(self.timetable, str):
                self._read = self._fresh()
                self.serial += 1
            return self._read

    def reload(self) -> Timetable | None:
        """Read the file again and use it from now on. When it cannot be read, the one before stays in use."""
        if self.timetable is not None and not isinstance(self.timetable, str):
            self.use(self._fresh())
        return self._read

    def use(self, fresh: Timetable) -> None:
        """Use another timetable from now on. That before it is kept beside it, for trips that are under way."""
        with self._lock:
            old = replace(self._read, before=None) if self._read is not None else None
            self._read = replace(fresh, before=old)
            self.serial += 1

    def forget(self) -> None:
        """Let go of the timetable before the one in use."""
        with self._lock:
            if self._read is not None and self._read.before is not None:
                self._read = replace(self._read, before=None)
                self.serial += 1

    def keep(self, folder: Path, now: datetime) -> None:
        """Write down in a folder from when on the timetable in use was that. Raises OSError."""
        if self._history is None:
            self._history = History(Versions(folder, self.name, most=self.kept, largest=self.kept_bytes))
        with self._lock:
            current = self._read
        if current is not None:
            self._history.keep(current, now)

    def as_of(self, at: datetime) -> Then:
        """The timetable that was in use at an instant, or the nearest that there is; what is to be said of that.

        One that a function makes is always the same.
        """
        current = self.read()
        if current is None or callable(self.timetable):
            return Then(current)
        return self._history.at(at, current) if self._history is not None else Then(current, TODAY)

    def _fresh(self) -> Timetable:
        if isinstance(self.timetable, Path):
            from wayside_domains.transit.gtfs import read_gtfs

            return read_gtfs(self.timetable, self.name)
        assert callable(self.timetable)
        return self.timetable()


class Networks:
    """The networks of a domain, by name.

    `notes` are sentences about the timetables that were asked for: of those of now nothing is to be said.
    """

    def __init__(self, *networks: Network) -> None:
        self.by_name = {network.name: network for network in networks}
        self.notes: list[str] = []

    def as_of(self, at: datetime | None) -> Networks:
        """The same networks with the timetables that were in use at an instant; these for null."""
        return self if at is None else PastNetworks(self, at)

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """From when until when just these timetables are in use; null: always before, and until now."""
        return None, None

    def __iter__(self) -> Iterator[Network]:
        return iter(self.by_name.values())

    def timetable(self, name: str) -> Timetable | None:
        """The timetable of a network; null for an unknown one, or one without."""
        network = self.by_name.get(name)
        return network.read() if network is not None else None

    def timetables(self) -> list[Timetable]:
        """All timetables."""
        return [found for name in self.by_name if (found := self.timetable(name)) is not None]


class PastNetworks(Networks):
    """The networks as of an instant of the past, for one question: each is looked up once."""

    def __init__(self, networks: Networks, at: datetime) -> None:
        super().__init__(*networks)
        self._at = at
        self._found: dict[str, Then] = {}

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        found = [self._then(network) for network in self]
        begins = [then.since for then in found if then.since is not None]
        ends = [then.until for then in found if then.until is not None]
        return max(begins, default=None), min(ends, default=None)

    def timetable(self, name: str) -> Timetable | None:
        network = self.by_name.get(name)
        if network is None:
            return None
        found = self._then(network)
        if found.note and found.note not in self.notes:
            self.notes.append(found.note)
        return found.timetable

    def _then(self, network: Network) -> Then:
        if network.name not in self._found:
            self._found[network.name] = network.as_of(self._at)
        return self._found[network.name]
