"""Irish Rail's current positions as messages, to show that another kind of feed is one file.

The XML names trains by code and day, and says what it knows in a sentence: `P511\\nCobh to Cork\\nExpected Departure
09:30`, or `A209\\n09:25 - Cork to Dublin (3 mins late)\\nDeparted Mallow`. A train that is nowhere yet (0/0) is
refused by the rules of its record, like one without a code or with a delay of a day.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from wayside.adapters import Change, UnusableBodyError
from wayside.clock import SYSTEM, Clock

SPACE = "{http://api.irishrail.ie/realtime/}"
LATE = re.compile(r"\((-?\d{1,4}) mins? late\)")
LARGEST = 8 << 20
FORBIDDEN = (b"<!DOCTYPE", b"<!ENTITY")
STATES = {"N": "SCHEDULED", "R": "RUNNING", "T": "TERMINATED"}


class Reader:
    """What a `Polling` reads the feed with. The document has no time of its own: it is that of its receipt."""

    def __init__(self, network: str, clock: Clock = SYSTEM) -> None:
        self._network = network
        self._clock = clock

    def __call__(self, body: bytes) -> Change:
        return self.read(body, self._clock.now())

    def read(self, body: bytes, at: datetime) -> Change:
        """The trains of a document that was received at an instant. Raises UnusableBodyError."""
        root = parsed(body)
        if root.tag != f"{SPACE}ArrayOfObjTrainPositions":
            raise UnusableBodyError("The document is another one.", why=f"Its root is {root.tag[:80]!r}.")
        return Change("reset", list(self.messages(root, at)), at)

    def messages(self, root: ElementTree.Element, at: datetime) -> Iterator[dict[str, Any]]:
        """One message per train."""
        for train in root.iter(f"{SPACE}objTrainPositions"):
            cells = {child.tag.removeprefix(SPACE): (child.text or "").strip() for child in train}
            code, day = cells.get("TrainCode"), day_of(cells.get("TrainDate", ""))
            said = cells.get("PublicMessage", "").replace("\\n", "\n")
            yield {
                "network": self._network,
                "vehicle_id": code and f"{code}@{day or ''}",
                "timestamp": at,
                "label": code,
                "trip_id": code,
                "start_date": day,
                "latitude": number(cells.get("TrainLatitude")),
                "longitude": number(cells.get("TrainLongitude")),
                "relationship": STATES.get(cells.get("TrainStatus", ""), cells.get("TrainStatus")),
                "message": " · ".join(part.strip() for part in said.split("\n") if part.strip()) or None,
                "reported_delay": delay_of(said),
            }


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
