"""Arrivals and departures as they happen, from the positions of vehicles: dwell, headways, bunching and gaps.

The same reading as in `arrivals`, position by position: each one beside the one before it of its running of a trip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl

from wayside.domain import Flow, Table, Window, count, maximum, mean, minimum, total
from wayside_domains.transit.apart import apart_on
from wayside_domains.transit.arrivals import BUNCHED, LONGEST, ON_TIME, Leg, between_words, due_at
from wayside_domains.transit.matching import REPLACED, Timetables
from wayside_domains.transit.records import Followed, Passage, StopCall, VehicleMove, VehicleProgress, Visit
from wayside_domains.transit.times import day_of
from wayside_domains.transit.timetable import Calls, Timetable

GAPPED = 1.75
"""A vehicle that comes more than this many times the planned distance in time behind another leaves a gap."""
LATENESS = "4m"
"""A call is known with the first position behind it, at most three minutes later."""
SMALL_HOURS = timedelta(hours=3)
RUN = ("network", "vehicle_id", "trip_id", "start_date")
MADE = ("stop_id", "event", "timestamp", "planned", "delay", "on_time", "stop_sequence", "planned_headway")
CALLS = pl.List(pl.Struct({name: Passage.schema()[name] for name in MADE}))
MOVED = tuple(name for name in VehicleMove.fields if name not in ("route_id", "direction_id"))


@dataclass(frozen=True)
class Passages:
    """The steps: calls at stops one by one, the newest of each stop and line, those of a span of time, and numbers."""

    calls: Flow
    latest: Table
    times: Window
    numbers: Window


def passages_of(states: Flow, timetables: Timetables, prefix: str, zone: str) -> Passages:
    """Everything that follows from the states of vehicles; `zone` is that of trips whose service day nobody tells."""
    told = partial(progressing, zone=zone)
    progress = states.stream(f"{prefix}vehicle_progress", into=VehicleProgress, transform=told)
    moves = progress.previous(
        f"{prefix}vehicle_moves", by=[*RUN, "basis"], into=VehicleMove,
        columns={
            "before": "timestamp", "before_speed": "speed", "before_status": "status", "before_stop_id": "stop_id",
            "before_stop_sequence": "stop_sequence",
        },
        running={"furthest": maximum("along"), "reached": maximum("stop_sequence"), "stood": maximum("standing")},
    )  # fmt: skip
    passing = moves.stream(f"{prefix}stop_passages", into=Passage, transform=passed(timetables))
    visits = passing.previous(
        f"{prefix}stop_visits", by=[*RUN, "stop_id", "stop_sequence"], into=Visit,
        horizon="30m",
        columns={"came": "timestamp", "came_event": "event"},
    )  # fmt: skip
    followed = visits.previous(
        f"{prefix}stop_followed", by=["network", "stop_id", "way", "event"], into=Followed, horizon="6h",
        columns={"ahead": "timestamp", "ahead_vehicle_id": "vehicle_id"},
    )  # fmt: skip
    calls = followed.stream(f"{prefix}stop_calls", into=StopCall, transform=spaced)
    latest = calls.table(f"{prefix}stop_headways", by=["network", "stop_id", "way", "event"])
    one = [*RUN, "stop_id", "stop_sequence", "route_id", "direction_id", "event"]
    times = calls.window(
        f"{prefix}stop_times", by=one, every="1m", lateness=LATENESS,
        calls=count(), moment=minimum("moment"), delay=mean("delay"), headway=mean("headway"), dwell=mean("dwell"),
        planned_headway=minimum("planned_headway"), bunched=mean("bunched"), gaps=mean("gap"),
    )  # fmt: skip
    # Spans are short, because rows are held until a span closes; who asks for hours adds them up.
    numbers = calls.window(
        f"{prefix}line_calls", by=["network", "route_id", "direction_id", "event"], every="5m", lateness=LATENESS,
        calls=count(), on_time=total("on_time"), early=total("early"), late=total("late"), delay=total("delay"),
        latest=maximum("delay"),
    )  # fmt: skip
    return Passages(calls, latest, times, numbers)


def progressing(rows: pl.LazyFrame, *, zone: str) -> pl.LazyFrame:
    """Vehicles on a trip, as far as they tell something of their calls.

    Of a trip that only its feed knows, some feeds do not tell the service day: it is that of the clocks, which for this
    change in the small hours.
    """
    on_line, says = pl.col("along").is_not_null(), pl.col("stop_id").is_not_null()
    known = ~pl.col("removed") & pl.col("trip_id").is_not_null()
    clocks = pl.col("timestamp").dt.convert_time_zone(zone).dt.replace_time_zone(None) - SMALL_HOURS
    standing = pl.when(pl.col("status") == "stopped").then("stop_sequence")
    made = {
        "basis": pl.when(on_line).then(pl.lit("line")).otherwise(pl.lit("words")),
        "route_id": pl.col("route_id").fill_null(""),
        "standing": standing,
        "start_date": pl.col("start_date").fill_null(clocks.dt.strftime("%Y%m%d")),
    }
    told = known & (on_line | says)
    return rows.filter(told).select([made.get(name, pl.col(name)).alias(name) for name in VehicleProgress.fields])


def passed(timetables: Timetables) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    """A stream's transform: moves become what happened at stops in them."""
    read = partial(calls_in, timetables=timetables)

    def stop_passages(rows: pl.LazyFrame) -> pl.LazyFrame:
        calls = pl.struct(MOVED).map_batches(read, return_dtype=CALLS)
        made = {name: pl.col("_calls").struct.field(name) for name in MADE}
        direction = pl.col("direction_id").cast(pl.String).fill_null("-")
        made |= {"source": pl.lit("inferred"), "way": pl.col("route_id") + "/" + direction}
        found = rows.filter(pl.col("before").is_not_null()).with_columns(calls.alias("_calls"))
        found = found.filter(pl.col("_calls").list.len() > 0).explode("_calls")
        return found.select([made.get(name, pl.col(name)).alias(name) for name in Passage.fields])

    return stop_passages


def calls_in(moves: pl.Series, timetables: Timetables) -> pl.Series:
    """What happened in each of some moves, as lists of the fields `MADE`."""
    found = [list(calls_of(move, timetables(move["network"]))) for move in moves.to_list()]
    return pl.Series("_calls", found, dtype=CALLS)


def calls_of(move: dict[str, Any], timetable: Timetable | None) -> Iterator[dict[str, Any]]:
    """What happened at stops between a position and the one before it."""
    begin, end = move["before"].timestamp(), move["timestamp"].timestamp()
    if end - begin > LONGEST:
        return
    timetable = timetable.of_trip(move["trip_id"]) if timetable is not None else None
    trip = timetable.trip(move["trip_id"]) if timetable is not None else None
    if move.get("relationship") == REPLACED:
        trip = None  # the calls of the timetable are not its own
    calls = timetable.calls_of(trip.trip_id) if timetable is not None and trip is not None else None
    on_line = calls is not None and calls.along is not None
    if move["basis"] == "words":
        if not on_line:  # else the vehicle is off its line, where nothing is inferred
            yield from calls_by_words(move, begin, end, timetable if calls is not None else None)
        return
    if timetable is None or calls is None or calls.along is None:
        return
    start = float(move["furthest"])
    leg = Leg(begin, end, start, max(start, float(move["along"])), (move["before_speed"], move["speed"]))
    yield from calls_on_line(move, leg, timetable, calls)


def calls_on_line(move: dict[str, Any], leg: Leg, timetable: Timetable, calls: Calls) -> Iterator[dict[str, Any]]:
    """Calls by the way along the line."""
    assert calls.along is not None
    apart = apart_on(timetable, day_of(move["start_date"]))
    for index, event, moment in leg.calls(calls.along):
        due = due_at(timetable, calls, index, event, move["start_date"])
        delay = round(moment - due, 1)
        yield {
            "stop_id": calls.stops[index],
            "event": event,
            "timestamp": datetime.fromtimestamp(moment, UTC),
            "planned": datetime.fromtimestamp(due, UTC),
            "delay": delay,
            "on_time": float(ON_TIME[0] <= delay <= ON_TIME[1]),
            "stop_sequence": calls.sequences[index],
            "planned_headway": apart.at(move["trip_id"], index, event),
        }


def calls_by_words(
    move: dict[str, Any], begin: float, end: float, timetable: Timetable | None
) -> Iterator[dict[str, Any]]:
    """Calls by what the feed says of stops; `timetable` is that of the trip, if there is one that has it."""
    for event, of_now, moment in said_between(move, begin, end):
        number = move["stop_sequence"] if of_now else move["before_stop_sequence"]
        due, apart = planned_call(move, number, event, timetable)
        if due is None and move["delay"] is not None:
            due = moment - move["delay"]  # as the feed itself says
        delay = None if due is None else round(moment - due, 1)
        yield {
            "stop_id": move["stop_id"] if of_now else move["before_stop_id"],
            "event": event,
            "timestamp": datetime.fromtimestamp(moment, UTC),
            "planned": None if due is None else datetime.fromtimestamp(due, UTC),
            "delay": delay,
            "on_time": None if delay is None else float(ON_TIME[0] <= delay <= ON_TIME[1]),
            "planned_headway": apart,
            "stop_sequence": 0 if number is None else number,
        }


def said_between(move: dict[str, Any], begin: float, end: float) -> Iterator[tuple[str, bool, float]]:
    """What happened between two things said of stops. Where they have no numbers, another stop is a later one."""
    old, number = move["before_stop_sequence"], move["stop_sequence"]
    if old is not None and number is not None:
        before, now = (begin, old, move["before_status"]), (end, number, move["status"])
        yield from between_words(before, now, move["reached"], move["stood"])
    elif old is None and number is None and move["before_stop_id"] is not None:
        another = int(move["stop_id"] != move["before_stop_id"])
        stood = 0 if move["before_status"] == "stopped" else None
        yield from between_words((begin, 0, move["before_status"]), (end, another, move["status"]), 0, stood)


def planned_call(
    move: dict[str, Any], number: int | None, event: str, timetable: Timetable | None
) -> tuple[float | None, float | None]:
    """When a call of a trip was due, in seconds since 1970, and how far behind the trip before it, where known."""
    calls = timetable.calls_of(move["trip_id"]) if timetable is not None else None
    if timetable is None or calls is None or number not in calls.sequences:
        return None, None
    index = calls.sequences.index(number)
    due = due_at(timetable, calls, index, event, move["start_date"])
    return due, apart_on(timetable, day_of(move["start_date"])).at(move["trip_id"], index, event)


def spaced(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Dwell, headway and how even the spacing is."""
    headway = seconds("timestamp", "ahead")
    share = headway / pl.col("planned_headway")
    spacing = pl.when(share < BUNCHED).then(pl.lit("bunched")).when(share > GAPPED).then(pl.lit("gap"))
    came = (pl.col("event") == "departure") & (pl.col("came_event") == "arrival")
    delay = pl.col("delay")
    made = {
        "moment": pl.col("timestamp").dt.epoch("us") / 1e6,
        "dwell": pl.when(came).then(seconds("timestamp", "came")),
        "headway": headway,
        "spacing": pl.when(share.is_not_null()).then(spacing.otherwise(pl.lit("even"))),
        "bunched": (share < BUNCHED).cast(pl.Float64),
        "gap": (share > GAPPED).cast(pl.Float64),
        "early": (delay < ON_TIME[0]).cast(pl.Float64),
        "late": (delay > ON_TIME[1]).cast(pl.Float64),
    }
    return rows.select([made.get(name, pl.col(name)).alias(name) for name in StopCall.fields])


def seconds(later: str, earlier: str) -> pl.Expr:
    """Seconds between two columns of instants."""
    return (pl.col(later) - pl.col(earlier)).dt.total_microseconds() / 1e6
