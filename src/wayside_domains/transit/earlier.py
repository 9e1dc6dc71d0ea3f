"""The timetables that were in use before: which one it was at an instant, and what to say where it is gone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import structlog

from wayside.adapters.versions import Version, Versions
from wayside.errors import WaysideError
from wayside_domains.transit.keeping import digest_of, from_bytes, to_bytes
from wayside_domains.transit.timetable import Timetable

log = structlog.get_logger(__name__)
HELD = 2
"""Timetables of the past that are held in memory, by network."""
UNDER_WAY = timedelta(days=1)
"""For how long trips of the timetable before are still known."""
TODAY = "The timetable of that moment is not kept: what was planned is told by the timetable of today."


@dataclass(frozen=True)
class Then:
    """A timetable, a sentence where it is not the one that was asked for, and from when until when all this holds.

    `since` null: always before; `until` null: until now.
    """

    timetable: Timetable | None
    note: str = ""
    since: datetime | None = None
    until: datetime | None = None


class History:
    """The timetables of one network since they are kept, in any thread."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._current: tuple[str, pl.DataFrame | None] = ("", None)
        self._held: OrderedDict[tuple[str, str], Timetable] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, timetable: Timetable, now: datetime) -> None:
        """Write down from when on a timetable is in use. Raises OSError."""
        digest = digest_of(timetable)
        if self._versions.keep(digest, now, lambda: to_bytes(timetable)):
            log.info("timetable.kept", network=timetable.network, since=now.isoformat(), digest=digest)
        self._current = (digest, timetable.calls)

    def at(self, at: datetime, current: Timetable) -> Then:
        """The one that was in use at an instant, else the nearest that can be had, which is said."""
        versions = self._versions.all()
        found = [one for one in versions if one.since <= at]
        version = found[-1] if found else versions[0] if versions else None
        if version is None:
            return Then(current, TODAY)
        digest, calls = self._current
        now = version.digest == digest and current.calls is calls
        fresh = len(found) > 1 and at - version.since < UNDER_WAY
        timetable = current if now else self._read(version, found[-2] if fresh else None)
        since, until = (version.since, version.until) if found else (None, version.since)
        if timetable is None:
            return Then(current, TODAY, since, until)
        return Then(timetable, "" if found else gone(version, timetable.zone, now=now), since, until)

    def _read(self, version: Version, before: Version | None) -> Timetable | None:
        """A timetable that was kept, with the one before it; null where it has gone meanwhile, or is damaged."""
        key = (version.digest, before.digest if before is not None else "")
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
            found, older = read(version), read(before) if before is not None else None
            if found is None:
                return None
            self._held[key] = replace(found, before=older)
            while len(self._held) > HELD:
                self._held.popitem(last=False)
            return self._held[key]


def read(version: Version) -> Timetable | None:
    """What a file holds; null, and told in the log, where it cannot be read."""
    try:
        return from_bytes(version.path.read_bytes())
    except (OSError, WaysideError) as error:
        log.error("timetable.lost", path=str(version.path), why=str(error))
        return None


def gone(oldest: Version, zone: str, *, now: bool) -> str:
    """What is said where the timetable of an instant is no longer kept, and the oldest that is stands in."""
    since = oldest.since.astimezone(ZoneInfo(zone)).strftime("%-d %b %Y %H:%M")
    if now:
        return f"{TODAY} It is in use since {since}."
    return f"The timetable of that moment is not kept: what was planned is told by the oldest that is, of {since}."
