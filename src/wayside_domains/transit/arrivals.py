"""When vehicles came to their stops and left them, from positions alone; and how far apart they came.

Where the line and the timetable are known, a stop is reached between the last position before it and the first at it,
and left between the last at it and the first behind it; how vehicles brake and speed up says when. Where they are not
known, the feed's own words count: at which stop the vehicle stands, and to which it goes next. What lies between two
positions that are too far apart is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wayside_domains.transit.matching import Timetables
from wayside_domains.transit.records import StopEvent
from wayside_domains.transit.times import anchor, day_of, service_days, text_of
from wayside_domains.transit.timetable import Timetable

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
    times = known["timestamp"].dt.epoch("ms").to_numpy() / 1000.0
    way = np.maximum.accumulate(known["along"].to_numpy())  # what looks like driving backwards is an error of position
    drive = Drive(times, way, known["speed"].fill_null(np.nan).to_numpy())
    zero = anchor(day_of(run["start_date"][0]), timetable.zone).timestamp()
    found: list[dict[str, Any]] = []
    for index, at in enumerate(calls.along):
        for event in ("arrival", "departure"):
            if index == (0 if event == "arrival" else len(calls) - 1):
                continue
            moment = drive.arrives(float(at)) if event == "arrival" else drive.leaves(float(at))
            if moment is not None:
                due = zero + float((calls.arrivals if event == "arrival" else calls.departures)[index])
                found.append(row_of(known, (calls.stops[index], calls.sequences[index]), event, moment, due))
    return found


class Drive:
    """Where a vehicle was when on its line, and how fast: seconds, metres that never decrease, metres per second."""

    def __init__(self, times: NDArray[np.float64], way: NDArray[np.float64], speeds: NDArray[np.float64]) -> None:
        self.times = times
        self.way = way
        self.speeds = speeds

    def arrives(self, stop: float) -> float | None:
        """When the vehicle came to a stop: it drove on as it did in the last position before, and braked."""
        after = self._between(int(np.searchsorted(self.way, stop - NEAR, side="left")))
        if after is None:
            return None
        spent = travel(stop - float(self.way[after - 1]), self._speed(after - 1, after))
        return min(float(self.times[after - 1]) + spent, float(self.times[after]))

    def leaves(self, stop: float) -> float | None:
        """When it left: it sped up until it drove as it did in the first position behind the stop."""
        after = self._between(int(np.searchsorted(self.way, stop + NEAR, side="right")))
        if after is None:
            return None
        spent = travel(float(self.way[after]) - stop, self._speed(after, after))
        return max(float(self.times[after]) - spent, float(self.times[after - 1]))

    def _between(self, after: int) -> int | None:
        """The position, if there is one before it, and not too long before."""
        if after == 0 or after == len(self.way) or self.times[after] - self.times[after - 1] > LONGEST:
            return None
        return after

    def _speed(self, told: int, after: int) -> float:
        """The speed that was told, else that of the way between two positions."""
        if np.isfinite(self.speeds[told]):
            return float(self.speeds[told])
        return float((self.way[after] - self.way[after - 1]) / (self.times[after] - self.times[after - 1]))


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
    times = (said["timestamp"].dt.epoch("ms").to_numpy() / 1000.0).tolist()
    stops, numbers, words = (said[name].to_list() for name in ("stop_id", "stop_sequence", "status"))
    found: list[dict[str, Any]] = []
    for event, index, moment in word_events(times, numbers, words):
        found.append(row_of(said, (stops[index], numbers[index]), event, moment, None))
    return found


def word_events(times: list[float], numbers: list[int], words: list[str | None]) -> Iterator[tuple[str, int, float]]:
    """What happened, at the stop of which row, and when. A stop number that goes back is an error, and is left out."""
    stood = -1
    for index in range(1, len(times)):
        before = index - 1
        if times[index] - times[before] > LONGEST or numbers[index] < numbers[before]:
            continue
        middle = (times[before] + times[index]) / 2
        if numbers[index] > numbers[before]:
            if stood != numbers[before] and words[before] != "stopped":
                yield "arrival", before, middle
            yield "departure", before, middle
        if words[index] == "stopped" and stood != numbers[index]:
            arrived_between = words[before] != "stopped" or numbers[before] != numbers[index]
            stood = numbers[index]
            if arrived_between:
                yield "arrival", index, times[index]


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
