"""GTFS-Realtime out: what is said of single vehicles, trips and calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.domains.transit import samples
from wayside.adapters import Change
from wayside.adapters.entities import Entities
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.frequent import by_start

EIGHT = datetime(2026, 11, 26, 7, tzinfo=UTC)  # at eight in Berlin, r1 leaves A
FREQUENT = {"frequencies": "trip_id,start_time,end_time,headway_secs\nloop,08:00:00,10:00:00,600\n"}


class Board:
    """One vehicle on the small timetable, and the feeds that follow from it."""

    def __init__(self, path: Path, **changed: str) -> None:
        self.clock = ManualClock(EIGHT)
        folder = samples.folder(path, **changed)
        self.trial = Trial(
            Transit("x", "X", Network("x", "X", folder), zone="Europe/Berlin").domain(), clock=self.clock
        )
        (found,) = self.trial.plan.domains
        self.endpoints = {one.path: one.handler for one in found.endpoints}

    def now(self) -> datetime:
        return self.clock.now()

    def table(self, name: str, where: Any = None) -> Any:
        return self.trial.store.table(name, where=where, limit=1_000)

    def says(self, name: str = "v", **more: Any) -> None:
        head = {"network": "x", "vehicle_id": name, "timestamp": self.now().isoformat(), "removed": False}
        place = {"latitude": 0.0, "longitude": 1.005, "trip_id": "r1", "start_date": "20261126"}
        assert self.trial.push("vehicle_positions", [{**head, **place, **more}]).rejected == 0

    def read(self, kind: str) -> list[dict[str, Any]]:
        self.clock.advance(5)  # what was written is given to everybody for five seconds
        answer = self.endpoints[f"/gtfs-rt/x/{kind}.json"](self, None, {})  # type: ignore[arg-type]  # asks for tables only
        assert isinstance(answer.body, bytes)
        found = json.loads(answer.body)
        assert found["header"]["timestamp"] == int(self.now().timestamp())
        entities: list[dict[str, Any]] = found["entity"]
        return entities


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "gtfs")


def seconds(clock: str) -> int:
    """Seconds since 1970 of a time of that day in Berlin."""
    hour, minute, second = map(int, clock.split(":"))
    return int((EIGHT + timedelta(hours=hour - 8, minutes=minute, seconds=second)).timestamp())


def test_the_calls_ahead_are_later_by_the_delay_of_now(board: Board) -> None:
    board.clock.advance(180)  # half-way from A to B, where the timetable has it a minute after eight
    board.says()
    (one,) = board.read("trip_updates")
    assert one["id"] == "r1@20261126"
    update = one["trip_update"]
    assert update["trip"] == {
        "trip_id": "r1", "start_date": "20261126", "route_id": "R", "direction_id": 0,
        "schedule_relationship": "SCHEDULED",
    }  # fmt: skip
    assert abs(update["delay"] - 120) <= 1
    calls = update["stop_time_update"]
    assert [(call["stop_sequence"], call["stop_id"]) for call in calls] == [(2, "B"), (5, "C"), (9, "D")]
    late = update["delay"]
    assert calls[1]["arrival"] == {"time": seconds("8:04:00") + late, "delay": late}
    assert calls[1]["departure"] == {"time": seconds("8:05:00") + late, "delay": late}
    assert "departure" not in calls[2]


def test_nothing_that_lies_ahead_is_told_to_be_over_and_nobody_leaves_early(board: Board) -> None:
    board.clock.advance(30)  # a minute early
    board.says()
    (one,) = board.read("trip_updates")
    assert one["trip_update"]["delay"] < -20
    assert {event["delay"] for call in one["trip_update"]["stop_time_update"] for event in events(call)} == {0}
    board.clock.advance(80)  # it has not been heard of for a while, and B was due meanwhile
    (one,) = board.read("trip_updates")
    times = [event["time"] for call in one["trip_update"]["stop_time_update"] for event in events(call)]
    assert min(times) == int(board.now().timestamp()) or min(times) > seconds("8:02:00") - 1
    assert min(times) >= int(board.now().timestamp())


def events(call: dict[str, Any]) -> list[dict[str, Any]]:
    return [call[name] for name in ("arrival", "departure") if name in call]


def test_who_stands_at_a_stop_has_arrived_there(board: Board) -> None:
    board.clock.advance(270)
    board.says(longitude=1.02, status="stopped", stop_id="C", stop_sequence=5)
    (one,) = board.read("trip_updates")
    first, second = one["trip_update"]["stop_time_update"]
    assert (first["stop_id"], "arrival" in first, "departure" in first) == ("C", False, True)
    assert (second["stop_id"], "arrival" in second, "departure" in second) == ("D", True, False)
    (one,) = board.read("vehicle_positions")
    assert one["vehicle"]["current_status"] == "STOPPED_AT"
    assert (one["vehicle"]["stop_id"], one["vehicle"]["current_stop_sequence"]) == ("C", 5)


def test_who_was_not_heard_of_for_long_is_left_out(board: Board) -> None:
    board.says()
    assert len(board.read("vehicle_positions")) == len(board.read("trip_updates")) == 1
    board.clock.advance(90)
    assert board.read("vehicle_positions") == board.read("trip_updates") == []


def test_of_two_vehicles_on_a_trip_the_one_heard_of_last_runs_it(board: Board) -> None:
    board.clock.advance(120)
    board.says("first")
    board.clock.advance(10)
    board.says("second")
    found = {one["id"]: one["vehicle"].get("trip") for one in board.read("vehicle_positions")}
    assert found["first"] is None
    assert found["second"]["trip_id"] == "r1"
    (one,) = board.read("trip_updates")
    assert one["trip_update"]["vehicle"] == {"id": "second"}


def test_a_vehicle_off_its_line_has_no_trip_unless_a_detour_is_announced(board: Board) -> None:
    board.clock.advance(120)
    board.says(latitude=0.003)  # 330 metres
    (one,) = board.read("vehicle_positions")
    assert "trip" not in one["vehicle"]
    assert board.read("trip_updates") == []
    detour = {"network": "x", "alert_id": "d", "timestamp": EIGHT.isoformat(), "removed": False}
    board.trial.push("notices", [{**detour, "effect": "DETOUR", "routes": "R", "header": "Round the block"}])
    (one,) = board.read("vehicle_positions")
    assert one["vehicle"]["trip"]["trip_id"] == "r1"


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"trip_id": "nobody's"}, None),
        ({"trip_id": "extra", "relationship": "ADDED", "route_id": "R"},
         {"trip_id": "extra", "start_date": "20261126", "route_id": "R", "schedule_relationship": "ADDED"}),
        ({"trip_id": "extra", "relationship": "ADDED", "route_id": "Z"},
         {"trip_id": "extra", "start_date": "20261126", "schedule_relationship": "ADDED"}),
        ({"trip_id": None, "route_id": "R"}, None),
    ],
    ids=["unknown", "added", "added on an unknown route", "none"],
)  # fmt: skip
def test_only_trips_that_readers_can_know_are_named(board: Board, told: dict[str, Any], named: Any) -> None:
    board.says(**told, stop_id="S", stop_sequence=3)
    (one,) = board.read("vehicle_positions")
    assert one["vehicle"].get("trip") == named
    assert not {"stop_id", "current_stop_sequence", "current_status"} & set(one["vehicle"]), "S is a station"
    assert board.read("trip_updates") == []


def test_a_cancelled_trip_is_cancelled_in_both_feeds_and_a_skipped_call_is_skipped(board: Board) -> None:
    said = {"network": "x", "timestamp": EIGHT.isoformat(), "removed": False, "start_date": "-"}
    board.clock.advance(120)
    board.says()
    board.trial.push("stop_predictions", [{**said, "trip_id": "r1", "call": "5", "relationship": "SKIPPED"}])
    (one,) = board.read("trip_updates")
    assert [call.get("schedule_relationship") for call in one["trip_update"]["stop_time_update"]] == [
        None, "SKIPPED", None,
    ]  # fmt: skip
    board.trial.push("stop_predictions", [{**said, "trip_id": "r1", "call": "trip", "relationship": "CANCELED"}])
    (one,) = board.read("trip_updates")
    assert "stop_time_update" not in one["trip_update"]
    (two,) = board.read("vehicle_positions")
    assert one["trip_update"]["trip"] == two["vehicle"]["trip"]
    assert two["vehicle"]["trip"]["schedule_relationship"] == "CANCELED"


def test_trips_that_run_every_so_often_have_times_and_no_delays(tmp_path: Path) -> None:
    board = Board(tmp_path / "gtfs", **FREQUENT)
    board.clock.advance(12 * 60)
    board.says(longitude=1.01, trip_id="loop@08:10:00")
    (one,) = board.read("trip_updates")
    update = one["trip_update"]
    assert (update["trip"]["trip_id"], update["trip"]["start_time"]) == ("loop", "08:10:00")
    assert update["trip"]["schedule_relationship"] == "UNSCHEDULED"
    assert "delay" not in update
    found = [event for call in update["stop_time_update"] for event in events(call)]
    assert len(found) == 3
    assert all(set(event) == {"time"} for event in found)


def test_what_goes_out_comes_in_as_it_was(tmp_path: Path) -> None:
    """Another Wayside with the same timetable sees the same vehicles on the same trips, whatever they are named by."""
    board = Board(tmp_path / "gtfs", **FREQUENT)
    board.clock.advance(12 * 60)
    board.says("often", longitude=1.01, trip_id="loop@08:10:00", occupancy="FULL", speed=7.5)
    board.says("once", longitude=1.02, stop_id="C", stop_sequence=5, status="stopped", label="4711")
    board.says("bare", trip_id=None, start_date=None)
    board.clock.advance(5)
    answer = board.endpoints["/gtfs-rt/x/vehicle_positions.json"](board, None, {})  # type: ignore[arg-type]  # asks for tables only
    transit = Transit("x", "X", Network("x", "X", tmp_path / "gtfs"), zone="Europe/Berlin")
    (feed,) = transit.poll("x", positions="http://127.0.0.1:9/p.json")
    other = Trial(transit.domain(), clock=board.clock)
    source: Any = feed.source
    lines = Entities(source.identity, "timestamp").apply(source.read(answer.body), board.now())
    assert other.push("x_positions", lines).rejected == 0
    assert other.table("vehicles").drop("relationship").equals(board.trial.table("vehicles").drop("relationship"))
    assert other.table("vehicles")["trip_id"].to_list() == [None, "loop@08:10:00", "r1"]


@pytest.mark.parametrize("start", ["08:10:00", "8:10:00", "08:11:00", "soon", None])
def test_a_trip_that_runs_every_so_often_is_told_by_its_start(tmp_path: Path, start: str | None) -> None:
    timetable = samples.timetable(tmp_path / "gtfs", **FREQUENT)
    change = Change("reset", [{"trip_id": "loop", "start_time": start}, {"trip_id": "r1", "start_time": start}, {}])
    found = by_start(lambda _: change, lambda: timetable)(b"").messages
    loop = "loop@08:10:00" if start in ("08:10:00", "8:10:00") else "loop"
    assert [message.get("trip_id") for message in found] == [loop, "r1", None]
    assert by_start(lambda _: change, lambda: None)(b"") is change


def test_a_network_without_a_timetable_says_what_it_was_told() -> None:
    trial = Trial(Transit("x", "X", Network("x", "X"), zone="UTC").domain(), clock=ManualClock(EIGHT))
    board = Board.__new__(Board)
    board.clock, board.trial = trial.clock, trial  # type: ignore[assignment]  # it is a ManualClock
    board.endpoints = {one.path: one.handler for one in trial.plan.domains[0].endpoints}
    board.says(route_id="R", occupancy="FULL", bearing=90.0)
    (one,) = board.read("vehicle_positions")
    assert one["vehicle"]["trip"] == {"trip_id": "r1", "start_date": "20261126", "route_id": "R"}
    assert one["vehicle"]["occupancy_status"] == "FULL"
    assert one["vehicle"]["position"]["bearing"] == 90
    assert board.read("trip_updates") == []
    trial.push(
        "notices", [{"network": "x", "alert_id": "1", "timestamp": EIGHT.isoformat(), "header": "H", "removed": False}]
    )
    (one,) = board.read("alerts")
    assert one["alert"]["informed_entity"] == [{"agency_id": "x"}]


def test_the_time_of_the_feed_never_goes_back(board: Board) -> None:
    board.says()
    handler = board.endpoints["/gtfs-rt/x/vehicle_positions.json"]
    board.read("vehicle_positions")
    before = handler(board, None, {}).body  # type: ignore[arg-type]  # asks for tables only
    board.clock.advance(-30)
    assert handler(board, None, {}).body == before  # type: ignore[arg-type]  # asks for tables only


def test_what_the_agency_expects_is_told_on_in_its_own_order(board: Board) -> None:
    board.clock.advance(180)  # two minutes late, half-way from A to B
    board.says()
    said = {"network": "x", "trip_id": "r1", "start_date": "20261126", "timestamp": board.now().isoformat()}
    at = {5: "8:09:00", 9: "8:08:00"}  # D before C, which cannot be
    rows = [
        {**said, "call": str(number), "stop_sequence": number, "removed": False,
         "arrival": datetime.fromtimestamp(seconds(time), UTC).isoformat()}
        for number, time in at.items()
    ]  # fmt: skip
    assert board.trial.push("stop_predictions", rows).rejected == 0
    (one,) = board.read("trip_updates")
    update = one["trip_update"]
    assert abs(update["delay"] - 120) <= 1, "that of the vehicle"
    bee, cee, dee = update["stop_time_update"]
    assert bee["arrival"]["delay"] == update["delay"]
    assert cee["arrival"] == {"time": seconds("8:09:00"), "delay": 300}
    assert cee["departure"] == {"time": seconds("8:10:00"), "delay": 300}
    assert dee["arrival"] == {"time": seconds("8:10:00"), "delay": 180}


def test_a_trip_that_only_the_agency_tells_of_is_told_on_while_that_is_fresh(board: Board) -> None:
    said = {"network": "x", "trip_id": "r2", "start_date": "-", "removed": False}
    board.clock.advance(55 * 60)
    said |= {"timestamp": board.now().isoformat(), "departure": (EIGHT + timedelta(minutes=63)).isoformat()}
    assert board.trial.push("stop_predictions", [{**said, "call": "1", "stop_sequence": 1}]).rejected == 0
    (one,) = board.read("trip_updates")
    assert one["id"] == "r2@20261126"
    assert "vehicle" not in one["trip_update"]
    assert one["trip_update"]["delay"] == 180
    assert [call["stop_id"] for call in one["trip_update"]["stop_time_update"]] == ["A", "B", "C", "D"]
    board.clock.advance(90)
    assert board.read("trip_updates") == []
