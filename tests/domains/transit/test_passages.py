"""Calls at stops as they happen: what the running plan infers is what the batch infers, with headways and dwell."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.domains.transit import samples
from wayside.clock import ManualClock
from wayside.dataflow.graph import Graph
from wayside.runtime.trial import Trial
from wayside.server.queries import LiveQueries
from wayside.server.services import Services
from wayside_domains.transit import Network, Transit, city, domain
from wayside_domains.transit.apart import apart_on
from wayside_domains.transit.arrivals import dwell, headways, inferred
from wayside_domains.transit.matching import enriched
from wayside_domains.transit.passages import calls_of, spaced
from wayside_domains.transit.records import Followed, VehiclePosition
from wayside_domains.transit.simulation import positions_of

BEGAN = datetime(2026, 11, 26, 17, 30, tzinfo=UTC)
EVERY = 15
CALL = ["trip_id", "start_date", "stop_id", "stop_sequence", "event"]


@pytest.fixture(scope="module")
def hour() -> tuple[Trial, pl.DataFrame]:
    """Twenty minutes of the city's evening peak through the running plan, and the same in one frame."""
    trial = Trial(domain, clock=ManualClock(BEGAN))
    world = positions_of(city.timetable)(90, random.Random(50))
    said: list[dict[str, Any]] = []
    for step in range(1200 // EVERY):
        at = BEGAN + timedelta(seconds=EVERY * step)
        assert isinstance(trial.clock, ManualClock)
        trial.clock.advance(EVERY)
        found = [dict(message) for thing in range(90) for message in world.messages(thing, at)]
        assert trial.push("halcyon_vehicles", found).rejected == 0
        said += [message for message in found if not message["removed"]]
        if step == 40:
            trial.engine.recover()  # what was remembered comes back
    trial.finish()
    rows = [
        {**dict.fromkeys(VehiclePosition.fields), **m, "timestamp": datetime.fromisoformat(m["timestamp"])}
        for m in said
    ]
    frame = pl.DataFrame(rows, schema=VehiclePosition.schema())
    return trial, inferred(enriched(frame, lambda _: city.timetable()), lambda _: city.timetable())


def test_live_calls_are_those_of_the_batch(hour: tuple[Trial, pl.DataFrame]) -> None:
    trial, batch = hour
    live = trial.windows("stop_times")
    assert live["calls"].to_list() == [1] * live.height, "each call is found once"
    assert trial.late("stop_times").is_empty()
    assert live.height > 500
    one = live.select(*CALL, at="moment", delay="delay").sort(CALL)
    other = batch.select(*CALL, at=pl.col("timestamp").dt.epoch("us") / 1e6, delay="delay").sort(CALL)
    assert one.select(CALL).equals(other.select(CALL))
    assert (one["at"] - other["at"]).abs().max() < 1e-3
    assert (one["delay"] - other["delay"]).abs().max() < 1e-3


def test_dwell_and_headway_are_those_of_the_batch(hour: tuple[Trial, pl.DataFrame]) -> None:
    trial, batch = hour
    live = trial.windows("stop_times")
    stays = dwell(batch).select("trip_id", "start_date", "stop_id", "stop_sequence", "dwell")
    both = live.filter(event="departure").join(stays, on=stays.columns[:-1], suffix="_batch")
    assert both.height > 200
    assert (both["dwell"] - both["dwell_batch"]).abs().max() < 1e-3
    apart = headways(batch).select(*CALL, "headway", "planned_headway")
    gaps = live.join(apart, on=CALL, suffix="_batch").drop_nulls("headway_batch")
    told = gaps.drop_nulls("headway")
    # The position that shows the later of two calls may come first: then one of them has no vehicle ahead.
    assert told.height > 0.97 * gaps.height > 100
    agree = (told["headway"] - told["headway_batch"]).abs() < 1e-3
    assert agree.mean() > 0.97


def test_spacing_is_a_state_of_the_newest_call(hour: tuple[Trial, pl.DataFrame]) -> None:
    trial, _ = hour
    table = trial.table("stop_headways")
    assert set(table["event"]) == {"arrival", "departure"}
    for row in table.drop_nulls(["headway", "planned_headway"]).to_dicts():
        share = row["headway"] / row["planned_headway"]
        assert row["spacing"] == ("bunched" if share < 0.25 else "gap" if share > 1.75 else "even")
        assert (row["bunched"], row["gap"]) == (float(share < 0.25), float(share > 1.75))
    assert set(table["spacing"].drop_nulls()) >= {"even", "gap"}, "some runs of the city are silent"


def test_the_planned_distance_is_that_of_the_timetable(tmp_path: Any) -> None:
    """A trip that nobody drives leaves a gap: the plan is not measured from the vehicle that came before."""
    table = samples.timetable(tmp_path)
    found = apart_on(table, date(2026, 3, 16))
    assert [found.at("r2", call, "departure") for call in range(5)] == [3600.0, 3570.0, 3600.0, 3600.0, None]
    assert [found.at("r2", call, "arrival") for call in range(4)] == [3600.0] * 4
    assert found.at("r1", 0, "departure") is None, "the first of its day"
    assert found.at("unheard of", 0, "departure") is None
    assert apart_on(table, date(2026, 3, 16)) is found
    assert apart_on(table, date(2026, 3, 15)).at("r2", 0, "departure") is None, "no such trip on a Sunday"


@pytest.mark.parametrize(
    ("apart", "planned", "state"),
    [(60, 300, "bunched"), (75, 300, "even"), (525, 300, "even"), (526, 300, "gap"), (60, None, None)],
)
def test_how_even_a_spacing_is(apart: int, planned: float | None, state: str | None) -> None:
    row = dict.fromkeys(Followed.fields) | {
        "timestamp": BEGAN + timedelta(seconds=apart), "ahead": BEGAN, "planned_headway": planned, "event": "departure",
    }  # fmt: skip
    found = spaced(pl.DataFrame([row], schema=Followed.schema()).lazy()).collect().row(0, named=True)
    assert (found["headway"], found["spacing"]) == (apart, state)
    assert (found["bunched"], found["gap"]) == (
        (None, None) if state is None else (float(state == "bunched"), float(state == "gap"))
    )


def test_calls_keep_the_place_of_the_position_that_showed_them() -> None:
    """Else they would be late, or not, by how the log is cut."""
    trial = Trial(domain, clock=ManualClock(BEGAN))
    graph = Graph(trial.plan)
    for name in ("vehicle_progress", "stop_passages", "stop_calls"):
        assert graph.tracers[name].way is not None, name


def move(**changed: Any) -> dict[str, Any]:
    given = {
        "network": "example", "vehicle_id": "v", "trip_id": "r1", "start_date": "20260316", "basis": "line",
        "timestamp": datetime(2026, 3, 16, 7, 3, tzinfo=UTC), "before": datetime(2026, 3, 16, 7, 2, tzinfo=UTC),
        "along": 2300.0, "furthest": 900.0, "speed": None, "before_speed": None, "status": "moving",
        "stop_id": None, "stop_sequence": None, "standing": None, "before_status": "moving", "before_stop_id": None,
        "before_stop_sequence": None, "stood": None, "reached": 1, "delay": None,
    }  # fmt: skip
    return given | changed


@pytest.mark.parametrize(
    ("changed", "events"),
    [
        ({}, [("B", "arrival"), ("B", "departure"), ("C", "arrival"), ("C", "departure")]),
        ({"along": 1_100.0}, [("B", "arrival")]),
        ({"furthest": 2_300.0, "along": 1_000.0}, []),
        ({"before": datetime(2026, 3, 16, 6, 59, tzinfo=UTC)}, []),
        ({"before": datetime(2026, 3, 16, 7, 3, tzinfo=UTC)}, []),
        ({"trip_id": "unheard of"}, []),
        ({"basis": "words", "before_stop_sequence": 1, "stop_sequence": 2, "before_stop_id": "A"}, []),
        (
            {"trip_id": "?", "basis": "words", "before_stop_sequence": 1, "before_stop_id": "A", "stop_sequence": 2},
            [("A", "arrival"), ("A", "departure")],
        ),
    ],
)
def test_what_one_move_tells(tmp_path: Any, changed: dict[str, Any], events: list[tuple[str, str]]) -> None:
    table = samples.timetable(tmp_path)
    found = list(calls_of(move(**changed), table))
    assert [(call["stop_id"], call["event"]) for call in found] == events
    assert [call["timestamp"] for call in found] == sorted(call["timestamp"] for call in found)


def test_words_of_a_trip_without_a_line_are_compared_with_its_plan(tmp_path: Any) -> None:
    """A stop without a place leaves the trip without a line, and what the feed says of numbers is all that there is."""
    table = samples.timetable(
        tmp_path, stop_times=samples.TABLES["stop_times.txt"].replace("r1,,,B,2", "r1,08:02:00,08:02:00,N,2")
    )
    assert table.calls_of("r1").along is None
    at = datetime(2026, 3, 16, 7, 5, 30, tzinfo=UTC)  # half a minute after it should have left C
    said = {
        "basis": "words", "before": at - timedelta(seconds=60), "timestamp": at + timedelta(seconds=60),
        "before_stop_sequence": 5, "stop_sequence": 9, "before_stop_id": "C", "stop_id": "D", "reached": 5, "stood": 5,
    }  # fmt: skip
    (left,) = calls_of(move(**said), table)
    assert (left["stop_id"], left["event"], left["delay"], left["on_time"]) == ("C", "departure", 30.0, 1.0)
    assert left["planned_headway"] is None, "it is the first of the day"
    told = {**said, "trip_id": None, "delay": 90.0}
    (other,) = calls_of(move(**told), None)
    assert (other["delay"], other["planned"]) == (90.0, at - timedelta(seconds=90)), "as the feed itself says"


def test_a_feed_without_a_timetable_is_read_by_its_words() -> None:
    made = Transit("x", "X", Network("x", "X"), zone="UTC")
    trial = Trial(made.domain(), clock=ManualClock(BEGAN))
    place = {"network": "x", "trip_id": "t", "start_date": "20261126", "latitude": 1.0, "longitude": 1.0}
    for second, vehicle, number, status in (
        (0, "a", 1, "moving"), (30, "a", 1, "stopped"), (60, "a", 2, "moving"),
        (90, "b", 1, "moving"), (150, "b", 1, "stopped"), (180, "b", 2, "moving"),
    ):  # fmt: skip
        at = (BEGAN + timedelta(seconds=second)).isoformat()
        said = {"vehicle_id": vehicle, "stop_id": f"s{number}", "stop_sequence": number, "status": status}
        assert trial.push("vehicle_positions", [{**place, **said, "timestamp": at, "removed": False}]).rejected == 0
    rows = trial.table("stop_headways").to_dicts()
    assert [(row["event"], row["stop_id"], row["headway"], row["dwell"], row["ahead_vehicle_id"]) for row in rows] == [
        ("arrival", "s1", 120.0, None, "a"), ("departure", "s1", 120.0, 15.0, "a"),
    ]  # fmt: skip
    assert {row["spacing"] for row in rows} == {None}


def ask(trial: Trial, path: str, **given: str) -> Any:
    services = Services(trial.plan, trial.broker, trial.store, trial.engine, trial.intakes, clock=trial.clock)
    (endpoint,) = (one for one in domain.endpoints if one.path == path)
    return endpoint.handler(LiveQueries(services), None, given)


def test_what_called_at_a_station(hour: tuple[Trial, pl.DataFrame]) -> None:
    trial, batch = hour
    rows = ask(trial, "/api/transit/passed", place="halcyon/central", minutes="60").body["rows"]
    assert len(rows) == batch.filter(pl.col("stop_id").str.starts_with("central")).height > 20
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)
    assert {row["line"] for row in rows} == {"M1", "M2", "T3", "B7"}
    paths = {feature["id"] for geometry in domain.geometries[:1] for feature in geometry.features()["features"]}
    assert {row["path"] for row in rows} <= paths, "the lines of the map"
    assert {row["spacing"] for row in rows} <= {None, "even", "bunched", "gap"}
    assert any(row["headway"] for row in rows)
    for row in rows:
        planned = row["planned_headway"]
        compared = row["headway"] is not None and planned is not None
        assert (row["spacing"] is not None) == compared
        assert row["spacing"] != "gap" or row["headway"] > 1.75 * planned
    left = ask(trial, "/api/transit/passed", place="halcyon/central", event="departure").body["rows"]
    assert {row["event"] for row in left} == {"departure"}
    assert all(row["dwell"] is None or row["dwell"] >= 0 for row in left)
    assert any(row["dwell"] for row in left)
    few = ask(trial, "/api/transit/passed", place="halcyon/central", minutes="5").body["rows"]
    assert 0 < len(few) < len(rows)


def test_how_each_line_is_running(hour: tuple[Trial, pl.DataFrame]) -> None:
    trial, batch = hour
    body = ask(trial, "/api/transit/lines").body
    rows = {(row["line"], row["direction"]): row for row in body["rows"]}
    assert {line for line, _ in rows} == {line.route for line in city.LINES}
    on_trips = trial.table("vehicles").drop_nulls("trip_id")
    assert sum(row["live"] + row["stale"] for row in rows.values()) == on_trips.height
    assert sum(row["calls"] for row in rows.values()) == batch.filter(event="departure").height
    assert any(row["headway"] for row in rows.values())
    assert any(row["silent"] for row in rows.values()), "some runs of the city are silent"
    assert isinstance(trial.clock, ManualClock)
    trial.clock.advance(120)
    try:
        later = ask(trial, "/api/transit/lines").body["rows"]
        assert sum(row["stale"] for row in later) == on_trips.height, "nobody was heard of for two minutes"
    finally:
        trial.clock.advance(-120)


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("/api/transit/passed", {}, 422),
        ("/api/transit/passed", {"place": "central"}, 422),
        ("/api/transit/passed", {"place": "halcyon/central", "minutes": "0"}, 422),
        ("/api/transit/passed", {"place": "halcyon/central", "minutes": "1e3"}, 422),
        ("/api/transit/passed", {"place": "halcyon/central", "event": "crash"}, 422),
        ("/api/transit/passed", {"place": "nowhere/central"}, 404),
        ("/api/transit/passed", {"place": "halcyon/nowhere"}, 404),
        ("/api/transit/lines", {"minutes": "soon"}, 422),
    ],
)
def test_a_wrong_question_is_told_so(
    hour: tuple[Trial, pl.DataFrame], path: str, given: dict[str, str], status: int
) -> None:
    answer = ask(hour[0], path, **given)
    assert (answer.status, answer.body["status"]) == (status, status)
