"""Which agencies there are: each with its timetable, which is read when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from wayside_domains.transit.timetable import Timetable

Reader = Callable[[], Timetable]


@dataclass
class Network:
    """An agency: a short name that goes into every record, and where its timetable comes from.

    `timetable` is a GTFS zip or folder, or a function that makes the timetable; null for feeds without one.
    """

    name: str
    title: str
    timetable: Path | Reader | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _read: Timetable | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: where the timetable comes from. It is read there when it is needed."""
        return {one.name: getattr(self, one.name) for one in fields(self) if not one.name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # the lock is made anew

    def read(self) -> Timetable | None:
        """The timetable in use; read at the first call. Raises WaysideError when it cannot be read then."""
        with self._lock:
            if self._read is None and self.timetable is not None:
                self._read = self._fresh()
            return self._read

    def reload(self) -> Timetable | None:
        """Read the timetable again and use it from now on. When it cannot be read, the one before stays in use."""
        fresh = self._fresh() if self.timetable is not None else None
        with self._lock:
            self._read = fresh
        return fresh

    def _fresh(self) -> Timetable:
        if isinstance(self.timetable, Path):
            from wayside_domains.transit.gtfs import read_gtfs

            return read_gtfs(self.timetable, self.name)
        assert self.timetable is not None
        return self.timetable()


class Networks:
    """The networks of a domain, by name."""

    def __init__(self, *networks: Network) -> None:
        self.by_name = {network.name: network for network in networks}

    def __iter__(self) -> Iterator[Network]:
        return iter(self.by_name.values())

    def timetable(self, name: str) -> Timetable | None:
        """The timetable of a network; null for an unknown one, or one without."""
        network = self.by_name.get(name)
        return network.read() if network is not None else None

    def timetables(self) -> list[Timetable]:
        """All timetables."""
        return [found for network in self if (found := network.read()) is not None]
