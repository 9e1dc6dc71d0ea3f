"""The made lines and their simulation: any pace and any pauses give the same world."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from wayside_domains.metro.network import LINES, route, stations, stops
from wayside_domains.metro.simulation import STEP, Clockwork, Sky, Trains, Turnstiles, World, season

BEGAN = datetime(2026, 11, 26, 13, 0, 20, tzinfo=UTC)
ZONE = "America/Chicago"


def said(world: Any, seconds: int, *, every: float, things: int | None = None, at: datetime = BEGAN) -> list[Any]:
    """What a world says over a time, asked every so often."""
    found = []
    for number in range(int(seconds / every) + 1):
        now = at + timedelta(seconds=number * every)
        for thing in range(len(world.things()) if things is None else things):
            found += world.messages(thing, now)
    return found


def turnstiles(counted: dict[int, int] | None = None, seed: int = 50, clock: Clockwork | None = None) -> Turnstiles:
    return Turnstiles(clock or Clockwork(), random.Random(seed), ZONE, {} if counted is None else counted)


def without(messages: list[Any]) -> list[tuple[Any, ...]]:
    """Messages without when they were sent, in the order of their times."""
    rows = [tuple(sorted((k, str(v)) for k, v in message.items() if k != "sent_at")) for message in messages]
    return sorted(rows)


def test_the_list_has_the_oddities_of_a_real_one() -> None:
    assert [len(route(line)) for line in LINES] == [33, 31, 28]
    ids = [place.station_id for place in stations()]
    assert len(ids) == len(set(ids)) == 89  # three of them on two lines
    names = Counter(place.name for place in route("blue"))
    assert (names["Harlem"], names["Western"]) == (2, 2)
    descriptions = [place.description for place in stations()]
    assert len(descriptions) == len(set(descriptions))
    for line in LINES:
        orders = [place.order for place in route(line)]
        assert orders == sorted(set(orders)), "one number sorts a station on each of its lines"
    rows = stops()
    assert [row["stop_id"] for row in rows] == sorted({row["stop_id"] for row in rows})
    unserved = [row for row in rows if not (row["red"] or row["blue"] or row["green"])]
    assert len(unserved) == 6


@pytest.mark.parametrize("make", [turnstiles, lambda: Trains(Clockwork(), random.Random(50))])
def test_how_often_it_is_asked_changes_nothing(make: Any) -> None:
    often, seldom, paused = make(), make(), make()
    whole = without(said(often, 1_800, every=5))
    assert without(said(seldom, 1_800, every=300)) == whole
    parts = said(paused, 600, every=20) + said(paused, 600, every=600, at=BEGAN + timedelta(seconds=1_200))
    assert without(parts) == whole
    assert len(whole) > 100


def test_a_faster_clock_says_the_same_in_less_time() -> None:
    begin = BEGAN - timedelta(days=3)
    real = said(turnstiles(), 3_600, every=60, at=begin)
    fast = said(turnstiles(clock=Clockwork(60, begin)), 60, every=1)
    assert without(fast) == without(real)
    assert {message["sent_at"][:16] for message in fast} <= {"2026-11-26T13:00", "2026-11-26T13:01"}


def test_the_lines_never_run_ahead_of_the_real_time() -> None:
    clock = Clockwork(600, BEGAN - timedelta(hours=1))
    assert clock.at(BEGAN) == BEGAN - timedelta(hours=1)
    assert clock.at(BEGAN + timedelta(seconds=3)) == BEGAN - timedelta(minutes=30)
    assert clock.at(BEGAN + timedelta(seconds=30)) == BEGAN + timedelta(seconds=30)


def test_another_seed_is_another_day() -> None:
    assert without(said(turnstiles(), 600, every=60)) != without(said(turnstiles(seed=51), 600, every=60))


def test_trains_go_from_station_to_station_and_turn_at_the_ends() -> None:
    trains = Trains(Clockwork(), random.Random(50))
    places = {line: [place.station_id for place in route(line)] for line in LINES}
    by_train: dict[str, list[Any]] = {}
    for message in said(trains, 70 * STEP, every=60):
        by_train.setdefault(message["train_id"], []).append(message)
    assert len(by_train) == 30
    assert {train[:2] for train in by_train} == {"BL", "RL", "GL"}
    for arrivals in by_train.values():
        line = places[arrivals[0]["line"]]
        ends = 0
        for before, after in pairwise(arrivals):
            assert (after["prev_station_id"], after["prev_direction"]) == (before["station_id"], before["direction"])
            here, there = line.index(after["station_id"]), line.index(before["station_id"])
            assert here - there == (1 if after["direction"] == "a" else -1)
            ends += here in (0, len(line) - 1)
            gap = datetime.fromisoformat(after["timestamp"]) - datetime.fromisoformat(before["timestamp"])
            assert gap == timedelta(seconds=STEP)
        assert ends >= 2
    together = {(m["station_id"], m["direction"]) for m in (arrivals[0] for arrivals in by_train.values())}
    assert len(together) == 30, "trains are spread over their lines"


def test_people_come_by_the_hour_and_the_day_of_the_week_and_are_counted() -> None:
    counted: dict[int, int] = {}
    people = turnstiles(counted)
    thursday = datetime(2026, 11, 26, 6, tzinfo=UTC)  # midnight in Chicago
    hours = [len(said(people, 3_599, every=3_599, at=thursday + timedelta(hours=hour))) for hour in range(24)]
    assert hours[8] > 5 * hours[3]
    assert max(range(24), key=hours.__getitem__) in (7, 16, 17)
    assert sum(counted.values()) == sum(hours)
    week = [
        len(said(turnstiles(), 86_399, every=86_399, at=thursday + timedelta(days=day))) for day in (0, 2, 3)
    ]  # Thursday, Saturday, Sunday
    assert week[0] > 1.4 * week[1] > 1.6 * week[2]
    assert week[0] > 100_000, "entries of a day are divided by the steps of an hour, not by its seconds"


def test_the_weather_is_of_the_season_and_bounded() -> None:
    sky = Sky(Clockwork(), random.Random(50))
    hours = said(sky, 48 * 3_600, every=600)
    assert len(hours) == 49
    assert {message["status"] for message in hours} <= {"sunny", "partly_cloudy", "cloudy", "windy", "precipitation"}
    year = [sky.weather(490_000 + hour) for hour in range(366 * 24)]
    temperatures = [each["temperature"] for each in year]
    assert max(abs(a - b) for a, b in pairwise(temperatures)) < 8
    assert 20 < min(temperatures) < max(temperatures) < 105
    assert season(datetime(2026, 1, 15, tzinfo=UTC)) == 40
    assert season(datetime(2026, 12, 15, tzinfo=UTC)) < 52, "December is winter"
    assert season(datetime(2026, 7, 15, tzinfo=UTC)) > 84


def test_worlds_share_what_they_have_in_common() -> None:
    assert issubclass(Trains, World)
    first = Trains(Clockwork(), random.Random(50))
    assert len(said(first, 0, every=60)) == 30, "each train begins with where it is"
