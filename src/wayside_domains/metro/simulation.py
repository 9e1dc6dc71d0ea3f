"""The lines at work: what trains, turnstiles and the sky say, at any pace, the same for the same seed.

All of it follows from the instant alone. Every `STEP` of the lines' own time each train is one station further, and it
turns at the ends; people come by the curves of the day; the weather changes by the hour. A world that is asked again
after a pause goes on where it was, so that nothing is said twice and nothing is left out.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from wayside_domains.metro.network import LINES, SINCE, TRAINS, route, stations, stops
from wayside_domains.metro.records import Line

Message = Mapping[str, Any]
STEP = 300
"""Seconds from one station to the next, and of one step of the turnstiles."""
PREFIXES = {"blue": "BL", "red": "RL", "green": "GL"}
HOURS = (
    0.006, 0.004, 0.003, 0.003, 0.008, 0.025, 0.060, 0.098, 0.088, 0.050, 0.037, 0.038,
    0.042, 0.042, 0.047, 0.062, 0.089, 0.103, 0.067, 0.042, 0.031, 0.024, 0.019, 0.012,
)  # fmt: skip
"""The share of a day's entries in each hour of it."""
WEEK = (1.0, 1.03, 1.04, 1.03, 1.0, 0.62, 0.46)
"""A day's entries from Monday to Sunday, as shares of a usual weekday's."""
QUIETEST, BUSIEST = 900, 6_500
SEASONS = ((15, 40.0), (105, 70.0), (196, 85.0), (288, 70.0), (380, 40.0))
"""Day of the year and the usual temperature in degrees Fahrenheit; between them it changes evenly."""
SKIES = ("sunny", "partly_cloudy", "cloudy", "windy", "precipitation")
BACK = timedelta(days=7)


class Clockwork:
    """The lines' own time. It never runs ahead of the real one: a faster one begins in the past and catches up."""

    def __init__(self, speed: float = 1.0, begin: datetime | None = None) -> None:
        self.speed = speed
        self.begin = begin
        self._started: datetime | None = None
        self._lock = threading.Lock()

    def set(self, speed: float, begin: datetime | None) -> None:
        """Another pace, from the next question on."""
        self.speed, self.begin, self._started = speed, begin, None

    def at(self, now: datetime) -> datetime:
        """What the lines' clock shows at an instant."""
        if self.speed == 1.0 and self.begin is None:
            return now
        with self._lock:
            if self._started is None:
                self._started = now
                self.begin = self.begin or now - BACK
            started, begin = self._started, self.begin
        assert begin is not None
        return min(now, begin + (now - started) * self.speed)


class World:
    """What the worlds share: a clock, and up to when each thing has spoken."""

    def __init__(self, clockwork: Clockwork, chance: random.Random) -> None:
        self.clockwork = clockwork
        self.seed = chance.getrandbits(32)
        self._until: dict[int, float] = {}

    def span(self, thing: int, now: datetime, back: float = 0.0) -> tuple[float, float]:
        """From when (not included) to when the thing speaks now, in seconds since 1970; at first of so long ago."""
        until = self.clockwork.at(now).timestamp()
        since = self._until.get(thing, until - back)
        self._until[thing] = max(since, until)
        return since, until


class Trains(World):
    """Ten trains on each line. What a train says first is where it arrived last."""

    def __init__(self, clockwork: Clockwork, chance: random.Random) -> None:
        super().__init__(clockwork, chance)
        self.routes = {line: route(line) for line in LINES}
        self.trains = [(line, number) for line in LINES for number in range(TRAINS)]

    def things(self) -> list[dict[str, Any]]:
        return [{"train_id": name(line, number), "line": line} for line, number in self.trains]

    def messages(self, thing: int, at: datetime) -> Iterable[Message]:
        since, until = self.span(thing, at, STEP)
        line, number = self.trains[thing % len(self.trains)]
        shift = STEP * (number * 0.618 % 1)
        for step in range(math.floor((since - shift) / STEP) + 1, math.floor((until - shift) / STEP) + 1):
            yield {**self.arrival(line, number, step), "timestamp": text(step * STEP + shift), "sent_at": iso(at)}

    def arrival(self, line: Line, number: int, step: int) -> dict[str, Any]:
        """Where a train arrives at a step, and where it was before."""
        places = self.routes[line]
        cycle = 2 * (len(places) - 1)
        at = (number * cycle // TRAINS + step) % cycle
        before = (at - 1) % cycle
        (here, direction), (there, turned) = passed(at, len(places)), passed(before, len(places))
        return {
            "station_id": places[here].station_id,
            "train_id": name(line, number),
            "direction": direction,
            "line": line,
            "train_status": "in_service",
            "prev_station_id": places[there].station_id,
            "prev_direction": turned,
        }


def passed(at: int, count: int) -> tuple[int, str]:
    """Of a place in the round trip over so many stations: the station, and the direction of arrival."""
    last = count - 1
    return (at, "a") if 0 < at <= last else ((2 * last - at) % (2 * last), "b")


def name(line: str, number: int) -> str:
    """`BL007` is the eighth train of the blue line."""
    return f"{PREFIXES[line]}{number:03d}"


class Turnstiles(World):
    """People who enter, one message each. `counted` is how many have entered since this world began, by station."""

    def __init__(self, clockwork: Clockwork, chance: random.Random, zone: str, counted: dict[int, int]) -> None:
        super().__init__(clockwork, chance)
        self.places = stations()
        self.zone = ZoneInfo(zone)
        self.counted = counted
        counted.clear()
        counted.update(dict.fromkeys((place.station_id for place in self.places), 0))
        self.moments = lru_cache(maxsize=4 * len(self.places))(self._moments)

    def things(self) -> list[dict[str, Any]]:
        return [{"station_id": place.station_id, "station_name": place.name} for place in self.places]

    def messages(self, thing: int, at: datetime) -> Iterable[Message]:
        since, until = self.span(thing, at)
        place = self.places[thing % len(self.places)]
        said = {"station_id": place.station_id, "station_name": place.name, "line": place.line, "sent_at": iso(at)}
        for step in range(math.floor(since / STEP), math.floor(until / STEP) + 1):
            for moment in self.moments(thing % len(self.places), step):
                if since < moment <= until:
                    self.counted[place.station_id] += 1
                    yield {**said, "timestamp": text(moment)}

    def _moments(self, number: int, step: int) -> list[float]:
        """When people enter a station during one step."""
        chance = random.Random(f"{self.seed}/{self.places[number].station_id}/{step}")
        usual = random.Random(f"{self.seed}/{self.places[number].station_id}").uniform(QUIETEST, BUSIEST)
        local = datetime.fromtimestamp(step * STEP, self.zone)
        expected = usual * WEEK[local.weekday()] * HOURS[local.hour] / (3_600 / STEP)
        count = max(0, math.floor(expected) + chance.randint(-5, 4))
        return sorted(step * STEP + chance.random() * STEP for _ in range(count))


class Sky(World):
    """The weather of each hour. What it says first is the weather of the present hour."""

    def things(self) -> list[dict[str, Any]]:
        return [{"weather": "hourly"}]

    def messages(self, thing: int, at: datetime) -> Iterable[Message]:
        since, until = self.span(thing, at, 3_600)
        for hour in range(math.floor(since / 3_600) + 1, math.floor(until / 3_600) + 1):
            yield {**self.weather(hour), "timestamp": text(hour * 3_600), "sent_at": iso(at)}

    def weather(self, hour: int) -> dict[str, Any]:
        """Temperature and sky of an hour since 1970: the season, the day, the time of day, and a little chance."""
        when = datetime.fromtimestamp(hour * 3_600, UTC)
        day, share = divmod(hour, 24)
        days = [random.Random(f"{self.seed}/day/{each}").uniform(-9, 9) for each in (day, day + 1)]
        own = days[0] + (days[1] - days[0]) * share / 24
        hourly = random.Random(f"{self.seed}/hour/{hour}").uniform(-1, 1)
        warm = season(when) + own + 6 * math.sin(2 * math.pi * (share - 15) / 24) + hourly
        return {
            "temperature": round(warm, 1),
            "status": random.Random(f"{self.seed}/sky/{hour // 3}").choice(SKIES),
        }


def season(when: datetime) -> float:
    """The usual temperature of a day."""
    day = when.timetuple().tm_yday + when.hour / 24
    day += 365 if day < SEASONS[0][0] else 0
    for (first, low), (last, high) in pairwise(SEASONS):
        if day <= last:
            return low + (high - low) * (day - first) / (last - first)
    return SEASONS[0][1]


class Listed(World):
    """The made list of stops, each row told once, for who has no table of stations."""

    def things(self) -> list[dict[str, Any]]:
        return stops()

    def messages(self, thing: int, at: datetime) -> Iterable[Message]:
        if thing not in self._until:
            self._until[thing] = 0.0
            yield {**stops()[thing], "valid_from": iso(SINCE)}


def text(seconds: float) -> str:
    """An instant of so many seconds since 1970, as messages have it."""
    return iso(datetime.fromtimestamp(seconds, UTC))


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
