"""When vehicles came to their stops and left them, from positions alone; and how far apart they came.

Where the line and the timetable are known, a stop is reached between the last position before it and the first at it,
and left between the last at it and the first behind it; how vehicles brake and speed up says when. Where they are not
known, the feed's own words count: at which stop the vehicle stands, and to which it goes next. What lies between two
positions that are too far apart is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wayside_domains.transit.matching import Timetables
from wayside_domains.transit.records import StopEvent
from wayside_domains.transit.times import anchor, day_of, service_days, text_of
from wayside_domains.transit.timetable import Calls, Timetable

NEAR = 20.0
"""Metres before and behind a stop between which a vehicle is at it."""
BRAKING = 0.8
"""Metres per second squared with which vehicles brake and speed up."""
SLOWEST = 1.0
"""A vehicle that is slower is about to stand, or about to go: its way takes no longer than at this speed."""
LONGEST = 180.0
"""Seconds between two positions beyond which nothing is inferred."""
RUN = ("network", "vehicle_id", "trip_id", "start_date")
ON_TIME = (-60.0, 300.0)
BUNCHED = 0.25
"""A vehicle that comes within this share of the planned distance in time behind another is bunched with it."""


def inferred(states: pl.DataFrame, timetables: Timetables) -> pl.DataFrame:
    """Arrivals and departures of vehicle states (any number of vehicles, in any order), as StopEvents by time."""
    ordered = states.filter(~pl.col("removed")).drop_nulls(["trip_id", "start_date"]).sort("timestamp")
    rows: list[dict[str, Any]] = []
    for (network, *_), run in ordered.group_by(RUN, maintain_order=True):
        timetable = timetables(str(network))
        events = by_progress(run, timetable) if timetable is not None else None
        rows += by_words(run) if events is None else events
    return pl.DataFrame(rows, schema=StopEvent.schema()).sort("timestamp", "stop_sequence", maintain_order=True)


def by_progress(run: pl.DataFrame, timetable: Timetable) -> list[dict[str, Any]] | None:
    """Events of one run by its way along its line; null when line or timetable do not know it."""
    known = run.drop_nulls("along")
    trip = timetable.trip(run["trip_id"][0])
    if trip is None or known.height < 2:
        return None
    calls = timetable.calls_of(trip.trip_id)
    if calls.along is None:
        return None
    times = known["timestamp"].dt.epoch("us").to_numpy() / 1e6
    way = np.maximum.accumulate(known["along"].to_numpy())  # what looks like driving backwards is an error of position
    speeds = known["speed"].to_list()
    found: list[dict[str, Any]] = []
    for before, (one, other) in enumerate(pairwise(zip(times.tolist(), way.tolist(), strict=True))):
        leg = Leg(one[0], other[0], one[1], other[1], (speeds[before], speeds[before + 1]))
        for index, event, moment in leg.calls(calls.along):
            due = due_at(timetable, calls, index, event, run["start_date"][0])
            found.append(row_of(known, (calls.stops[index], calls.sequences[index]), event, moment, due))
    return found


def due_at(timetable: Timetable, calls: Calls, index: int, event: str, start_date: str) -> float:
    """The second since 1970 at which a trip should arrive at one of its stops, or leave it."""
    zero = anchor(day_of(start_date), timetable.zone).timestamp()
    return zero + float((calls.arrivals if event == "arrival" else calls.departures)[index])


@dataclass(frozen=True)
class Leg:
    """What lies between two positions of a vehicle: seconds, metres along its line that do not decrease, and the
    speeds that were told at both (metres per second, or null)."""

    begin: float
    end: float
    start: float
    now: float
    told: tuple[float | None, float | None]

    def arrives(self, stop: float) -> float:
        """When the vehicle came to a stop: it drove on as it did in the position before, and braked."""
        return min(self.begin + travel(stop - self.start, self._speed(0)), self.end)

    def leaves(self, stop: float) -> float:
        """When it left: it sped up until it drove as it did in the position behind the stop."""
        return max(self.end - travel(self.now - stop, self._speed(1)), self.begin)

    def calls(self, stops: NDArray[np.float64]) -> Iterator[tuple[int, str, float]]:
        """What happened at which of a trip's stops (metres along the line), and when; in the order of the moments."""
        if not 0 < self.end - self.begin <= LONGEST:
            return
        low, high = np.searchsorted(stops, (self.start + NEAR, self.now + NEAR), side="right")
        came = {index: self.arrives(float(stops[index])) for index in range(max(int(low), 1), int(high))}
        low, high = np.searchsorted(stops, (self.start - NEAR, self.now - NEAR), side="left")
        going = range(int(low), min(int(high), len(stops) - 1))
        # Nobody leaves before coming: on a way that is passed without a stop the two moments are one.
        left = {index: max(self.leaves(float(stops[index])), came.get(index, self.begin)) for index in going}
        calls = [(at, index, "arrival") for index, at in came.items()]
        calls += [(at, index, "departure") for index, at in left.items()]
        for at, index, event in sorted(calls):
            yield index, event, at

    def _speed(self, which: int) -> float:
        """The speed that was told, else that of the way between the positions."""
        told = self.told[which]
        return (self.now - self.start) / (self.end - self.begin) if told is None else told


def travel(distance: float, speed: float) -> float:
    """Seconds that a vehicle needs for a way at the end of which it stands, or at the begin of which it stood."""
    braking = min(distance, speed * speed / (2 * BRAKING))
    return (distance + braking) / max(speed, SLOWEST)


def row_of(
    run: pl.DataFrame, call: tuple[str, int], event: str, moment: float, planned: float | None
) -> dict[str, Any]:
    """A row of StopEvent: what happened at a call (stop and number), when, and when it should have."""
    stop, sequence = call
    delay = None if planned is None else round(moment - planned, 1)
    return {
        **{name: run[name][-1] for name in ("network", "vehicle_id", "trip_id", "start_date")},
        "stop_id": stop,
        "event": event,
        "timestamp": datetime.fromtimestamp(moment, UTC),
        "planned": None if planned is None else datetime.fromtimestamp(planned, UTC),
        "delay": delay,
        "on_time": None if delay is None else float(ON_TIME[0] <= delay <= ON_TIME[1]),
        "stop_sequence": sequence,
        "route_id": run["route_id"][-1] or "",
        "direction_id": run["direction_id"][-1],
        "source": "inferred",
    }


def by_words(run: pl.DataFrame) -> list[dict[str, Any]]:
    """Events of one run by what the feed says: the stop at which a vehicle stands, or to which it goes.

    A vehicle arrives when it is first said to stand, and has left when another stop is first said to be next. A stop at
    which it was never said to stand was reached between the last word of it and the first word of the next.
    """
    said = run.drop_nulls(["stop_id", "stop_sequence"])
    times = (said["timestamp"].dt.epoch("us").to_numpy() / 1e6).tolist()
    stops, numbers, words = (said[name].to_list() for name in ("stop_id", "stop_sequence", "status"))
    found: list[dict[str, Any]] = []
    for event, index, moment in word_events(times, numbers, words):
        found.append(row_of(said, (stops[index], numbers[index]), event, moment, None))
    return found


def word_events(times: list[float], numbers: list[int], words: list[str | None]) -> Iterator[tuple[str, int, float]]:
    """What happened, at the stop of which row, and when."""
    reached, stood = -1, -1
    said = list(zip(times, numbers, words, strict=True))
    for index, (before, now) in enumerate(pairwise(said)):
        reached = max(reached, before[1])
        stood = max(stood, before[1]) if before[2] == "stopped" else stood
        for event, of_now, moment in between_words(before, now, reached, stood):
            yield event, index + of_now, moment


Said = tuple[float, int, str | None]
"""What a feed says at a second: the number of the stop, and what the vehicle is doing there."""


def between_words(before: Said, now: Said, reached: int, stood: int | None) -> Iterator[tuple[str, bool, float]]:
    """What happened between two things said, at the stop of the second one or (false) of the first, and when.

    `reached` is the greatest number of a stop that was said until then, `stood` that of a stop at which the vehicle was
    said to stand. A stop number that goes back is an error, and nothing follows from it nor from the way out of it.
    """
    (earlier, old, _), (at, number, does) = before, now
    if not 0 <= at - earlier <= LONGEST or number < reached or old < reached:
        return
    middle = (earlier + at) / 2
    if number > old:
        if stood != old:
            yield "arrival", False, middle
        yield "departure", False, middle
    if does == "stopped" and stood != number:
        yield "arrival", True, at


def headways(events: pl.DataFrame) -> pl.DataFrame:
    """Events with `headway` (seconds since the vehicle before of that line at that stop), `planned_headway` and
    `bunched`; null where there was none before."""
    line = ["network", "stop_id", "route_id", "direction_id", "event"]
    ordered = events.sort("timestamp")
    gaps = ordered.with_columns(
        headway=pl.col("timestamp").diff().over(line).dt.total_milliseconds() / 1000,
        planned_headway=pl.col("planned").diff().over(line).dt.total_milliseconds() / 1000,
    )
    planned = pl.col("planned_headway")
    return gaps.with_columns(bunched=pl.when(planned > 0).then(pl.col("headway") < BUNCHED * planned))


def dwell(events: pl.DataFrame) -> pl.DataFrame:
    """One row per call of which both events are known: `arrival`, `departure` and `dwell` in seconds."""
    call = ["network", "trip_id", "start_date", "stop_id", "stop_sequence"]
    first = events.filter(pl.col("event") == "arrival").select(*call, arrival="timestamp")
    last = events.filter(pl.col("event") == "departure").select(*call, departure="timestamp")
    both = first.join(last, on=call)
    seconds = (pl.col("departure") - pl.col("arrival")).dt.total_milliseconds() / 1000
    return both.with_columns(dwell=seconds).sort("arrival")


def ghosts(timetable: Timetable, now: datetime, running: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Trips that are under way by the timetable and of which no vehicle is heard: trip and service day."""
    found: list[tuple[str, str]] = []
    for day in service_days(now, timetable.zone, timetable.latest):
        seconds = (now - anchor(day, timetable.zone)).total_seconds()
        due = timetable.trips_on(day).filter((pl.col("starts") <= seconds) & (pl.col("ends") >= seconds))
        found += [run for trip in due["trip_id"] if (run := (trip, text_of(day))) not in running]
    return found
