"""Positions on their lines: how far along, how late, what next, on which service day, and what leaves a stop."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.domains.transit.samples import timetable
from wayside_domains.transit.boards import departures, runs_of
from wayside_domains.transit.matching import enriched, match, planned_at
from wayside_domains.transit.records import VehiclePosition, VehicleState
from wayside_domains.transit.timetable import Timetable

DAY = date(2026, 4, 30)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Timetable:
    return timetable(tmp_path_factory.mktemp("example") / "gtfs")


def at(clock: str, day: str = "2026-04-30") -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}+02:00").astimezone(UTC)


def position(clock: str, lon: float, lat: float = 0.0, **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(VehiclePosition.fields)
    place = {"latitude": lat, "longitude": lon, "timestamp": at(clock), "removed": False}
    return {**empty, "network": "example", "vehicle_id": "v", "trip_id": "r1", **place, **more}


@pytest.mark.parametrize(
    ("clock", "lon", "delay", "next_stop"),
    [
        ("08:01:00", 1.005, 0, "B"),  # half-way at half the time
        ("08:02:00", 1.005, 60, "B"),
        ("08:00:30", 1.005, -30, "B"),
        ("08:04:30", 1.02, 0, "D"),  # within its planned stay at C
        ("08:05:20", 1.02, 20, "D"),
        ("08:03:50", 1.02, -10, "D"),
        ("07:50:00", 1.0, 0, "B"),  # nobody is early who waits at the first stop
        ("08:00:45", 1.0, 45, "B"),
        ("08:09:00", 1.03, 120, "D"),
    ],
)
def test_delay_and_next_stop(table: Timetable, clock: str, lon: float, delay: float, next_stop: str) -> None:
    found = match(table, position(clock, lon))
    assert found is not None
    assert found.delay == pytest.approx(delay, abs=1)
    assert table.calls_of("r1").stops[found.next] == next_stop
    assert found.day == DAY
    assert found.along == pytest.approx((lon - 1) * 111_195, abs=2)


def test_the_arrival_to_expect_carries_the_delay_and_is_never_past(table: Timetable) -> None:
    late = match(table, position("08:02:00", 1.005))
    assert late is not None
    assert late.arrival == at("08:03:00")
    early = match(table, position("08:00:30", 1.005))
    assert early is not None
    assert early.arrival == at("08:02:00")


def test_a_place_beside_the_line_says_how_far_and_one_far_away_is_not_on_it(table: Timetable) -> None:
    beside = match(table, position("08:01:00", 1.005, 0.001))
    assert beside is not None
    assert beside.off == pytest.approx(111, abs=1)
    assert match(table, position("08:01:00", 1.005, 0.01)) is None


def test_where_a_loop_begins_and_ends_the_clock_or_the_next_call_decides(table: Timetable) -> None:
    for clock, along in (("10:00:20", 0), ("10:09:50", 6672)):
        found = match(table, position(clock, 1.0, trip_id="loop"))
        assert found is not None
        assert found.along == pytest.approx(along, abs=5)
    # Eight minutes late on its way back: by the clock alone one could take it to be on its way.
    found = match(table, position("10:18:00", 1.0, trip_id="loop", stop_sequence=3))
    assert found is not None
    assert found.along == pytest.approx(6672, abs=5)
    assert found.delay == pytest.approx(480, abs=2)


def test_after_midnight_the_service_day_is_the_one_before(table: Timetable) -> None:
    found = match(table, position("01:11:00", 1.005, trip_id="night", timestamp=at("01:11:00", "2026-05-01")))
    assert found is not None
    assert (found.day, found.delay) == (DAY, pytest.approx(0, abs=1))
    given = match(
        table,
        position("01:11:00", 1.005, trip_id="night", timestamp=at("01:11:00", "2026-05-01"), start_date="20260501"),
    )
    assert given is None, "on that day it would be a whole day early: it is not believed"


@pytest.mark.parametrize(
    "odd",
    [
        {"trip_id": None},
        {"trip_id": "unknown"},
        {"latitude": None},
        {"start_date": "yesterday"},
        {"stop_sequence": 77},
    ],
)
def test_what_cannot_be_matched_is_left_as_it_came(table: Timetable, odd: dict[str, Any]) -> None:
    rows = pl.DataFrame([position("08:01:00", 1.005, **odd)], schema=VehiclePosition.schema())
    (row,) = enriched(rows, lambda network: table if network == "example" else None).to_dicts()
    assert {name: row[name] for name in ("vehicle_id", "trip_id")} == {"vehicle_id": "v", "trip_id": row["trip_id"]}
    assert (row["delay"] is None) == ("stop_sequence" not in odd)
    (other,) = enriched(rows, lambda network: None).to_dicts()
    assert other["along"] is None


def test_one_odd_row_changes_nothing_for_the_others(table: Timetable) -> None:
    good = position("08:02:00", 1.005)
    rows = pl.DataFrame([good, position("08:02:00", 1.0, trip_id="?"), good], schema=VehiclePosition.schema())
    found = enriched(rows, lambda _: table)
    assert found.schema == VehicleState.schema()
    assert found["delay"].to_list() == [60.0, None, 60.0]
    assert found["route_id"].to_list() == ["R", None, "R"]
    assert found["next_stop"].to_list() == ["Bee", None, "Bee"]
    assert found["line_id"].to_list() == ["example/line", None, "example/line"]


def test_the_plan_never_runs_backwards_along_a_line(table: Timetable) -> None:
    calls = table.calls_of("r1")
    planned = [planned_at(calls, along, 0.0) for along in range(0, 3340, 10)]
    assert planned == sorted(planned)


# -- boards ------------------------------------------------------------------------------------------------------


def states(table: Timetable, *positions: dict[str, Any]) -> Any:
    rows = pl.DataFrame(list(positions), schema=VehiclePosition.schema())
    return runs_of(enriched(rows, lambda _: table))


def test_a_board_shows_plan_delay_and_who_is_silent(table: Timetable) -> None:
    now = at("08:03:30")
    runs = states(table, position("08:03:20", 1.005))
    (line,) = departures(table, "C", now, runs)
    assert (line.trip_id, line.state, line.delay) == ("r1", "live", pytest.approx(140, abs=1))
    assert line.planned == at("08:05:00")
    assert line.expected == line.planned + timedelta(seconds=line.delay or 0)
    (silent,) = departures(table, "C", now, {})
    assert (silent.state, silent.expected, silent.delay) == ("silent", silent.planned, None)
    (ahead,) = departures(table, "C", at("07:50:00"), {})
    assert ahead.state == "planned"
    (stale,) = departures(table, "C", now + timedelta(minutes=2), runs)
    assert stale.state == "stale"
    (dead,) = departures(table, "C", now + timedelta(minutes=5), runs)
    assert (dead.state, dead.delay) == ("silent", None)


def test_what_left_within_five_minutes_is_still_shown_and_what_ends_here_is_not(table: Timetable) -> None:
    runs = states(table, position("08:06:00", 1.025))
    (left,) = departures(table, "C", at("08:06:10"), runs)
    assert left.state == "departed"
    assert departures(table, "C", at("08:20:00"), {}) == []
    assert [line.trip_id for line in departures(table, "D", at("08:06:00"), {})] == ["back"]


def test_a_late_trip_stays_on_the_board_until_it_has_come(table: Timetable) -> None:
    runs = states(table, position("08:31:00", 1.005))
    (late,) = departures(table, "C", at("08:31:10"), runs)
    assert late.trip_id == "r1"
    assert late.planned == at("08:05:00")
    assert late.expected == at("08:35:00")


def test_a_station_shows_its_platforms_and_night_trips_are_those_of_the_day_before(table: Timetable) -> None:
    (night,) = departures(table, "S", at("01:05:00", "2026-05-01"), {})
    assert (night.trip_id, night.start_date, night.stop_id) == ("night", "20260430", "A")
    assert departures(table, "nowhere", at("08:00:00"), {}) == []


def test_another_day_s_vehicle_says_nothing_about_today_s_trip(table: Timetable) -> None:
    yesterday = {"timestamp": at("08:01:00", "2026-04-29"), "start_date": "20260429"}
    runs = states(table, position("08:01:00", 1.005, **yesterday))
    (line,) = departures(table, "C", at("08:01:10"), runs)
    assert line.vehicle_id is None
