"""The domain as it is declared, from messages to tables, windows and answers."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wayside.clock import ManualClock
from wayside.domain import Queries
from wayside.runtime.trial import Trial
from wayside_domains.transit import city, domain
from wayside_domains.transit.simulation import events_of, positions_of

BEGAN = datetime(2026, 11, 26, 13, tzinfo=UTC)
HEAD = {"network": "halcyon", "vehicle_id": "halcyon-0001"}


def told(trial: Trial, seconds: int, *, step: int = 15) -> list[dict[str, Any]]:
    """Let the city run, and hand over what its vehicles say; returns the positions."""
    clock = trial.clock
    assert isinstance(clock, ManualClock)
    places, calls = (of(city.timetable)(90, random.Random(50)) for of in (positions_of, events_of))
    said: list[dict[str, Any]] = []
    for _ in range(seconds // step):
        clock.advance(step)
        now = clock.now()
        found = [dict(m) for thing in range(90) for m in places.messages(thing, now)]
        receipt = trial.push("halcyon_vehicles", found)
        assert receipt.rejected == 0
        said += found
        events = [dict(m) for thing in range(90) for m in calls.messages(thing, now)]
        assert trial.push("halcyon_calls", events).rejected == 0
    return said


@pytest.fixture(scope="module")
def run() -> tuple[Trial, list[dict[str, Any]]]:
    trial = Trial(domain, clock=ManualClock(BEGAN))
    said = told(trial, 900)
    trial.finish()
    return trial, said


def test_the_table_of_vehicles_is_the_newest_word_of_each(run: tuple[Trial, list[dict[str, Any]]]) -> None:
    trial, said = run
    newest: dict[str, dict[str, Any]] = {}
    for message in said:
        newest[message["vehicle_id"]] = message
    present = {name for name, message in newest.items() if not message["removed"]}
    rows = {row["vehicle_id"]: row for row in trial.table("vehicles").to_dicts()}
    assert set(rows) == present
    assert len(present) > 30
    for name, row in rows.items():
        assert row["trip_id"] == newest[name].get("trip_id")
        if row["trip_id"] is not None:
            assert row["line_id"].startswith("halcyon/")
            assert row["off"] < 25
            assert row["delay"] is not None
            assert row["next_arrival"] >= row["timestamp"]


def test_what_is_matched_agrees_with_what_was_simulated(run: tuple[Trial, list[dict[str, Any]]]) -> None:
    """The stream knows positions only; the simulation's own arrivals say how late each vehicle really was."""
    trial, _ = run
    events = trial.table("stop_latest").filter(event="arrival")
    states = {(r["trip_id"], r["start_date"]): r for r in trial.table("vehicles").drop_nulls("delay").to_dicts()}
    compared = [
        (row["delay"], states[key]["delay"])
        for row in events.to_dicts()
        if (key := (row["trip_id"], row["start_date"])) in states
        and (states[key]["timestamp"] - row["timestamp"]) < timedelta(seconds=60)
    ]
    assert len(compared) > 10
    off = sorted(abs(one - other) for one, other in compared)
    assert off[len(off) // 2] < 20, "half of the delays agree within seconds"


def test_windows_count_what_came(run: tuple[Trial, list[dict[str, Any]]]) -> None:
    trial, said = run
    on_lines = sum(1 for message in said if message.get("trip_id"))
    by_route = trial.windows("route_delay")
    assert abs(by_route["positions"].sum() - on_lines) <= on_lines * 0.02  # not every one is near its line's end
    assert set(by_route["route_id"]) == {line.route for line in city.LINES}
    calls = trial.windows("route_calls")
    topic = trial.broker.read("stop_events", 0, 0)
    assert topic is not None
    assert calls["calls"].sum() == topic.frame.height
    assert calls["on_time"].is_between(0, 1).all()
    runs = trial.windows("trip_runs")
    assert runs.select("window_start", "trip_id", "start_date").n_unique() == runs.height
    assert trial.late("route_delay").is_empty()


def position(**more: Any) -> dict[str, Any]:
    place = {"latitude": 36.2, "longitude": -33.4, "removed": False}
    return {**HEAD, "timestamp": BEGAN.isoformat(), **place, **more}


def test_a_removed_vehicle_disappears_and_an_older_word_does_not_bring_it_back() -> None:
    trial = Trial(domain, clock=ManualClock(BEGAN + timedelta(minutes=5)))
    trial.push("vehicle_positions", [position()])
    assert trial.table("vehicles")["vehicle_id"].to_list() == ["halcyon-0001"]
    gone = {**HEAD, "timestamp": (BEGAN + timedelta(seconds=30)).isoformat(), "removed": True}
    trial.push("vehicle_positions", [gone])
    assert trial.table("vehicles").is_empty()
    trial.push("vehicle_positions", [position(timestamp=(BEGAN + timedelta(seconds=10)).isoformat())])
    assert trial.table("vehicles").is_empty()
    trial.push("vehicle_positions", [position(timestamp=(BEGAN + timedelta(seconds=60)).isoformat(), speed=3)])
    assert trial.table("vehicles")["speed"].to_list() == [3.0]


def test_a_field_that_is_no_longer_told_is_empty() -> None:
    trial = Trial(domain, clock=ManualClock(BEGAN + timedelta(minutes=5)))
    trial.push("vehicle_positions", [position(occupancy="FULL", speed=5)])
    trial.push("vehicle_positions", [position(timestamp=(BEGAN + timedelta(seconds=1)).isoformat())])
    assert trial.table("vehicles").select("occupancy", "speed").rows() == [(None, None)]


@pytest.mark.parametrize(
    ("odd", "rule"),
    [
        ({"latitude": 91.0}, "latitude.range"),
        ({"latitude": None}, "placed"),
        ({"latitude": 0.0, "longitude": 0.0}, "placed"),
        ({"bearing": 400}, "bearing.range"),
        ({"vehicle_id": ""}, "vehicle_id.length"),
        ({"start_date": "2026-11-26"}, "start_date.pattern"),
        ({"timestamp": (BEGAN + timedelta(days=3)).isoformat()}, "timestamp.plausible"),
        ({"timestamp": None}, "timestamp.required"),
        ({"removed": None}, "removed.required"),
    ],
)
def test_one_bad_vehicle_affects_only_itself(odd: dict[str, Any], rule: str) -> None:
    trial = Trial(domain, clock=ManualClock(BEGAN + timedelta(minutes=5)))
    receipt = trial.push(
        "vehicle_positions",
        [
            position(),
            position(**{"vehicle_id": "other", **odd}),
            position(vehicle_id="third"),
        ],
    )
    assert receipt.rejected == 1
    assert trial.quarantine()["rule"].to_list() == [rule]
    assert trial.table("vehicles")["vehicle_id"].to_list() == ["halcyon-0001", "third"]


class Asked:
    """The questions of an endpoint, over a trial."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    def now(self) -> datetime:
        return self.trial.clock.now()

    def table(self, name: str, where: Any = None) -> Any:
        return self.trial.store.table(name, where=where, limit=100_000)


def ask(trial: Trial, **given: str) -> Any:
    (endpoint,) = (one for one in domain.endpoints if one.path == "/api/transit/departures")
    queries: Queries = Asked(trial)  # type: ignore[assignment]  # the board asks for nothing else
    return endpoint.handler(queries, None, given)


def test_the_board_of_a_station(run: tuple[Trial, list[dict[str, Any]]]) -> None:
    trial, _ = run
    answer = ask(trial, network="halcyon", stop="central")
    assert answer.status == 200
    rows = answer.body["departures"]
    assert {row["route_id"] for row in rows} == {"M1", "M2", "T3", "B7"}
    assert [row["expected"] for row in rows] == sorted(row["expected"] for row in rows)
    states = [row["state"] for row in rows]
    assert {"live", "planned"} <= set(states)
    vehicles = {row["vehicle_id"] for row in trial.table("vehicles").to_dicts()}
    assert {row["vehicle_id"] for row in rows if row["state"] == "live"} <= vehicles
    short = ask(trial, network="halcyon", stop="central", before="0", ahead="3").body["departures"]
    assert 0 < len(short) < len(rows)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 422),
        ({"network": "halcyon"}, 422),
        ({"network": "nowhere", "stop": "central"}, 404),
        ({"network": "halcyon", "stop": "nowhere"}, 404),
        ({"network": "halcyon", "stop": "central", "ahead": "soon"}, 422),
        ({"network": "halcyon", "stop": "central", "ahead": "-1"}, 422),
        ({"network": "halcyon", "stop": "central", "before": "99999"}, 422),
    ],
)
def test_a_wrong_question_is_told_so(
    run: tuple[Trial, list[dict[str, Any]]], given: dict[str, str], status: int
) -> None:
    answer = ask(run[0], **given)
    assert answer.status == status
    assert answer.body["status"] == status
