"""Trips of which only an agency's feed knows: added ones, copies of planned ones, those that replace a planned one.

The timetable has no times for them, or not those that hold, so the feed's own calls are all that there is. A copy runs
like the trip of the timetable that it names, from its own start on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from wayside_domains.transit.foretold import (
    ANY_DAY,
    CANCELLED,
    COPY,
    NO_DATA,
    SKIPPED,
    Predictions,
)
from wayside_domains.transit.matching import REPLACED
from wayside_domains.transit.times import anchor, day_of, day_or_none, seconds_of
from wayside_domains.transit.timetable import Timetable, Trip

Plan = Literal["timetable", "added", "replacement", "unknown", "feed"]
"""Whose calls they are: the timetable's; those of a trip beside it, or in place of one of its trips; those of a trip
that the feed takes for planned and the timetable here does not have (`unknown`); or there is none (`feed`)."""
EXTRA = ("ADDED", "NEW", "UNSCHEDULED", COPY)
"""What feeds call trips that run beside the timetable."""
WHOLE = ("NEW", REPLACED)
"""Of these the feed tells all calls, with a number, a stop, an arrival and a departure."""
NOTES: Mapping[Plan, str] = {"added": "added", "replacement": "changed", "unknown": "not in the timetable"}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class ToldCall:
    """One call as the feed tells it, in seconds since 1970; `planned` are arrival and departure, where it says."""

    stop_id: str
    sequence: int | None
    arrival: float | None
    departure: float | None
    planned: tuple[float | None, float | None] = (None, None)
    relationship: str | None = None
    told: bool = True
    """False where only the trip that is copied says when."""

    @property
    def comes(self) -> float | None:
        """When it arrives, or at least leaves; null where nothing is expected."""
        return self.departure if self.arrival is None else self.arrival

    @property
    def goes(self) -> float | None:
        """When it leaves, or at least arrives; null where nothing is expected."""
        return self.arrival if self.departure is None else self.departure

    @property
    def due(self) -> float | None:
        """When it should leave, else arrive."""
        return self.planned[0] if self.planned[1] is None else self.planned[1]


@dataclass(frozen=True)
class ToldRun:
    """One running of a trip, as the feed tells it. `told` is when; `relationship` its own word for it."""

    trip_id: str
    start_date: str | None
    start_time: str | None
    route_id: str | None
    direction_id: int | None
    headsign: str | None
    vehicle_id: str | None
    relationship: str | None
    copy_of: str | None
    plan: Plan
    told: datetime
    calls: tuple[ToldCall, ...]

    def leaving(self) -> Iterator[ToldCall]:
        """Its calls without the one at which it ends, and those of which no time is known."""
        for index, call in enumerate(self.calls):
            skipped = call.relationship == SKIPPED
            # Where only one call is told of, nobody says that the trip ends there.
            last = 0 < index == len(self.calls) - 1 and call.departure == call.arrival
            ends = not skipped and (last or (call.departure is None and index == len(self.calls) - 1))
            if not ends and (call.due if skipped else call.goes) is not None:
                yield call


def unplanned(predictions: Predictions, timetable: Timetable | None) -> list[ToldRun]:
    """The runs of which something is told lately and that are not, or no longer, the timetable's."""
    found = (run_told(predictions, timetable, run) for run in sorted(predictions.runs()))
    return [run for run in found if run is not None]


def run_told(predictions: Predictions, timetable: Timetable | None, run: tuple[str, str]) -> ToldRun | None:
    """One run as the feed tells it; null where it follows the timetable, does not run, or was told of too long ago."""
    rows = [row for row in predictions.said(run) if predictions.young(row)]
    plan = plan_of(rows, timetable, run)
    if not rows or plan is None:
        return None
    first = rows[0]
    trip = known_trip(timetable, first["copy_of"] or run[0])
    calls = tuple(calls_of(predictions, timetable, rows) if first["copy_of"] is not None else in_order(rows))
    direction = first["direction_id"]
    return ToldRun(
        run[0],
        None if run[1] == ANY_DAY else run[1],
        first["start_time"],
        first["route_id"] or (trip.route_id if trip is not None else None),
        trip.direction_id if direction is None and trip is not None else direction,
        first["headsign"] or (trip.headsign if trip is not None else None) or last_name(timetable, calls),
        next((row["vehicle_id"] for row in rows if row["vehicle_id"] is not None), None),
        first["trip_relationship"] or next((word for row in rows if (word := row["relationship"]) in EXTRA), None),
        first["copy_of"],
        plan,
        max(row["timestamp"] for row in rows),
        calls,
    )


def plan_of(rows: Sequence[Row], timetable: Timetable | None, run: tuple[str, str]) -> Plan | None:
    """What a run is to the timetable; null where it is one of its trips, or will not run."""
    words = {row[name] for row in rows for name in ("trip_relationship", "relationship")}
    if words & set(CANCELLED):
        return None
    planned = known_trip(timetable, run[0]) is not None
    if REPLACED in words and planned:
        return "replacement"
    if not planned or (words & {"ADDED", "NEW"} and not runs_on(timetable, run)):
        added = bool(words & {*EXTRA, REPLACED})
        return "added" if added else "unknown" if timetable is not None else "feed"
    return None


def runs_on(timetable: Timetable | None, run: tuple[str, str]) -> bool:
    """Whether the timetable has a trip on its day; true where the feed does not say which day that is."""
    day = day_or_none(run[1])
    return timetable is None or day is None or run[0] in set(timetable.trips_on(day)["trip_id"])


def known_trip(timetable: Timetable | None, trip_id: str | None) -> Trip | None:
    """A trip of the timetable, or of the one before it."""
    return timetable.of_trip(trip_id).trip(trip_id) if timetable is not None else None


def in_order(rows: Sequence[Row]) -> Iterator[ToldCall]:
    """The calls that rows tell of, by their numbers, else by their times; those without a stop cannot be shown."""
    found = [call for row in rows if (call := told_call(row)) is not None]
    if all(call.sequence is not None for call in found):
        return iter(sorted(found, key=lambda call: call.sequence or 0))
    return iter(sorted(found, key=lambda call: (call.comes is None, call.comes or 0.0)))


def told_call(row: Row) -> ToldCall | None:
    """One row as a call; null where it tells of no stop."""
    if row["stop_id"] is None:
        return None
    planned = (seconds(row["planned_arrival"]), seconds(row["planned_departure"]))
    if row["relationship"] in (SKIPPED, NO_DATA):
        return ToldCall(row["stop_id"], row["stop_sequence"], None, None, planned, row["relationship"])
    arrival, departure = (time_of(row, name, due) for name, due in zip(("arrival", "departure"), planned, strict=True))
    return ToldCall(row["stop_id"], row["stop_sequence"], arrival, departure, planned)


def time_of(row: Row, name: str, due: float | None) -> float | None:
    """When a call's arrival or departure is expected: told as an instant, or as seconds behind what is planned."""
    if row[name] is None and due is not None and row[f"{name}_delay"] is not None:
        return due + float(row[f"{name}_delay"])
    return seconds(row[name])


def calls_of(predictions: Predictions, timetable: Timetable | None, rows: Sequence[Row]) -> Iterator[ToldCall]:
    """The calls of a copy: those of the trip that it copies, from its own start on, and what is told of them."""
    first = rows[0]
    if timetable is None or (zero := start_of(timetable, first)) is None:
        yield from in_order(rows)
        return
    calls = timetable.of_trip(first["copy_of"]).calls_of(first["copy_of"])
    told = predictions.beside(rows, calls, zero)
    for index, (stop, number) in enumerate(zip(calls.stops, calls.sequences, strict=True)):
        due = (zero + float(calls.arrivals[index]), zero + float(calls.departures[index]))
        one = told.get(index)
        if one is not None and one.skipped:
            yield ToldCall(stop, number, None, None, due, SKIPPED)
            continue
        arrival, departure = due if one is None else (one.arrival, one.departure)
        # A trip begins with a departure and ends with an arrival.
        ends = (arrival if index else None, departure if index < len(calls) - 1 else None)
        yield ToldCall(stop, number, *ends, due, told=one is not None)


def start_of(timetable: Timetable, row: Row) -> float | None:
    """The second since 1970 from which the times of the copied trip count; null where the feed does not tell it."""
    if known_trip(timetable, row["copy_of"]) is None or row["start_time"] is None:
        return None
    calls = timetable.of_trip(row["copy_of"]).calls_of(row["copy_of"])
    try:
        day: date = day_of(row["start_date"])
        return anchor(day, timetable.zone).timestamp() + seconds_of(row["start_time"]) - float(calls.departures[0])
    except ValueError:
        return None


def last_name(timetable: Timetable | None, calls: Sequence[ToldCall]) -> str | None:
    """Where a run ends, by the name of its last stop; null where no timetable knows the stop."""
    place = timetable.place(calls[-1].stop_id) if timetable is not None and calls else None
    return place[0] if place is not None else None


def seconds(at: datetime | None) -> float | None:
    """Seconds since 1970."""
    return None if at is None else at.timestamp()
