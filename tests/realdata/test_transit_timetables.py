"""Three agencies' timetables, read and simulated."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.gtfs import read_gtfs

pytestmark = pytest.mark.realdata

AGENCIES = [
    ("caltrain-2017-07-24", date(2017, 7, 24), datetime(2017, 7, 24, 15, tzinfo=UTC), (4, 64, 188, 2697)),
    ("trimet-vermont-2018-02-06", date(2018, 2, 6), datetime(2018, 2, 6, 16, tzinfo=UTC), (1, 102, 78, 4133)),
    ("seattle-area-2017-11-16", date(2017, 11, 21), datetime(2017, 11, 21, 16, tzinfo=UTC), (14, 259, 3888, 57205)),
]


@pytest.mark.parametrize(("name", "day", "at", "sizes"), AGENCIES, ids=[name for name, *_ in AGENCIES])
def test_a_timetable_is_read_whole(real_data: Path, name: str, day: date, at: datetime, sizes: tuple[int, ...]) -> None:
    table = read_gtfs(real_data / "gtfs_static" / name, name)
    assert (table.routes.height, table.stops.height, table.trips.height, table.calls.height) == sizes
    assert table.notes == ()
    assert table.zone == "America/Los_Angeles"
    far = 0
    for trip_id in table.trips_on(day)["trip_id"]:
        trip, calls = table.trip(trip_id), table.calls_of(trip_id)
        assert trip is not None
        assert calls.along is not None
        line = table.line_of(trip)
        assert line is not None
        for stop, along in zip(calls.stops, calls.along, strict=True):
            place = table.place(stop)
            assert place is not None
            far += line.locate(place[1], place[2], after=along - 1, before=along + 1).off > 150
    assert far == 0, "every stop lies beside its line, where the order of the trip says"


@pytest.mark.parametrize(("name", "day", "at", "sizes"), AGENCIES, ids=[name for name, *_ in AGENCIES])
def test_it_runs_without_error(real_data: Path, name: str, day: date, at: datetime, sizes: tuple[int, ...]) -> None:
    world = Transit(name, name, Network("agency", name, real_data / "gtfs_static" / name), zone="America/Los_Angeles")
    positions, events = world.simulate("agency", vehicles=400)
    clock = ManualClock(at)
    trial = Trial(world.domain(), clock=clock)
    moving = {feed.name: feed.source.simulate(400, random.Random(50)) for feed in (positions, events)}
    for _ in range(10):
        clock.advance(60)
        for feed, simulation in moving.items():
            said = [dict(m) for thing in range(400) for m in simulation.messages(thing, clock.now())]
            assert trial.push(feed, said).rejected == 0
    trial.finish()
    rows = trial.table("vehicles")
    under_way = rows.drop_nulls("trip_id")
    assert under_way.height >= 3
    assert under_way["delay"].null_count() == 0
    assert under_way["off"].max() < 30
    late = under_way["delay"].median()
    assert isinstance(late, float)
    assert abs(late) < 600
    assert trial.windows("route_calls")["calls"].sum() > 10
    assert trial.table("vehicles")["timestamp"].min() > clock.now() - timedelta(minutes=11)
