"""Irish Rail's current positions as messages, to show that another kind of feed is one file.

The XML names trains by code and day, and says what it knows in a sentence: `P511\\nCobh to Cork\\nExpected Departure
09:30`, or `A209\\n09:25 - Cork to Dublin (3 mins late)\\nDeparted Mallow`. A train that is nowhere yet (0/0) is
refused by the rules of its record, like one without a code or with a delay of a day. What it did last becomes the stop
at which it stands or to which it goes, without a number, since nothing tells the stops of its run.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wayside.adapters import Change, UnusableBodyError
from wayside.clock import SYSTEM, Clock
from wayside_domains.transit.times import day_of as service_day
from wayside_domains.transit.times import instant

SPACE = "{http://api.irishrail.ie/realtime/}"
LATE = re.compile(r"\((-?\d{1,4}) mins? late\)")
WAY = re.compile(r"(?:\d\d:\d\d - )?(.{1,60}?) to (.{1,60}?) ?(?:\(-?\d{1,4} mins? late\))?")
DID = re.compile(r"(Arrived|Departed) (.{1,80}?)(?: next stop (.{1,80}))?")
DUE = re.compile(r"Expected Departure ([01]\d|2[0-3]):([0-5]\d)")
ZONE = "Europe/Dublin"
DAWN = 3
"""The hour of the clocks at which the day of trains begins."""
ENDED = re.compile(r"TERMINATED (.{1,80}?) at \d\d:\d\d")
LARGEST = 8 << 20
FORBIDDEN = (b"<!DOCTYPE", b"<!ENTITY")
STATES = {"N": "SCHEDULED", "R": "RUNNING", "T": "TERMINATED"}


@dataclass(frozen=True)
class Said:
    """What a sentence tells of a train's calls: the stop at which it stands or to which it goes, and its route."""

    stop: str | None = None
    status: str | None = None
    route: str | None = None


class Stations:
    """The codes of stations by their names, as the railway's list in XML has them. Empty, any place is a station, and
    its name its code."""

    def __init__(self, codes: Mapping[str, str] | None = None) -> None:
        self._codes = codes

    @classmethod
    def read(cls, path: Path) -> Stations:
        """From the document of all stations. Raises UnusableBodyError, OSError."""
        root = parsed(path.read_bytes())
        codes: dict[str, str] = {}
        for station in root.iter(f"{SPACE}objStation"):
            code, *names = (
                (station.findtext(f"{SPACE}{tag}") or "").strip()
                for tag in ("StationCode", "StationDesc", "StationAlias")
            )
            codes |= {name: code for name in reversed(names) if name and code}
        return cls(codes)

    def code(self, name: str) -> str | None:
        """The code of a station; null for a junction or a signal, at which nobody gets on."""
        return name if self._codes is None else self._codes.get(name)


class Reader:
    """What a `Polling` reads the feed with. The document has no time of its own: it is that of its receipt."""

    def __init__(self, network: str, clock: Clock = SYSTEM, stations: Stations | None = None) -> None:
        self._network = network
        self._clock = clock
        self._stations = stations or Stations()

    def __call__(self, body: bytes) -> Change:
        return self.read(body, self._clock.now())

    def read(self, body: bytes, at: datetime) -> Change:
        """The trains of a document that was received at an instant. Raises UnusableBodyError."""
        return Change("reset", list(self.messages(trains_of(body), at)), at)

    def departures(self, body: bytes) -> Change:
        """When trains that have not set out are expected to, as predictions. Raises UnusableBodyError."""
        at = self._clock.now()
        return Change("reset", list(self.expected(trains_of(body), at)), at)

    def expected(self, root: ElementTree.Element, at: datetime) -> Iterator[dict[str, Any]]:
        """One message per train that has not set out and whose sentence says when it will."""
        for train in root.iter(f"{SPACE}objTrainPositions"):
            code, day, said = (
                (train.findtext(f"{SPACE}{tag}") or "").strip() for tag in ("TrainCode", "TrainDate", "PublicMessage")
            )
            lines = [line.strip() for line in said.replace("\\n", "\n").split("\n")]
            way = WAY.fullmatch(lines[1]) if len(lines) == 3 else None
            due = DUE.fullmatch(lines[2]) if way is not None else None
            date, stop = day_of(day), self._stations.code(way[1]) if way is not None else None
            if way is None or due is None or date is None or stop is None:
                continue
            yield {
                "network": self._network,
                "trip_id": code,
                "start_date": date,
                "call": stop,
                "timestamp": at,
                "stop_id": stop,
                "route_id": f"{way[1]} to {way[2]}",
                "headsign": way[2],
                "departure": moment(date, int(due[1]), int(due[2])),
            }

    def messages(self, root: ElementTree.Element, at: datetime) -> Iterator[dict[str, Any]]:
        """One message per train."""
        for train in root.iter(f"{SPACE}objTrainPositions"):
            cells = {child.tag.removeprefix(SPACE): (child.text or "").strip() for child in train}
            code, day = cells.get("TrainCode"), day_of(cells.get("TrainDate", ""))
            said = cells.get("PublicMessage", "").replace("\\n", "\n")
            told = told_by(said, self._stations)
            yield {
                "network": self._network,
                "vehicle_id": code and f"{code}@{day or ''}",
                "timestamp": at,
                "label": code,
                "trip_id": code,
                "start_date": day,
                "route_id": told.route,
                "stop_id": told.stop,
                "status": told.status,
                "latitude": number(cells.get("TrainLatitude")),
                "longitude": number(cells.get("TrainLongitude")),
                "relationship": STATES.get(cells.get("TrainStatus", ""), cells.get("TrainStatus")),
                "message": " · ".join(part.strip() for part in said.split("\n") if part.strip()) or None,
                "reported_delay": delay_of(said),
            }


def trains_of(body: bytes) -> ElementTree.Element:
    """The root of a document of trains. Raises UnusableBodyError."""
    root = parsed(body)
    if root.tag != f"{SPACE}ArrayOfObjTrainPositions":
        raise UnusableBodyError("The document is another one.", why=f"Its root is {root.tag[:80]!r}.")
    return root


def moment(date: str, hour: int, minute: int) -> datetime:
    """The instant of a time of the clocks on a train's day, of which the small hours are the last ones."""
    return instant(service_day(date), ((hour + 24 if hour < DAWN else hour) * 60 + minute) * 60, ZONE)


def told_by(message: str, stations: Stations) -> Said:
    """What a sentence of three lines tells: the train, its route, and what it did last."""
    lines = [line.strip() for line in message.split("\n")]
    if len(lines) != 3:
        return Said()
    way = WAY.fullmatch(lines[1])
    route = f"{way[1]} to {way[2]}" if way is not None else None
    if way is not None and lines[2].startswith("Expected Departure"):
        return Said(stations.code(way[1]), "stopped", route)
    if (ended := ENDED.fullmatch(lines[2])) is not None:
        return Said(stations.code(ended[1]), "stopped", route)
    if (did := DID.fullmatch(lines[2])) is None:
        return Said(route=route)
    here = stations.code(did[2])
    if did[1] == "Arrived" and here is not None:
        return Said(here, "stopped", route)
    ahead = stations.code(did[3]) if did[3] is not None else None
    return Said(ahead, "moving" if ahead is not None else None, route)


def parsed(body: bytes) -> ElementTree.Element:
    """The root of a document without any definitions of its own, which is how XML bombs are made. Raises
    UnusableBodyError."""
    if len(body) > LARGEST or any(mark in body.upper() for mark in FORBIDDEN) or b"\x00" in body:
        raise UnusableBodyError("The document is too large, or defines entities.", next="Nothing of it was read.")
    try:
        return ElementTree.fromstring(body)  # noqa: S314  # definitions, by which alone it could do harm, are refused
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UnusableBodyError("The document is no XML.", why=str(error)) from error


def day_of(text: str) -> str | None:
    """`03 Oct 2025` as 20251003; null for what is no day."""
    try:
        return datetime.strptime(text, "%d %b %Y").replace(tzinfo=UTC).strftime("%Y%m%d")
    except ValueError:
        return None


def number(text: str | None) -> float | str | None:
    """A number; what is none stays as it is, so that the rules refuse it and keep it."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def delay_of(message: str) -> float | None:
    """Seconds of delay that a sentence tells; null where it tells none. Whether they can be true, the rules judge."""
    found = LATE.search(message)
    return int(found[1]) * 60.0 if found else None
