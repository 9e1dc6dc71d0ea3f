"""What leaves a stop from five minutes ago to half an hour ahead: the plan, and what the vehicles say of it.

The expected time is the planned one and the delay that the vehicle has now, called just that: no model is asked. A trip
that should be under way and of which nobody hears is `silent`, a vehicle that was heard of too long ago is `stale`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import polars as pl

from wayside_domains.transit.matching import AT_STOP
from wayside_domains.transit.times import anchor, service_days, text_of
from wayside_domains.transit.timetable import Timetable

BEFORE, AHEAD = timedelta(minutes=5), timedelta(minutes=30)
LATEST = timedelta(hours=1)
"""A vehicle that is later than this is not looked for on the board."""
STALE = timedelta(seconds=90)
DEAD = timedelta(minutes=5)
State = Literal["live", "stale", "silent", "planned", "departed"]
Runs = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class Departure:
    """One line of a board. `expected` equals `planned` where no vehicle is known; `age` in seconds."""

    trip_id: str
    start_date: str
    route_id: str
    direction_id: int | None
    headsign: str | None
    stop_id: str
    sequence: int
    planned: datetime
    expected: datetime
    delay: float | None
    state: State
    vehicle_id: str | None
    age: float | None


def runs_of(states: pl.DataFrame) -> Runs:
    """Vehicle states by trip and service day; of two vehicles on one trip the one heard of last."""
    known = states.drop_nulls(["trip_id", "start_date"]).sort("timestamp")
    return {(row["trip_id"], row["start_date"]): row for row in known.iter_rows(named=True)}


def departures(
    timetable: Timetable,
    stop_id: str,
    now: datetime,
    runs: Runs,
    *,
    before: timedelta = BEFORE,
    ahead: timedelta = AHEAD,
) -> list[Departure]:
    """The board of a stop, or of a station with all of its platforms, in the order of expected times."""
    found: list[Departure] = []
    for day, row in planned(timetable, stop_id, now, before, ahead):
        line = departure(timetable, day, row, now, runs.get((row["trip_id"], text_of(day))))
        if now - before <= line.expected <= now + ahead:
            found.append(line)
    return sorted(found, key=lambda line: (line.expected, line.planned, line.trip_id))


def planned(
    timetable: Timetable, stop_id: str, now: datetime, before: timedelta, ahead: timedelta
) -> Iterator[tuple[date, dict[str, Any]]]:
    """Calls of the plan at a stop that may fall into the time of the board, with their service days."""
    calls = timetable.calls.filter(pl.col("stop_id").is_in(timetable.platforms(stop_id)))
    if calls.is_empty():
        return
    for day in service_days(
        now + ahead, timetable.zone, timetable.latest + int((LATEST + ahead + before).total_seconds())
    ):
        zero = anchor(day, timetable.zone)
        least = (now - before - LATEST - zero).total_seconds()
        most = (now + ahead - zero).total_seconds()
        within = calls.filter(pl.col("departs").is_between(least, most))
        rows = within.join(timetable.trips_on(day), on="trip_id", how="inner")
        for row in rows.iter_rows(named=True):
            if row["departs"] < row["ends"] or row["arrives"] < row["ends"]:  # nothing leaves the last stop
                yield day, row


def departure(
    timetable: Timetable, day: date, row: Mapping[str, Any], now: datetime, state: Mapping[str, Any] | None
) -> Departure:
    """One line of the board: a call of the plan with what is known of the vehicle that makes it."""
    due = timetable.at(day, row["departs"])
    age = (now - state["timestamp"]).total_seconds() if state is not None else None
    delay = state["delay"] if state is not None and age is not None and age < DEAD.total_seconds() else None
    expected = due + timedelta(seconds=max(0.0, delay)) if delay is not None else due
    kind: State
    if state is None or age is None or age >= DEAD.total_seconds():
        kind = "silent" if timetable.at(day, row["starts"]) + timedelta(minutes=2) < now else "planned"
    elif has_left(timetable, row, state):
        kind = "departed"
    else:
        kind = "live" if age < STALE.total_seconds() else "stale"
    return Departure(
        row["trip_id"],
        text_of(day),
        row["route_id"],
        row["direction_id"],
        row["headsign"],
        row["stop_id"],
        row["sequence"],
        due.astimezone(UTC),
        expected.astimezone(UTC),
        delay,
        kind,
        state["vehicle_id"] if state is not None else None,
        round(age, 1) if age is not None else None,
    )


def has_left(timetable: Timetable, row: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    """Whether a vehicle is beyond the stop of a call."""
    calls = timetable.calls_of(row["trip_id"])
    if state["along"] is None or calls.along is None:
        return False
    return bool(state["along"] > calls.along[calls.sequences.index(row["sequence"])] + AT_STOP)
