"""Headways where trips really run: of added and changed ones, and of feeds that do not tell service days."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.domains.transit import samples
from tests.domains.transit.agency import Agency
from wayside.adapters.entities import Entities
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit, city, jsonapi
from wayside_domains.transit.simulation import positions_of

EIGHT = datetime(2026, 11, 26, 7, tzinfo=UTC)  # at eight in Berlin, r1 leaves A
BEGAN = datetime(2026, 11, 26, 17, 30, tzinfo=UTC)
WORDS = {"incoming": "INCOMING_AT", "stopped": "STOPPED_AT", "moving": "IN_TRANSIT_TO"}


def runs(agency: Agency, vehicle: str, trip: dict[str, Any], minutes: float) -> None:
    """A vehicle stands at B at a minute after eight, and is on its way to C half a minute later."""
    for later, number, stop, status in ((0.0, 1, "A", 2), (0.5, 2, "B", 1), (1.0, 3, "C", 2)):
        agency.until(EIGHT + timedelta(minutes=minutes + later - 0.5, seconds=-1))
        place = {"latitude": 0.0, "longitude": 1.01 + 0.002 * (later - 0.5)}
        call = {"current_stop_sequence": number, "stop_id": stop, "current_status": status}
        told = {"trip": trip, "vehicle": {"id": vehicle}, "position": place, **call}
        agency.tells(told, name="x_positions")


@pytest.mark.parametrize("dated", [True, False], ids=["with its day", "without it"])
def test_an_added_vehicle_counts_for_those_behind_it(tmp_path: Path, *, dated: bool) -> None:
    agency = Agency(samples.folder(tmp_path / "gtfs"), EIGHT, zone="Europe/Berlin")
    day = {"start_date": "20261126"} if dated else {}
    line = {"route_id": "R", "direction_id": 0}
    changed = {"trip_id": "r1", **line, "schedule_relationship": "REPLACEMENT", "start_date": "20261126"}
    runs(agency, "v1", changed, 3)
    runs(agency, "v2", {"trip_id": "extra", **line, "schedule_relationship": "ADDED", **day}, 6)
    runs(agency, "v3", {"trip_id": "other", **line, "schedule_relationship": "NEW", **day}, 10)
    rows = agency.ask("passed", place="x/B", minutes="30", event="arrival").body["rows"]
    assert [(row["thing"], row["trip_id"], row["headway"]) for row in rows] == [
        ("v3", "other", pytest.approx(240, abs=2)), ("v2", "extra", pytest.approx(180, abs=2)), ("v1", "r1", None),
    ]  # fmt: skip
    assert {row["start_date"] for row in rows} == {"20261126"}
    assert {row["planned"] for row in rows} == {None}
    assert {row["spacing"] for row in rows} == {None}, "nothing is planned for them to be compared with"
    (line_now,) = (row for row in agency.ask("lines").body["rows"] if row["line"] == "R")
    assert line_now["headway"] == pytest.approx(210, abs=5)


def test_a_night_is_of_the_day_before_it() -> None:
    agency = Agency(None, datetime(2026, 11, 27, 0, 50, tzinfo=UTC), zone="Europe/Berlin")
    for number, stop in ((1, "A"), (2, "B"), (3, "C")):
        agency.clock.advance(60)
        agency.vehicle({"trip_id": "late"}, current_stop_sequence=number, stop_id=stop, current_status=2)
    rows = agency.ask("passed", place="x/B", minutes="30").body["rows"]
    assert [row["start_date"] for row in rows] == ["20261126"] * 2, "it is two o'clock at night"


def as_told(message: dict[str, Any]) -> dict[str, Any]:
    """A vehicle as the V3 API tells it: without a service day."""
    names = ("label", "direction_id", "latitude", "longitude", "bearing", "speed")
    attributes = {name: message.get(name) for name in names} | {
        "updated_at": message["timestamp"],
        "current_status": WORDS.get(str(message.get("status"))),
        "current_stop_sequence": message.get("stop_sequence"),
        "occupancy_status": message.get("occupancy"),
    }
    related = {
        kind: {"data": {"id": message[f"{kind}_id"]} if message.get(f"{kind}_id") is not None else None}
        for kind in ("trip", "route", "stop")
    }
    return {"id": message["vehicle_id"], "attributes": attributes, "relationships": related}


def test_headways_against_the_plan_are_the_same_through_the_v3_api() -> None:
    """A quarter of an hour of the made city, told as its simulator tells it and as the V3 API would."""
    found = []
    for streamed in (False, True):
        own = Transit("own", "Own", Network("halcyon", "Halcyon", city.timetable), zone=city.ZONE)
        trial = Trial(own.domain(), clock=ManualClock(BEGAN))
        world = positions_of(city.timetable)(60, random.Random(50))
        decode = jsonapi.decoder("halcyon", jsonapi.vehicle, "vehicle_id")
        entities = Entities(("network", "vehicle_id"), "timestamp")
        assert isinstance(trial.clock, ManualClock)
        for _ in range(45):
            trial.clock.advance(20)
            now = trial.clock.now()
            said = [dict(message) for thing in range(60) for message in world.messages(thing, now)]
            said = [message for message in said if not message["removed"]]
            change = decode("reset", json.dumps([as_told(message) for message in said])) if streamed else None
            lines = said if change is None else entities.apply(change, now)
            assert trial.push("vehicle_positions", lines).rejected == 0
        trial.finish()
        call = ["trip_id", "start_date", "vehicle_id", "stop_id", "stop_sequence", "event"]
        values = ["moment", "delay", "headway", "planned_headway", "bunched", "gaps"]
        found.append(trial.windows("stop_times").select(*call, *values).sort(call))
    plain, through = found
    assert plain.height > 200
    assert plain["planned_headway"].count() > 100
    assert plain["bunched"].count() > 20, "headways are compared with the planned ones"
    assert plain.equals(through), plain.join(through, on=plain.columns, how="anti", nulls_equal=True)
    assert pl.Series(through["start_date"]).unique().to_list() == ["20261126"]
