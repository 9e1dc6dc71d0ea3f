"""Trips that run every so often: feeds name them by their start as well, the timetable has each start as a trip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from wayside.adapters import Change
from wayside_domains.transit.times import clock_of, seconds_of
from wayside_domains.transit.timetable import Timetable

Read = Callable[[bytes], Change]


def by_start(read: Read, timetable: Callable[[], Timetable | None]) -> Read:
    """The same reader, with the trip's start in its id where the timetable has it so; all others keep their id."""

    def named(body: bytes) -> Change:
        change = read(body)
        known = timetable()
        return change if known is None else replace(change, messages=[one(known, each) for each in change.messages])

    return named


def one(timetable: Timetable, message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message whose trip may be one of many starts."""
    trip_id, start = message.get("trip_id"), message.get("start_time")
    if trip_id is None or start is None:
        return message
    try:
        copy = f"{trip_id}@{clock_of(seconds_of(start))}"
    except ValueError:
        return message
    return {**message, "trip_id": copy} if timetable.trip(copy) is not None else message
