"""The city that ships with Wayside: its timetable is one that agencies could have published, and it moves."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wayside.geometry import distance
from wayside_domains.transit import city
from wayside_domains.transit.gtfs import read_gtfs
from wayside_domains.transit.operations import Operations, Run, Troubles
from wayside_domains.transit.simulation import events_of, positions_of
from wayside_domains.transit.times import anchor

NOON = datetime(2026, 11, 26, 13, tzinfo=UTC)


def test_it_is_as_large_as_it_says() -> None:
    table = city.timetable()
    assert table.routes.height == 6
    assert table.routes["color"].n_unique() == 6
    stations = table.stops.filter(pl.col("parent_station").is_null())
    assert 40 <= stations.height <= 60
    called = set(table.stops.filter(pl.col("stop_id").is_in(table.calls["stop_id"].implode()))["parent_station"])
    assert called == set(stations["stop_id"])
    assert table.notes == ()
    assert table.latest > 28 * 3600


def test_its_lines_are_curved_and_its_stops_lie_on_them() -> None:
    table = city.timetable()
    for shape in table.trips["shape_id"].unique():
        line = table.line(shape)
        assert line is not None
        straight = float(distance(line.lat[0], line.lon[0], line.lat[-1], line.lon[-1]))
        assert line.length > 1.02 * straight
    for trip_id in table.trips.unique("shape_id")["trip_id"]:
        trip, calls = table.trip(trip_id), table.calls_of(trip_id)
        assert trip is not None
        assert calls.along is not None
        line = table.line_of(trip)
        assert line is not None
        assert (np.diff(calls.along) > 300).all()
        for stop, along in zip(calls.stops, calls.along, strict=True):
            place = table.place(stop)
            lat, lon, _ = line.at(along)
            assert place is not None
            assert float(distance(lat, lon, place[1], place[2])) < 2


def test_holidays_run_as_sundays() -> None:
    table = city.timetable()
    assert table.running(date(2027, 1, 1)) == {"weekends"}  # a Friday
    assert table.running(date(2026, 11, 26)) == {"workdays"}
    assert table.running(date(2026, 11, 28)) == {"weekends"}


def test_written_out_and_read_again_it_is_the_same(tmp_path: Path) -> None:
    city.write(tmp_path / "halcyon")
    again, table = read_gtfs(tmp_path / "halcyon", city.NETWORK), city.timetable()
    for name in ("routes", "stops", "trips", "calls", "shapes", "services", "exceptions"):
        assert getattr(again, name).equals(getattr(table, name)), name


def operations(seed: int = 50, troubles: Troubles | None = None) -> Operations:
    found = Operations(city.timetable(), seed, troubles)
    found.until(NOON)
    return found


def test_a_day_is_physically_possible() -> None:
    for vehicle in operations().vehicles:
        for run in vehicle.runs:
            assert (np.diff(run.knots) >= 0).all()
            assert (np.diff(run.along) >= 0).all()
            assert (run.departed >= run.arrived).all()
            assert (run.departed[:-1] >= anchor(run.day, city.ZONE).timestamp() + run.calls.departures[:-1]).all()
        for one, next in pairwise(vehicle.runs):
            assert next.starts >= one.ends
    runs = [run for vehicle in operations().vehicles for run in vehicle.runs]
    assert max(speed for run in runs[:80] for speed in speeds(run)) < 35


def speeds(run: Run) -> list[float]:
    return [run.where(at)[1] for at in np.linspace(run.starts, run.ends, 60)]


def test_vehicles_of_a_line_do_not_pass_through_each_other() -> None:
    by_stop: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for vehicle in operations().vehicles:
        for run in vehicle.runs:
            for index in range(1, len(run.calls)):
                key = (str(run.trip.shape_id), index)
                by_stop.setdefault(key, []).append((float(run.planned[0]), float(run.arrived[index])))
    gaps = [
        after - before
        for times in by_stop.values()
        for before, after in pairwise(arrived for _, arrived in sorted(times))
    ]
    assert len(gaps) > 10_000
    assert min(gaps) >= Troubles().least_gap


def test_delay_spreads_to_the_next_stops_and_breakdowns_hold_up_those_behind() -> None:
    calm = Troubles(spread=0, late_start=0.001, crowding=0, silent=0, breakdown=0)
    quiet = [run for vehicle in operations(1, calm).vehicles for run in vehicle.runs]
    assert max(float((run.arrived - run.planned).max()) for run in quiet) < 30
    rough = [run for vehicle in operations(1, Troubles(breakdown=0.05)).vehicles for run in vehicle.runs]
    broken = [run for run in rough if run.broken]
    assert broken
    for run in broken:
        stop = int(np.searchsorted(run.arrived, run.broken[0]))
        after = (run.arrived - run.planned)[stop:]
        assert after.max() > 300
    delayed = [run for run in rough if not run.broken and (run.arrived - run.planned).max() > 300]
    assert delayed, "somebody waits behind a vehicle that has broken down"


def test_the_same_seed_makes_the_same_world_and_another_one_another() -> None:
    def told(seed: int) -> list[object]:
        world = positions_of(city.timetable)(80, random.Random(seed))
        return [m for step in range(4) for thing in range(80) for m in world.messages(thing, NOON + step * MINUTE)]

    assert told(3) == told(3)
    assert told(3) != told(4)


MINUTE = timedelta(minutes=1)


def test_vehicles_move_along_their_lines_and_say_when_they_are_gone() -> None:
    table = city.timetable()
    world = positions_of(city.timetable)(90, random.Random(50))
    began = datetime(2026, 11, 27, 0, 30, tzinfo=UTC)  # the evening gets quiet: some go to the depot
    last: dict[str, dict] = {}
    removed = 0
    for step in range(240):
        at = began + timedelta(seconds=30 * step)
        for thing in range(90):
            for message in world.messages(thing, at):
                before = last.get(message["vehicle_id"])
                if message.get("removed"):
                    assert before is not None
                    del last[message["vehicle_id"]]
                    removed += 1
                    continue
                if before and before.get("trip_id") and before.get("trip_id") == message.get("trip_id"):
                    way = float(distance(*place(before), *place(message)))
                    assert way < 30 * 35, "nobody jumps"
                if message.get("trip_id"):
                    trip = table.trip(message["trip_id"])
                    line = table.line_of(trip)
                    assert line.locate(*place(message)).off < 25
                last[message["vehicle_id"]] = dict(message)
    assert removed > 5
    assert any(message.get("trip_id") for message in last.values())


def place(message: Mapping[str, Any]) -> tuple[float, float]:
    return message["latitude"], message["longitude"]


def test_every_event_is_told_once_and_at_sixty_times_the_pace_as_well() -> None:
    hour = timedelta(hours=1)

    def told(speed: float, steps: int) -> set[tuple]:
        world = events_of(city.timetable, speed=speed, begin=NOON)(90, random.Random(50))
        found = []
        for step in range(steps + 1):
            for thing in range(90):
                found += [
                    (m["trip_id"], m["start_date"], m["stop_sequence"], m["event"])
                    for m in world.messages(thing, NOON + step * hour / steps / speed)
                ]
        assert len(found) == len(set(found))
        return set(found)

    slow, fast = told(1.0, 120), told(60.0, 60)
    assert len(slow) > 500
    assert slow == fast


@pytest.mark.parametrize("things", [1, 7])
def test_no_more_vehicles_speak_than_there_are(things: int) -> None:
    world = positions_of(city.timetable)(things, random.Random(50))
    assert [thing["vehicle_id"] for thing in world.things()] == [f"halcyon-{n + 1:04d}" for n in range(things)]
