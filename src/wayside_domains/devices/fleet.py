"""Made-up devices: a numbered fleet as clients of the old generator know it, and one with names for the demo."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from wayside_domains.devices.records import FIELDS

DAY = 86_400.0
Message = Mapping[str, Any] | bytes


@dataclass
class Walk:
    """A value that wanders around a daily curve and comes back to it.

    `swing` is half the difference of day and night, `wander` how far it strays, `step` how fast, all in the unit of
    the value; `digits` are kept.
    """

    centre: float
    swing: float
    wander: float
    step: float
    low: float
    high: float
    digits: int = 1
    phase: float = 0.0
    away: float = field(default=0.0)
    pull: float = field(default=0.0)

    def at(self, at: datetime, chance: random.Random) -> float:
        """The next value."""
        self.pull = 0.85 * self.pull + chance.gauss(0.0, self.step)
        self.away = 0.97 * self.away + self.pull
        self.away = max(-self.wander, min(self.wander, self.away))
        day = math.sin(2 * math.pi * (at.timestamp() / DAY + self.phase))
        return round(max(self.low, min(self.high, self.centre + self.swing * day + self.away)), self.digits)


WALKS = {
    "Thermostat": Walk(20, 3, 4, 0.08, 10, 30, 2),
    "Barometer": Walk(1005, 4, 6, 0.10, 900, 1100, 2),
    "Hygrometer": Walk(62, 8, 14, 0.30, 30, 100, 2),
    "HeartRateMeter": Walk(78, 4, 14, 0.70, 60, 100, 2),
}


def walk_like(walk: Walk, chance: random.Random) -> Walk:
    """A walk of its own: the same kind, elsewhere in its range."""
    spread = 0.3 * walk.wander
    return Walk(
        walk.centre + chance.uniform(-spread, spread),
        walk.swing,
        walk.wander,
        walk.step,
        walk.low,
        walk.high,
        walk.digits,
        chance.random(),
    )


class NumberedFleet:
    """Devices 1 to N, each of a kind drawn by the seed, within the ranges of the generator that this replaces."""

    def __init__(self, things: int, chance: random.Random) -> None:
        self._chance = chance
        self._tags = [chance.choice(list(FIELDS)) for _ in range(things)]
        self._walks = [walk_like(WALKS[tag], chance) for tag in self._tags]

    def things(self) -> list[dict[str, Any]]:
        return [{"device_id": str(number + 1), "tag": tag} for number, tag in enumerate(self._tags)]

    def messages(self, thing: int, at: datetime) -> Iterable[Message]:
        tag = self._tags[thing]
        yield message(str(thing + 1), at, tag, self._walks[thing].at(at, self._chance))


FROST = Walk(-16, 0.5, 3, 0.05, -30, 5)
OFFICE = Walk(21.8, 0.8, 1.6, 0.03, 15, 30)
BARN = Walk(17, 3, 3, 0.06, -10, 35)
GREEN = Walk(24, 4, 3.5, 0.10, 5, 45)
MOIST = Walk(68, 9, 15, 0.35, 30, 100)
AIR = Walk(1008, 3, 6, 0.10, 960, 1050)
HEART = Walk(70, 4, 16, 0.80, 45, 150, 0)

NAMED: list[tuple[str, str, Walk]] = [
    ("greenhouse-04", "Thermostat", GREEN),
    ("greenhouse-04", "Hygrometer", MOIST),
    ("barn-north", "Thermostat", BARN),
    ("barn-north", "Barometer", AIR),
    ("collar-117", "HeartRateMeter", HEART),
    ("collar-118", "HeartRateMeter", HEART),
    ("dock-2", "Thermostat", FROST),
    ("dock-3", "Thermostat", FROST),
    ("mast-east", "Barometer", AIR),
    ("mast-east", "Hygrometer", MOIST),
    ("office-12", "Thermostat", OFFICE),
    ("office-14", "Thermostat", OFFICE),
    ("greenhouse-05", "Thermostat", GREEN),
    ("greenhouse-05", "Hygrometer", MOIST),
    ("barn-south", "Thermostat", BARN),
    ("collar-121", "HeartRateMeter", HEART),
    ("mast-west", "Barometer", AIR),
]
SILENT = "dock-3"
"""Speaks for two minutes and is silent for four, so that staleness shows."""
SLOW_CLOCK = "mast-west"
"""Its clock missed the end of summer time: everything it says comes an hour late."""


class DemoFleet:
    """Devices of a farm with names, one of them often silent, one with a wrong clock, and a broken message at times."""

    def __init__(self, things: int, chance: random.Random) -> None:
        self._chance = chance
        extra = [(f"{kind}-{number}", tag, walk) for number, kind, tag, walk in endless(max(0, things - len(NAMED)))]
        self._plan = [(name, tag, walk_like(walk, chance)) for name, tag, walk in [*NAMED, *extra][:things]]
        self._next_broken: datetime | None = None

    def things(self) -> list[dict[str, Any]]:
        return [{"device_id": name, "tag": tag} for name, tag, _ in self._plan]

    def messages(self, thing: int, at: datetime) -> Iterable[Message]:
        name, tag, walk = self._plan[thing]
        value = walk.at(at, self._chance)
        if name == SILENT and at.timestamp() % 360 >= 120:
            return
        yield message(name, at - timedelta(hours=1) if name == SLOW_CLOCK else at, tag, value)
        if self._next_broken is None:
            self._next_broken = at + timedelta(seconds=self._chance.uniform(2, 5))
        elif at >= self._next_broken:
            yield broken(name, at, self._chance)
            self._next_broken = at + timedelta(seconds=self._chance.uniform(8, 28))


def endless(count: int) -> Iterable[tuple[int, str, str, Walk]]:
    """Kinds of further devices, numbered from 201."""
    kinds = [
        ("greenhouse", "Thermostat", GREEN),
        ("barn", "Hygrometer", MOIST),
        ("collar", "HeartRateMeter", HEART),
        ("mast", "Barometer", AIR),
        ("office", "Thermostat", OFFICE),
    ]
    return [(201 + number, *kinds[number % len(kinds)]) for number in range(count)]


def message(device: str, at: datetime, tag: str, value: float) -> Mapping[str, Any]:
    """A tagged message, as devices send it."""
    return {"device_id": device, "timestamp": at.isoformat().replace("+00:00", "Z"), "tag": tag, FIELDS[tag]: value}


def broken(device: str, at: datetime, chance: random.Random) -> Message:
    """A message that breaks a rule, in one of the ways that real devices find."""
    good = dict(message(device, at, "Thermostat", 21.4))
    ways: list[Message] = [
        f'{{"device_id":"{device}","timestamp":"{at.isoformat()}","tag":"Thermostat","tempe'.encode(),
        {**good, "temperature": "n/a"},
        {**good, "timestamp": "yesterday"},
        {**good, "tag": "Thermometer"},
        {**good, "tag": "Hygrometer", "humidity": 655.35},
        {key: value for key, value in good.items() if key != "temperature"},
        {**good, "device_id": None},
    ]
    return chance.choice(ways)
