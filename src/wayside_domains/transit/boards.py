"""What leaves a stop from five minutes ago to half an hour ahead: the plan, and what the vehicles say of it.

The expected time is what the agency's feed predicts, where it does; else the planned one and the delay that the
vehicle has now. Each is called just that (`basis`): no model is asked. A trip that should be under way and of which
nobody hears is `silent`, a vehicle that was heard of too long ago is `stale`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import polars as pl

from wayside_domains.transit.foretold import SKIPPED, Foretold, Predictions
from wayside_domains.transit.matching import AT_STOP
from wayside_domains.transit.times import anchor, service_days, text_of
from wayside_domains.transit.timetable import Timetable
from wayside_domains.transit.unplanned import EXTRA, Plan, ToldCall, ToldRun, unplanned

BEFORE, AHEAD = timedelta(minutes=5), timedelta(minutes=30)
LATEST = timedelta(hours=1)
"""A vehicle that is later than this is not looked for on the board."""
STALE = timedelta(seconds=90)
DEAD = timedelta(minutes=5)
State = Literal["live", "stale", "silent", "planned", "expected", "departed", "cancelled"]
Basis = Literal["prediction", "delay", "timetable"]
Runs = Mapping[tuple[str, str], Mapping[str, Any]]
Expects = Callable[[Iterable[str], Sequence[str]], Predictions]


@dataclass(frozen=True)
class Departure:
    """One line of a board. `expected` equals `planned` where nothing is known beside the timetable; `age` in seconds.

    `delay` is the vehicle's own, in seconds, whatever is predicted. `state` is `cancelled` where the trip will not run,
    or not stop here, and `expected` where only the feed knows the trip and nobody hears its vehicle. `planned` is null
    where the feed does not tell it of a trip that the timetable does not have; `plan` says which those are.
    """

    trip_id: str
    start_date: str | None
    route_id: str
    direction_id: int | None
    headsign: str | None
    stop_id: str
    sequence: int | None
    planned: datetime | None
    expected: datetime
    delay: float | None
    state: State
    vehicle_id: str | None
    age: float | None
    basis: Basis
    plan: Plan = "timetable"


@dataclass(frozen=True)
class Known:
    """What is known of a call beside its timetable: its vehicle, and what the agency's feed expects."""

    state: Mapping[str, Any] | None = None
    told: Foretold | None = None
    cancelled: bool = False

    def age(self, now: datetime) -> float | None:
        """Seconds since the vehicle was heard of; null where none is known."""
        return (now - self.state["timestamp"]).total_seconds() if self.state is not None else None


def runs_of(states: pl.DataFrame) -> Runs:
    """Vehicle states by trip and service day (empty where none is known); of two on one trip the one heard of last."""
    known = states.drop_nulls(["trip_id"]).sort("timestamp")
    return {(row["trip_id"], row["start_date"] or ""): row for row in known.iter_rows(named=True)}


def runs_of_one(state: Mapping[str, Any]) -> Runs:
    """The same of one vehicle's state."""
    return {(state["trip_id"], state["start_date"] or ""): state} if state["trip_id"] is not None else {}


def departures(
    timetable: Timetable | None,
    stop_id: str,
    now: datetime,
    runs: Runs,
    *,
    before: timedelta = BEFORE,
    ahead: timedelta = AHEAD,
    expects: Expects | None = None,
) -> list[Departure]:
    """The board of a stop, or of a station with all of its platforms, in the order of expected times.

    `expects` gives the predictions of some trips, and of all that call at some stops.
    """
    rows = list(planned(timetable, stop_id, now, before, ahead)) if timetable is not None else []
    stops = timetable.platforms(stop_id) if timetable is not None else [stop_id]
    trips = {row["trip_id"] for _, row in rows}
    predictions = expects(trips, stops) if expects is not None else Predictions([], now)
    found = list(beside_the_plan(unplanned(predictions, timetable), stops, now, runs))
    for day, row in rows:
        trip_id = row["trip_id"]
        if timetable is None or predictions.replaced(trip_id, day) or predictions.deleted(trip_id, day):
            continue
        told = predictions.of(timetable, trip_id, day)
        call = timetable.calls_of(trip_id).sequences.index(row["sequence"]) if told else -1
        known = Known(runs.get((trip_id, text_of(day))), told.get(call), predictions.cancelled(trip_id, day))
        found.append(departure(timetable, day, row, now, known))
    within = (line for line in found if now - before <= line.expected <= now + ahead)
    return sorted(within, key=lambda line: (line.expected, line.planned or line.expected, line.trip_id))


def beside_the_plan(told: Iterable[ToldRun], stops: Sequence[str], now: datetime, runs: Runs) -> Iterator[Departure]:
    """The lines of a board that rest on the feed alone."""
    for run in told:
        state = running(run, runs)
        known = Known(state)
        age = known.age(now)
        for call in run.leaving():
            if call.stop_id not in stops:
                continue
            skipped, expected = call.relationship == SKIPPED, call.due if call.goes is None else call.goes
            assert expected is not None
            yield Departure(
                run.trip_id,
                run.start_date,
                run.route_id or (state["route_id"] if state is not None else None) or "",
                run.direction_id,
                run.headsign,
                call.stop_id,
                call.sequence,
                None if call.due is None else datetime.fromtimestamp(call.due, UTC),
                datetime.fromtimestamp(expected, UTC),
                None,
                "cancelled" if skipped else told_state(call, state, age, expected < now.timestamp()),
                state["vehicle_id"] if state is not None else run.vehicle_id,
                round(age, 1) if age is not None else None,
                "timetable" if skipped or not call.told else "prediction",
                plan_with(run, state),
            )


def running(run: ToldRun, runs: Runs) -> Mapping[str, Any] | None:
    """The vehicle of a run of which only the feed knows."""
    if run.start_date is not None:
        return runs.get((run.trip_id, run.start_date)) or runs.get((run.trip_id, ""))
    return max((row for (trip, _), row in runs.items() if trip == run.trip_id), key=heard_at, default=None)


def heard_at(row: Mapping[str, Any]) -> datetime:
    """When a vehicle was heard of."""
    at: datetime = row["timestamp"]
    return at


def plan_with(run: ToldRun, state: Mapping[str, Any] | None) -> Plan:
    """What a run is to the timetable: its vehicle may say that it was added where its calls do not."""
    added = run.plan in ("unknown", "feed") and state is not None and state["relationship"] in EXTRA
    return "added" if added else run.plan


def told_state(call: ToldCall, state: Mapping[str, Any] | None, age: float | None, over: bool) -> State:
    """How a call stands of which only the feed knows; its vehicle's number of the stop says whether it has left."""
    if state is None or age is None or age >= DEAD.total_seconds():
        return "departed" if over else "expected"
    if left(call, state):
        return "departed"
    return "live" if age < STALE.total_seconds() else "stale"


def left(call: ToldCall, state: Mapping[str, Any]) -> bool:
    """Whether a vehicle says that it is beyond the stop of a call of which only its feed knows."""
    number = state["stop_sequence"]
    return call.sequence is not None and number is not None and bool(number > call.sequence)


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


def departure(timetable: Timetable, day: date, row: Mapping[str, Any], now: datetime, known: Known) -> Departure:
    """One line of the board: a call of the plan with what is known of it."""
    due, state, age = timetable.at(day, row["departs"]), known.state, known.age(now)
    delay = state["delay"] if state is not None and age is not None and age < DEAD.total_seconds() else None
    kind = state_of(timetable, day, row, now, known)
    expected, basis = expected_at(due, delay, kind, known.told)
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
        basis,
    )


def state_of(timetable: Timetable, day: date, row: Mapping[str, Any], now: datetime, known: Known) -> State:
    """How a call stands."""
    state, age = known.state, known.age(now)
    if known.cancelled or (known.told is not None and known.told.skipped):
        return "cancelled"
    if state is None or age is None or age >= DEAD.total_seconds():
        started = timetable.at(day, row["starts"]) + timedelta(minutes=2) < now
        return "silent" if started and known.told is None else "planned"
    if has_left(timetable, row, state):
        return "departed"
    return "live" if age < STALE.total_seconds() else "stale"


def expected_at(due: datetime, delay: float | None, kind: State, told: Foretold | None) -> tuple[datetime, Basis]:
    """When a call is expected to end, and what that rests on."""
    if kind == "cancelled":
        return due, "timetable"
    if told is not None and kind != "departed":
        return datetime.fromtimestamp(told.departure, UTC), "prediction"
    return (due, "timetable") if delay is None else (due + timedelta(seconds=max(0.0, delay)), "delay")


def words_of(bases: Iterable[str], timetable: str) -> str:
    """What expected times rest on, in words; `timetable` are those for the plan and the present delay."""
    found = set(bases)
    if "prediction" not in found:
        return timetable
    return "agency's predictions" + (f" where it has any, else on the {timetable}" if len(found) > 1 else "")


def has_left(timetable: Timetable, row: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    """Whether a vehicle is beyond the stop of a call."""
    calls = timetable.calls_of(row["trip_id"])
    if state["along"] is None or calls.along is None:
        return False
    return bool(state["along"] > calls.along[calls.sequences.index(row["sequence"])] + AT_STOP)
