"""Trips of which only an agency's feed knows: on boards and cards, and told on as they came in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.domains.transit import samples
from tests.domains.transit.agency import KEPT, Agency, Update
from wayside.adapters.entities import Entities
from wayside_domains.transit import jsonapi

EIGHT = datetime(2026, 11, 26, 7, tzinfo=UTC)  # at eight in Berlin, r1 leaves A; B 8:02, C 8:04 to 8:05, D 8:07
DAY = {"start_date": "20261126"}


def second(minutes: float) -> int:
    return int((EIGHT + timedelta(minutes=minutes)).timestamp())


def text(minutes: float) -> str:
    return (EIGHT + timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def call(number: int | None, stop: str, arrives: float | None, leaves: float | None, **more: Any) -> Update:
    times = {"arrival": arrives, "departure": leaves}
    found: Update = {name: {"time": second(at)} for name, at in times.items() if at is not None}
    return {**({"stop_sequence": number} if number is not None else {}), "stop_id": stop, **found, **more}


def update(trip: Update, *calls: Update, **more: Any) -> Update:
    return {"trip": trip, "stop_time_update": list(calls), **more}


def new(**more: Any) -> Update:
    """An extra trip from A over C to D, without a call at B."""
    trip = {"trip_id": "extra", "route_id": "R", "direction_id": 0, "schedule_relationship": "NEW", **DAY, **more}
    return update(trip, call(1, "A", 2, 3), call(2, "C", 6, 7), call(3, "D", 9, 9), vehicle={"id": "v9"})


def made(folder: Path | None) -> Agency:
    return Agency(folder, EIGHT, zone="Europe/Berlin")


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    return made(samples.folder(tmp_path / "gtfs"))


@pytest.mark.parametrize("word", ["ADDED", "NEW", "UNSCHEDULED"])
def test_an_added_trip_is_on_the_boards_of_its_stops_and_on_no_other(agency: Agency, word: str) -> None:
    agency.tells(new(schedule_relationship=word))
    row = agency.board("C")["extra"]
    assert (row["expected"], row["planned"], row["plan"], row["basis"]) == (text(7), None, "added", "prediction")
    assert (row["headsign"], row["route_id"], row["state"], row["vehicle_id"]) == ("Dee", "R", "expected", "v9")
    assert agency.board("C")["r1"]["plan"] == "timetable", "that of the timetable stands beside it"
    assert "extra" in agency.board("S"), "a station has the calls at its platforms"
    assert "extra" not in agency.board("B")
    assert "extra" not in agency.board("D"), "nothing leaves the last stop"
    (line,) = (one for one in agency.lines("C") if one["note"])
    assert (line["note"], line["planned"], line["expected"], line["toward"]) == ("added", None, text(7), "Dee")
    agency.tells()
    assert set(agency.board("C")) == {"r1"}, "the feed no longer holds it"


def test_a_card_has_the_calls_of_an_added_trip(agency: Agency) -> None:
    agency.tells(new())
    agency.vehicle(new()["trip"], current_stop_sequence=2, stop_id="C", current_status="IN_TRANSIT_TO")
    rows = agency.ask("calls", thing="v9").body["rows"]
    assert [(row["place_name"], row["expected"], row["planned"], row["note"]) for row in rows] == [
        ("Cee", text(6), None, "added"), ("Dee", text(9), None, "added"),
    ]  # fmt: skip
    assert agency.board("C")["extra"]["state"] == "live"
    assert agency.board("A")["extra"]["state"] == "departed", "the vehicle is on its way to C"


def replacement() -> Update:
    """r1 goes past C and calls at B later, where it was to call anyhow, and once more at A on its way."""
    trip = {"trip_id": "r1", "schedule_relationship": "REPLACEMENT", **DAY}
    planned = {"arrival": {"time": second(5), "scheduled_time": second(3)},
               "departure": {"time": second(6), "scheduled_time": second(4)}}  # fmt: skip
    return update(trip, call(1, "A", 1, 1), {**call(2, "B", None, None), **planned}, call(3, "D", 9, 9))


def test_a_replacement_stands_in_place_of_the_calls_of_the_timetable(agency: Agency) -> None:
    assert "r1" in agency.board("C")
    agency.tells(replacement())
    assert "r1" not in agency.board("C"), "it no longer calls there"
    row = agency.board("B")["r1"]
    assert (row["planned"], row["expected"], row["plan"]) == (text(4), text(6), "replacement")
    assert agency.board("A")["r1"]["planned"] is None, "its feed does not say what was planned"
    assert [line["note"] for line in agency.lines("B")] == ["changed", None]
    agency.vehicle(replacement()["trip"], current_stop_sequence=2, stop_id="B")
    assert agency.trial.table("vehicles")["delay"].to_list() == [None], "there is no timetable to compare it with"
    rows = agency.ask("calls", thing="v9").body["rows"]
    assert [(row["place_name"], row["planned"]) for row in rows] == [("Bee", text(3)), ("Dee", None)]
    agency.tells()
    assert "r1" in agency.board("C"), "it runs as planned again"


def copied(*calls: Update) -> Update:
    trip = {"trip_id": "r1", "route_id": "R", "schedule_relationship": "DUPLICATED"}
    own = {"trip_id": "twice", "start_date": "20261126", "start_time": "08:20:00"}
    return update(trip, *calls, trip_properties=own)


def test_a_copy_runs_like_its_trip_from_its_own_start(agency: Agency) -> None:
    agency.tells(copied())
    row = agency.board("C")["twice"]
    assert (row["planned"], row["expected"], row["basis"], row["plan"]) == (text(25), text(25), "timetable", "added")
    assert agency.board("C")["r1"]["planned"] == text(5)
    agency.tells(copied({"stop_sequence": 5, "departure": {"delay": 120}}))
    assert (agency.board("A")["twice"]["expected"], agency.board("A")["twice"]["basis"]) == (text(20), "timetable")
    row = agency.board("C")["twice"]
    assert (row["planned"], row["expected"], row["basis"]) == (text(25), text(27), "prediction")
    assert agency.updates()["twice@20261126"]["trip_properties"]["start_time"] == "08:20:00"


def test_a_call_that_an_added_trip_leaves_out_is_struck_through_where_it_was_planned(agency: Agency) -> None:
    due = {"scheduled_time": second(6)}
    skipped = {"stop_sequence": 2, "stop_id": "C", "departure": due, "schedule_relationship": "SKIPPED"}
    trip = new()["trip"]
    agency.tells(update(trip, call(1, "A", 2, 3), skipped, call(3, "D", 9, 9)))
    row = agency.board("C")["extra"]
    assert (row["state"], row["planned"], row["plan"]) == ("cancelled", text(6), "added")
    assert agency.updates()["extra@20261126"]["stop_time_update"][1]["schedule_relationship"] == "SKIPPED"


def test_a_deleted_trip_leaves_the_boards_and_a_cancelled_one_is_struck_through(agency: Agency) -> None:
    trip = {"trip_id": "r1", **DAY}
    agency.tells(update({**trip, "schedule_relationship": "CANCELED"}, call(5, "C", 4, 5, schedule_relationship=0)))
    assert agency.board("C")["r1"]["state"] == "cancelled", "whatever is told of its calls"
    assert agency.updates()["r1@20261126"]["trip"]["schedule_relationship"] == "CANCELED"
    agency.tells(update({**trip, "schedule_relationship": "DELETED"}))
    assert agency.board("C") == {}
    assert agency.updates()["r1@20261126"]["trip"]["schedule_relationship"] == "DELETED"
    agency.tells(new(schedule_relationship="CANCELED"))
    assert set(agency.board("C")) == {"r1"}, "an added trip that will not run was never planned"


def test_what_was_told_long_ago_is_not_shown_nor_told_on(agency: Agency) -> None:
    agency.tells(new())
    agency.clock.advance(85)
    assert "extra@20261126" in agency.updates()
    assert "extra@20261126" not in agency.updates(), "91 seconds old"
    agency.clock.advance(8 * 60)
    assert "extra" in agency.ask("departures", network="x", stop="C", before="60").body["departures"][-1]["trip_id"]
    agency.clock.advance(40)
    board = agency.ask("departures", network="x", stop="C", before="60").body["departures"]
    assert [row["trip_id"] for row in board] == ["r1"]
    then = agency.ask("departures", network="x", stop="C", at=text(3)).body["departures"]
    assert {row["trip_id"]: row["plan"] for row in then} == {"r1": "timetable", "extra": "added"}, "as it was then"


def test_a_trip_that_the_timetable_does_not_have_is_named_so(agency: Agency) -> None:
    agency.tells(new(schedule_relationship="SCHEDULED"))
    assert agency.board("C")["extra"]["plan"] == "unknown"
    assert {one["note"] for one in agency.lines("C")} == {None, "not in the timetable"}
    assert agency.updates() == {}, "readers could not look it up"
    agency.vehicle({**new()["trip"], "schedule_relationship": "ADDED"}, current_stop_sequence=2)
    assert agency.board("C")["extra"]["plan"] == "added", "its vehicle says so"
    assert agency.updates()["extra@20261126"]["trip"]["schedule_relationship"] == "ADDED"


@pytest.mark.parametrize(
    "changed",
    [
        {"route_id": "gone"},
        {"route_id": None},
        {"calls": [call(1, "A", 2, 3), call(2, "elsewhere", 6, 7)]},
        {"calls": [call(None, "A", 2, 3), call(None, "C", 6, 7)]},
        {"calls": [call(1, "A", -9, -8), call(2, "C", -7, -6)]},
    ],
    ids=["a route that is not known", "no route", "a stop that is not known", "calls without numbers", "it is over"],
)
def test_a_new_trip_that_readers_could_not_follow_is_not_told_on(agency: Agency, changed: dict[str, Any]) -> None:
    calls = changed.pop("calls", None)
    said = new(**changed)
    agency.tells({**said, **({"stop_time_update": calls} if calls else {})})
    assert agency.updates() == {}
    agency.tells(new())
    assert set(agency.updates()) == {"extra@20261126"}


def test_a_network_without_a_timetable_has_boards_of_what_its_feed_expects() -> None:
    agency = made(None)
    plain = new()["trip"]
    plain.pop("schedule_relationship")
    agency.tells(update(plain, *new()["stop_time_update"]), replacement())
    row = agency.board("C")["extra"]
    assert (row["plan"], row["expected"], row["headsign"]) == ("feed", text(7), None)
    (line,) = agency.lines("C")
    assert line["note"] is None, "there is no timetable to which it could have been added"
    assert agency.ask("departures", network="x", stop="C").body["zone"] == "Europe/Berlin"
    assert agency.board("A")["r1"]["plan"] == "added"
    assert agency.board("nowhere") == {}
    assert agency.ask("departures", network="y", stop="C").status == 404
    agency.tells(update({**plain, "schedule_relationship": "CANCELED"}))
    assert agency.board("C") == {}
    assert agency.updates() == {
        "extra@20261126": {
            "trip": {**plain, "schedule_relationship": "CANCELED"}, "timestamp": int(agency.clock.now().timestamp()),
        }
    }  # fmt: skip


@pytest.mark.parametrize("timetable", [True, False], ids=["with a timetable", "without one"])
def test_what_goes_out_comes_in_as_it_was(tmp_path: Path, *, timetable: bool) -> None:
    folder = samples.folder(tmp_path / "gtfs") if timetable else None
    here, there = made(folder), made(folder)
    later = {"trip_id": "r2", "route_id": "R", "direction_id": 0, "schedule_relationship": "SCHEDULED", **DAY}
    left_out = {"stop_sequence": 2, "stop_id": "B", "schedule_relationship": "SKIPPED"}
    skipping = update(later, call(1, "A", None, 61), left_out, call(3, "C", 64, 65), call(4, "D", 67, None))
    extra = new(trip_id="second", schedule_relationship="ADDED")
    extra.pop("vehicle")
    told = [new(), {**replacement(), "trip": {**replacement()["trip"], "route_id": "R", "direction_id": 0}}, extra]
    back = {"trip_id": "back", "route_id": "R", "direction_id": 1, "schedule_relationship": "CANCELED", **DAY}
    again = copied(call(5, "C", 25, 26), call(9, "D", 28, None))
    here.tells(*told, again, skipping, {"trip": back})
    here.vehicle(new()["trip"], current_stop_sequence=2, stop_id="C", current_status="IN_TRANSIT_TO")
    here.clock.advance(5)
    there.until(here.clock.now())
    for name, kind in (("x_predictions", "trip_updates"), ("x_positions", "vehicle_positions")):
        there.takes(name, here.body(f"{kind}.json"))
    sides = [one.trial.table("predictions").select(KEPT).sort("trip_id", "call") for one in (here, there)]
    assert sides[0].height == 16
    words = pl.col("relationship", "trip_relationship").replace("SCHEDULED", None)  # which they are by default
    sides = [side.with_columns(words) for side in sides]
    assert sides[0].equals(sides[1]), sides
    for stop in ("A", "B", "C"):
        assert {**here.board(stop)} == {**there.board(stop)}
    assert there.trial.table("vehicles").equals(here.trial.table("vehicles"))


def prediction(name: str, stop: str, minutes: float, **more: Any) -> dict[str, Any]:
    """One prediction as the V3 API tells it."""
    attributes = {
        "arrival_time": text(minutes), "departure_time": text(minutes + 1), "direction_id": 0, "stop_sequence": 10,
        "schedule_relationship": "ADDED", "update_time": text(0), **more,
    }  # fmt: skip
    relations = {kind: {"data": {"id": one}} for kind, one in (("trip", "ADDED-1"), ("stop", stop), ("route", "R"))}
    return {"id": name, "attributes": attributes, "relationships": relations}


@pytest.mark.parametrize("timetable", [True, False], ids=["with a timetable", "without one"])
def test_an_added_prediction_of_the_v3_api_is_on_the_board(tmp_path: Path, *, timetable: bool) -> None:
    agency = made(samples.folder(tmp_path / "gtfs") if timetable else None)
    decode = jsonapi.decoder("x", jsonapi.prediction, "prediction_id")
    entities = Entities(("network", "prediction_id"), "timestamp")

    def event(kind: str, data: Any) -> None:
        agency.clock.advance(1)
        change = decode(kind, json.dumps(data))
        assert change is not None
        assert agency.trial.push("stop_predictions", entities.apply(change, agency.clock.now())).rejected == 0

    event("reset", [prediction("1", "B", 5), prediction("2", "C", 8, stop_sequence=20)])
    row = agency.board("B")["ADDED-1"]
    assert (row["plan"], row["expected"], row["start_date"], row["route_id"]) == ("added", text(6), None, "R")
    agency.vehicle({"trip_id": "ADDED-1", "schedule_relationship": "ADDED"}, current_stop_sequence=10)
    assert agency.board("B")["ADDED-1"]["state"] == "live"
    (update,) = agency.updates().values()
    assert update["trip"]["schedule_relationship"] == "ADDED"
    event("remove", {"id": "1", "type": "prediction"})
    assert "ADDED-1" not in agency.board("B")
    assert "ADDED-1" in agency.board("C")
