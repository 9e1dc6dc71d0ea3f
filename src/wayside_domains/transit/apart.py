"""How far apart the timetable plans the vehicles of a line at a stop: what measured headways are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wayside_domains.transit.timetable import Timetable, spans

DAYS = 3
"""Service days that are remembered: yesterday's last trips, today's, and tomorrow's first ones."""


@dataclass(frozen=True)
class Apart:
    """Of one service day: seconds since the trip before of that route and direction at the same stop, call by call."""

    spans: dict[str, tuple[int, int]]
    seconds: dict[str, NDArray[np.float64]]

    def at(self, trip_id: str, call: int, event: str) -> float | None:
        """Of a trip's call, by its number from 0; null for the first of the day, and a trip that does not run."""
        start, count = self.spans.get(trip_id, (0, 0))
        if call >= count:
            return None
        found = float(self.seconds[event][start + call])
        return found if found > 0 else None


def apart_on(timetable: Timetable, day: date) -> Apart:
    """The planned distances of a day; made at the first question."""
    known: dict[date, Apart] = timetable.apart
    if day not in known:
        while len(known) >= DAYS:
            known.pop(next(iter(known)))
        known[day] = made(timetable, day)
    return known[day]


def made(timetable: Timetable, day: date) -> Apart:
    """Planned distances of all calls of a day."""
    trips = timetable.trips_on(day).select("trip_id", "route_id", "direction_id")
    calls = timetable.calls.select("trip_id", "sequence", "stop_id", "arrives", "departs").join(trips, on="trip_id")
    line = ["stop_id", "route_id", "direction_id"]
    for event, time in (("arrival", "arrives"), ("departure", "departs")):
        ordered = calls.sort(time, "trip_id")
        calls = ordered.with_columns(pl.col(time).diff().over(line).cast(pl.Float64).fill_null(np.nan).alias(event))
    rows = calls.sort("trip_id", "sequence")
    return Apart(spans(rows["trip_id"]), {event: rows[event].to_numpy() for event in ("arrival", "departure")})
