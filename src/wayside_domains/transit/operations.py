"""How a day really goes: what a timetable plans, with delays that spread, vehicles that bunch, and things that fail.

A day is computed once, trip by trip in the order in which they set out, from the seed and what went before. After that
where a vehicle is at an instant is only looked up, so any speed and any order of questions give the same world.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from wayside.geometry import LineString
from wayside_domains.transit.times import anchor
from wayside_domains.transit.timetable import Calls, Timetable, Trip

REACH = 400.0
"""Metres within which a vehicle that has ended a trip may begin the next one."""

REPLACED = 900.0
"""A vehicle that would begin its next trip this many seconds late is replaced, as where a block overlaps itself."""


@dataclass(frozen=True)
class Troubles:
    """What goes wrong, as shares of trips (0 to 1) and seconds."""

    spread: float = 0.07
    """How much the time of a leg varies, as a share of it."""
    late_start: float = 25.0
    crowding: float = 0.08
    """Seconds of dwell per second that the vehicle ahead is further away than planned."""
    silent: float = 0.02
    breakdown: float = 0.006
    breakdown_seconds: tuple[float, float] = (420.0, 1_080.0)
    least_gap: float = 40.0
    """Vehicles of one line do not come closer than this many seconds."""


@dataclass(frozen=True)
class Planned:
    """A trip that can be run: it has a line, and its stops lie along it."""

    trip: Trip
    calls: Calls
    line: LineString
    along: NDArray[np.float64]


def planned(timetable: Timetable, trip_id: str) -> Planned | None:
    """A trip of a timetable, or null when it cannot be run."""
    trip, calls = timetable.trip(trip_id), timetable.calls_of(trip_id)
    line = timetable.line_of(trip) if trip is not None else None
    if trip is None or line is None or calls.along is None:
        return None
    return Planned(trip, calls, line, calls.along)


@dataclass(frozen=True)
class Run:
    """One running of a trip as it really went. Times are seconds since 1970, distances metres along the line.

    `knots` and `along` say when the vehicle was where; between two of them it sets off and slows down smoothly.
    """

    trip: Trip
    day: date
    calls: Calls
    line: LineString
    planned: NDArray[np.float64]
    arrived: NDArray[np.float64]
    departed: NDArray[np.float64]
    knots: NDArray[np.float64]
    along: NDArray[np.float64]
    silent: bool
    broken: tuple[float, float] | None

    @property
    def starts(self) -> float:
        return float(self.departed[0])

    @property
    def ends(self) -> float:
        return float(self.arrived[-1])

    def where(self, at: float) -> tuple[float, float]:
        """Metres along the line and metres per second at an instant within the run."""
        index = int(np.clip(np.searchsorted(self.knots, at, side="right") - 1, 0, len(self.knots) - 2))
        begin, end = float(self.knots[index]), float(self.knots[index + 1])
        span, way = end - begin, float(self.along[index + 1] - self.along[index])
        if span <= 0:
            return float(self.along[index + 1]), 0.0
        u = min(1.0, max(0.0, (at - begin) / span))
        return float(self.along[index]) + way * u * u * (3 - 2 * u), way * 6 * u * (1 - u) / span


@dataclass
class Vehicle:
    """A vehicle with the runs that it has been given, in order, and when and where it is free again."""

    number: int
    runs: list[Run]
    free: float
    place: tuple[float, float]

    def run_at(self, at: float, before: float, after: float) -> Run | None:
        """The run of which the vehicle is at an instant, from `before` seconds ahead of it to `after` behind it."""
        for run in reversed(self.runs):
            if run.starts - before <= at <= run.ends + after:
                return run
        return None


class Operations:
    """A timetable at work from the day of `begin` on, without the vehicles that nobody has."""

    def __init__(self, timetable: Timetable, seed: int, troubles: Troubles | None = None) -> None:
        self.timetable = timetable
        self.seed = seed
        self.troubles = troubles or Troubles()
        self.vehicles: list[Vehicle] = []
        self._done: date | None = None
        self._ahead: dict[tuple[str, int | None, str | None, int], tuple[float, float]] = {}

    def until(self, at: datetime) -> None:
        """Compute the days up to that of an instant; days are added in order and never change."""
        last = (at.astimezone(ZoneInfo(self.timetable.zone)) + timedelta(hours=2)).date()
        if self._done is None:
            self._done = last - timedelta(days=self.timetable.latest // 86_400 + 1)
        while self._done < last:
            self._done += timedelta(days=1)
            self._add(self._done)
        self._forget(at.timestamp() - 6 * 3600)

    def _forget(self, before: float) -> None:
        """Drop the runs that ended long ago."""
        for vehicle in self.vehicles:
            while len(vehicle.runs) > 1 and vehicle.runs[0].ends < before:
                vehicle.runs.pop(0)

    def _add(self, day: date) -> None:
        """Give each trip of a service day its vehicle and its times."""
        zero = anchor(day, self.timetable.zone).timestamp()
        blocks: dict[str, Vehicle] = {}
        for trip_id in self.timetable.trips_on(day)["trip_id"]:
            plan = planned(self.timetable, trip_id)
            if plan is None:
                continue
            trip, line = plan.trip, plan.line
            starts = zero + float(plan.calls.departures[0])
            vehicle = blocks.get(trip.block_id) if trip.block_id is not None else None
            if vehicle is None or vehicle.free > starts + REPLACED:
                vehicle = self._vehicle(starts, line)
            if trip.block_id is not None:
                blocks[trip.block_id] = vehicle
            run = self._run(plan, day, zero, vehicle.free)
            vehicle.runs.append(run)
            lat, lon, _ = line.at(run.along[-1])
            vehicle.free, vehicle.place = run.ends + 20.0, (float(lat), float(lon))

    def _vehicle(self, starts: float, line: LineString) -> Vehicle:
        """A vehicle that waits where a trip begins; else one that has rested for long; else a new one."""
        lat, lon, _ = line.at(0.0)
        rested: Vehicle | None = None
        waiting: Vehicle | None = None
        for vehicle in self.vehicles:
            if vehicle.free > starts:
                continue
            near = roughly(float(lat), float(lon), *vehicle.place) < REACH
            if near and (waiting is None or vehicle.free > waiting.free):
                waiting = vehicle
            elif vehicle.free < starts - 1_800 and (rested is None or vehicle.free < rested.free):
                rested = vehicle
        found = waiting or rested
        if found is None:
            found = Vehicle(len(self.vehicles), [], 0.0, (float(lat), float(lon)))
            self.vehicles.append(found)
        return found

    def _run(self, plan: Planned, day: date, zero: float, free: float) -> Run:
        """How a trip went: leg by leg, with what its vehicle, the one ahead and chance did to it."""
        trip, calls, line, along = plan.trip, plan.calls, plan.line, plan.along
        chance = random.Random(f"{self.seed}/{trip.trip_id}/{day}")
        silent = chance.random() < self.troubles.silent
        failing = chance.randrange(max(1, len(calls) - 1)) if chance.random() < self.troubles.breakdown else None
        due, leaves = zero + calls.arrivals.astype(float), zero + calls.departures.astype(float)
        arrived, departed = due.copy(), leaves.copy()
        departed[0] = max(leaves[0] + chance.expovariate(1 / self.troubles.late_start), free)
        arrived[0] = departed[0]
        knots, places = [departed[0]], [float(along[0])]
        broken: tuple[float, float] | None = None
        pattern = (trip.route_id, trip.direction_id, trip.shape_id)
        self._ahead[(*pattern, 0)] = (departed[0], leaves[0])
        for index in range(1, len(calls)):
            before = departed[index - 1]
            needed = self._leg(due[index] - leaves[index - 1], before - leaves[index - 1], chance)
            arrival = before + needed
            if failing == index - 1:
                broken = (before + needed * 0.45, chance.uniform(*self.troubles.breakdown_seconds))
                knots += [broken[0], sum(broken)]
                places += [float(along[index - 1]) + 0.45 * float(along[index] - along[index - 1])] * 2
                arrival += broken[1]
            ahead = self._ahead.get((*pattern, index))
            arrival = arrival if ahead is None else max(arrival, ahead[0] + self.troubles.least_gap)
            gap = 0.0 if ahead is None else (arrival - ahead[0]) - (due[index] - ahead[1])
            stay = max(8.0, leaves[index] - due[index] + min(60.0, max(-12.0, self.troubles.crowding * gap)))
            arrived[index] = arrival
            departed[index] = max(arrival + stay, leaves[index]) if index < len(calls) - 1 else arrival
            self._ahead[(*pattern, index)] = (departed[index], leaves[index])
            knots += [arrival, departed[index]]
            places += [float(along[index])] * 2
        times = (due, arrived, departed, np.array(knots), np.array(places))
        return Run(trip, day, calls, line, *times, silent, broken)

    def _leg(self, planned: float, late: float, chance: random.Random) -> float:
        """Seconds that a leg took: about what was planned, and a little less for who is late."""
        usual = 0.99 if late < 60 else 0.93
        return max(planned * chance.gauss(usual, self.troubles.spread), planned * 0.8, 5.0)


def roughly(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Metres between two places that are near each other."""
    return 111_195.0 * math.hypot(other_lat - lat, (other_lon - lon) * math.cos(math.radians(lat)))
