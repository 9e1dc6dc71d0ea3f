"""A timetable at work as messages: what its vehicles would say of themselves, at the pace of the clock or faster."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from wayside_domains.transit.operations import Operations, Run, Vehicle
from wayside_domains.transit.times import text_of
from wayside_domains.transit.timetable import Timetable

Message = Mapping[str, Any]
BEFORE, AFTER = 60.0, 30.0
"""Seconds before and after a run in which its vehicle counts as being on it."""
PARKED = 900.0
"""A vehicle that waits this long for its next run has gone to the depot."""
INCOMING = 120.0
"""Metres before a stop at which a vehicle is arriving."""
OCCUPANCIES = (
    "EMPTY",
    "MANY_SEATS_AVAILABLE",
    "FEW_SEATS_AVAILABLE",
    "STANDING_ROOM_ONLY",
    "CRUSHED_STANDING_ROOM_ONLY",
)


class Paced:
    """Simulated time: it starts with the first question, and runs `speed` times as fast as what it is asked with."""

    def __init__(self, speed: float = 1.0, begin: datetime | None = None) -> None:
        self.speed = speed
        self.begin = begin
        self._first: datetime | None = None

    def at(self, now: datetime) -> datetime:
        """The simulated instant."""
        if self._first is None:
            self._first = now
            self.begin = self.begin or now
        assert self.begin is not None
        return self.begin + (now - self._first) * self.speed


class World:
    """What both simulations share: the vehicles of a timetable, of which the first `things` exist."""

    def __init__(self, timetable: Timetable, things: int, chance: random.Random, paced: Paced) -> None:
        self.timetable = timetable
        self.operations = Operations(timetable, chance.getrandbits(32))
        self.number = things
        self.paced = paced

    def things(self) -> list[dict[str, Any]]:
        return [{"vehicle_id": self.name(number), "network": self.timetable.network} for number in range(self.number)]

    def name(self, number: int) -> str:
        """The id of a vehicle."""
        return f"{self.timetable.network}-{number + 1:04d}"

    def vehicle(self, number: int, at: datetime) -> Vehicle | None:
        """A vehicle that the timetable needs, or null."""
        self.operations.until(at)
        vehicles = self.operations.vehicles
        return vehicles[number] if number < len(vehicles) else None


class Positions(World):
    """Vehicles that tell where they are.

    A vehicle on a silent run says nothing until the run is over: the timetable has it, and nobody sees it. One that
    waits for its next run tells its place without a trip, and one that waits long says once that it is gone.
    """

    def __init__(self, timetable: Timetable, things: int, chance: random.Random, paced: Paced) -> None:
        super().__init__(timetable, things, chance, paced)
        self._told: set[int] = set()

    def messages(self, thing: int, at: datetime) -> Iterable[Message]:
        at = self.paced.at(at)
        vehicle = self.vehicle(thing, at)
        if vehicle is None:
            return
        now = at.timestamp()
        run = vehicle.run_at(now, BEFORE, AFTER)
        if run is not None and not run.silent:
            self._told.add(thing)
            yield self.moving(vehicle, run, at)
        elif run is None and (waiting := self.last_ended(vehicle, now)) is not None:
            self._told.add(thing)
            yield self.waiting(vehicle, waiting, at)
        elif thing in self._told:
            self._told.remove(thing)
            yield {**self.head(vehicle, at), "removed": True}

    def last_ended(self, vehicle: Vehicle, now: float) -> Run | None:
        """The run that a vehicle ended not long ago, if it waits for the next one to come soon."""
        ended = [run for run in vehicle.runs if run.ends <= now and not run.silent]
        coming = [run for run in vehicle.runs if run.starts > now]
        if not ended or not coming or coming[0].starts - ended[-1].ends > PARKED:
            return None
        return ended[-1]

    def head(self, vehicle: Vehicle, at: datetime) -> dict[str, Any]:
        """What every message holds."""
        name = self.name(vehicle.number)
        return {"network": self.timetable.network, "vehicle_id": name, "timestamp": text(at), "label": name[-4:]}

    def moving(self, vehicle: Vehicle, run: Run, at: datetime) -> Message:
        """The message of a vehicle on its run."""
        now = min(max(at.timestamp(), run.starts), run.ends)
        along, speed = run.where(now)
        noise = random.Random(f"{run.trip.trip_id}/{now:.0f}")
        lat, lon, bearing = (float(value) for value in run.line.at(along))
        index = next_call(run, along, now)
        stands = bool(run.arrived[index] <= now <= run.departed[index]) or now <= run.starts
        assert run.calls.along is not None
        near = run.calls.along[index] - along < INCOMING
        full = crowd(run, now)
        return {
            **self.head(vehicle, at),
            "trip_id": run.trip.trip_id,
            "start_date": text_of(run.day),
            "route_id": run.trip.route_id,
            "direction_id": run.trip.direction_id,
            "latitude": round(lat + noise.gauss(0, 2.5) / 111_195, 6),
            "longitude": round(lon + noise.gauss(0, 2.5) / (111_195 * math.cos(math.radians(lat))), 6),
            "bearing": round(bearing, 1) % 360,
            "speed": round(speed, 2),
            "status": "stopped" if stands else "incoming" if near else "moving",
            "stop_id": run.calls.stops[index],
            "stop_sequence": run.calls.sequences[index],
            "occupancy": OCCUPANCIES[min(4, int(full * 5))],
            "occupancy_percentage": round(100 * full),
            "relationship": "SCHEDULED",
            "removed": False,
        }

    def waiting(self, vehicle: Vehicle, ended: Run, at: datetime) -> Message:
        """The message of a vehicle that waits at the end of its line."""
        lat, lon, bearing = (float(value) for value in ended.line.at(ended.line.length))
        place = {"latitude": round(lat, 6), "longitude": round(lon, 6), "bearing": round(bearing, 1) % 360}
        stop = {"stop_id": ended.calls.stops[-1], "status": "stopped", "speed": 0.0}
        return {**self.head(vehicle, at), **place, **stop, "route_id": ended.trip.route_id, "removed": False}


class Events(World):
    """The same vehicles as they arrive at stops and leave them, each event told once, when it has happened."""

    def __init__(self, timetable: Timetable, things: int, chance: random.Random, paced: Paced) -> None:
        super().__init__(timetable, things, chance, paced)
        self._until: dict[int, float] = {}

    def messages(self, thing: int, at: datetime) -> Iterable[Message]:
        at = self.paced.at(at)
        vehicle, now = self.vehicle(thing, at), at.timestamp()
        since = self._until.get(thing, now - 60.0)
        self._until[thing] = now
        if vehicle is None:
            return
        found: list[tuple[float, Message]] = []
        for run in vehicle.runs:
            if not run.silent and run.starts <= now and run.ends > since:
                found += self.events(vehicle, run, since, now)
        for _, message in sorted(found, key=lambda event: event[0]):
            yield message

    def events(self, vehicle: Vehicle, run: Run, since: float, until: float) -> list[tuple[float, Message]]:
        """Arrivals and departures of a run in (since, until]; it leaves its last stop with another trip."""
        zero = run.planned[0] - float(run.calls.arrivals[0])
        found: list[tuple[float, Message]] = []
        last = len(run.calls) - 1
        for index in range(last + 1):
            if index and since < run.arrived[index] <= until:
                due = float(run.planned[index])
                found.append(self.event(vehicle, run, index, ("arrival", float(run.arrived[index]), due)))
            if index < last and since < run.departed[index] <= until:
                due = float(zero + run.calls.departures[index])
                found.append(self.event(vehicle, run, index, ("departure", float(run.departed[index]), due)))
        return found

    def event(self, vehicle: Vehicle, run: Run, index: int, what: tuple[str, float, float]) -> tuple[float, Message]:
        """One arrival or departure: what, when, and when it was due; with its moment, to sort by."""
        event, at, due = what
        delay = round(at - due, 1)
        message = {
            "network": self.timetable.network,
            "stop_id": run.calls.stops[index],
            "event": event,
            "timestamp": text(datetime.fromtimestamp(at, UTC)),
            "planned": text(datetime.fromtimestamp(due, UTC)),
            "delay": delay,
            "on_time": float(-60 <= delay <= 300),
            "vehicle_id": self.name(vehicle.number),
            "trip_id": run.trip.trip_id,
            "start_date": text_of(run.day),
            "stop_sequence": run.calls.sequences[index],
            "route_id": run.trip.route_id,
            "direction_id": run.trip.direction_id,
            "source": "reported",
        }
        return at, message


def positions_of(
    timetable: Callable[[], Timetable], *, speed: float = 1.0, begin: datetime | None = None
) -> Callable[[int, random.Random], Positions]:
    """What a `Simulator` needs to run a timetable's vehicles; the timetable is read when it starts.

    With `speed` the world runs that many times as fast, from `begin` (the first moment unless given) on.
    """
    return lambda things, chance: Positions(timetable(), things, chance, Paced(speed, begin))


def events_of(
    timetable: Callable[[], Timetable], *, speed: float = 1.0, begin: datetime | None = None
) -> Callable[[int, random.Random], Events]:
    """The same for arrivals and departures; with the same seed and number they are those of the same vehicles."""
    return lambda things, chance: Events(timetable(), things, chance, Paced(speed, begin))


def next_call(run: Run, along: float, now: float) -> int:
    """The number of the call at which a vehicle stands, or to which it goes."""
    for index in range(len(run.calls)):
        if now <= run.departed[index]:
            return index
    return len(run.calls) - 1


def crowd(run: Run, now: float) -> float:
    """How full a vehicle is, 0 to 1: fuller half-way, at the peaks, and when it runs late."""
    share = (now - run.starts) / max(1.0, run.ends - run.starts)
    hour = run.calls.departures[0] / 3600 % 24
    peak = 0.55 * math.exp(-((hour - 8.5) ** 2) / 4) + 0.5 * math.exp(-((hour - 17.5) ** 2) / 6)
    chance = random.Random(run.trip.trip_id).uniform(0.6, 1.2)
    return min(0.99, chance * (0.12 + peak) * math.sqrt(math.sin(math.pi * min(1.0, max(0.0, share)))))


def text(at: datetime) -> str:
    """An instant as messages write it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
