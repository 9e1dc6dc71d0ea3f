"""The MBTA V3 API's events and Irish Rail's XML as vehicles: two more kinds of feed through the same door."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.domains.transit.asking import Asking
from wayside.adapters import UnusableBodyError
from wayside.adapters.entities import Entities
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.irish import SPACE, Reader, Stations, moment, told_by

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def declared() -> Transit:
    found = Transit("feed", "Feed", Network("mbta", "MBTA"), Network("irish", "Irish Rail"), zone="UTC")
    base = "http://127.0.0.1:9"
    found.listen("mbta", vehicles=f"{base}/vehicles", predictions=f"{base}/predictions", alerts=f"{base}/alerts")
    found.irish("irish", f"{base}/xml")
    return found


class Streamed:
    """One feed of events, without the network."""

    def __init__(self, feed: str) -> None:
        self.trial = Trial(declared().domain(), clock=ManualClock(NOW + timedelta(minutes=5)))
        self.source = self.trial.plan.feeds[feed].source
        self.entities = Entities(self.source.identity, "timestamp", self.source.removed)
        self.feed = feed

    def event(self, name: str, data: Any) -> Any:
        change = self.source.decode(name, json.dumps(data))
        assert change is not None
        return self.trial.push(self.feed, self.entities.apply(change, self.trial.clock.now()))


def vehicle(name: str, second: int = 0, **attributes: Any) -> dict[str, Any]:
    """An object as the API's documentation shows it."""
    given = {
        "bearing": 135, "carriages": [], "current_status": "IN_TRANSIT_TO", "current_stop_sequence": 40,
        "direction_id": 1, "label": "1531", "latitude": 42.35, "longitude": -71.06, "occupancy_status": None,
        "revenue": "REVENUE", "speed": None, "updated_at": (NOW + timedelta(seconds=second)).isoformat(),
    }  # fmt: skip
    return {
        "attributes": {**given, **attributes},
        "id": name,
        "links": {"self": f"/vehicles/{name}"},
        "relationships": {
            "route": {"data": {"id": "Red", "type": "route"}},
            "stop": {"data": None},
            "trip": {"data": {"id": "6001", "type": "trip"}},
        },
        "type": "vehicle",
    }


def test_vehicles_of_the_api_come_change_and_go() -> None:
    streamed = Streamed("mbta_vehicle_events")
    streamed.event("reset", [vehicle("R-1", speed=9.5, occupancy_status="FULL"), vehicle("R-2")])
    rows = {row["vehicle_id"]: row for row in streamed.trial.table("vehicles").to_dicts()}
    assert set(rows) == {"R-1", "R-2"}
    first = rows["R-1"]
    assert (first["route_id"], first["trip_id"], first["stop_id"], first["status"]) == ("Red", "6001", None, "moving")
    assert first["timestamp"] == NOW
    streamed.event("update", vehicle("R-1", 10))
    streamed.event("add", vehicle("R-3", 10))
    streamed.event("remove", {"id": "R-2", "type": "vehicle"})
    rows = {row["vehicle_id"]: row for row in streamed.trial.table("vehicles").to_dicts()}
    assert set(rows) == {"R-1", "R-3"}
    assert (rows["R-1"]["speed"], rows["R-1"]["occupancy"]) == (None, None), "a cleared field is cleared"
    streamed.event("reset", [vehicle("R-3", 20)])
    assert streamed.trial.table("vehicles")["vehicle_id"].to_list() == ["R-3"]
    assert streamed.trial.quarantine().is_empty()


def test_one_bad_object_of_a_reset_affects_only_itself() -> None:
    streamed = Streamed("mbta_vehicle_events")
    odd = [
        None,
        5,
        {},
        {"id": "x"},
        {"id": "y", "attributes": None},
        vehicle("far", latitude=91),
        vehicle("when", updated_at="now"),
    ]
    receipt = streamed.event("reset", [vehicle("R-1"), *odd, vehicle("R-2")])
    assert receipt.rejected == len(odd)
    assert streamed.trial.table("vehicles")["vehicle_id"].to_list() == ["R-1", "R-2"]


def test_predictions_go_by_their_own_id_and_alerts_by_theirs() -> None:
    streamed = Streamed("mbta_prediction_events")
    told = {"arrival_time": "2026-11-26T07:10:00-05:00", "departure_time": None, "direction_id": 0, "stop_sequence": 4}
    relations = {name: {"data": {"id": f"{name}-1"}} for name in ("trip", "stop", "route", "vehicle")}
    one = {"id": "prediction-1", "attributes": told, "relationships": relations}
    other = {"id": "prediction-2", "attributes": {**told, "stop_sequence": 5}, "relationships": relations}
    assert streamed.event("reset", [one, other]).rejected == 0
    table = streamed.trial.table("predictions")
    assert table.select("trip_id", "call", "stop_id").rows() == [("trip-1", "4", "stop-1"), ("trip-1", "5", "stop-1")]
    assert table["arrival"][0] == datetime(2026, 11, 26, 12, 10, tzinfo=UTC)
    streamed.event("remove", {"id": "prediction-1", "type": "prediction"})
    assert streamed.trial.table("predictions")["call"].to_list() == ["5"]

    streamed = Streamed("mbta_alert_events")
    told = {
        "header": "Delays\nof 10 minutes", "description": None, "severity": 5, "updated_at": NOW.isoformat(),
        "informed_entity": [{"route": "Red", "stop": "70061"}, {"route": "Red", "stop": "70063"}],
        "active_period": [{"start": NOW.isoformat(), "end": None}],
    }  # fmt: skip
    assert streamed.event("add", {"id": "7", "attributes": told}).rejected == 0
    columns = ("alert_id", "header", "severity", "routes", "stops", "active_from")
    assert streamed.trial.table("alerts").select(columns).rows() == [
        ("7", "Delays of 10 minutes", "5", "Red", "70061 70063", NOW)
    ]


def test_events_that_say_nothing_or_nonsense() -> None:
    decode = Streamed("mbta_vehicle_events").source.decode
    assert decode("message", "{}") is None
    for event, data in (("reset", "{}"), ("update", "not json")):
        with pytest.raises(ValueError, match=r"reset|Expecting"):
            decode(event, data)


# -- Irish Rail --------------------------------------------------------------------------------------------------


def train(
    code: str = "P511", *, lat: str = "51.8", lon: str = "-8.3", said: str = "x", day: str = "26 Nov 2026"
) -> str:
    cells = {"TrainStatus": "R", "TrainLatitude": lat, "TrainLongitude": lon, "TrainCode": code, "TrainDate": day}
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in {**cells, "PublicMessage": said}.items())
    return f"<objTrainPositions>{inner}</objTrainPositions>"


def document(*trains: str) -> bytes:
    root = f'ArrayOfObjTrainPositions xmlns="{SPACE.strip("{}")}"'
    return f'<?xml version="1.0"?><{root}>{"".join(trains)}</{root.split()[0]}>'.encode()


def test_trains_come_with_their_delay_and_bad_ones_are_kept_apart() -> None:
    late = r"A209\n09:25 - Cork to Dublin Heuston (3 mins late)\nDeparted Mallow next stop Charleville"
    body = document(
        train("A209", said=late),
        train("D513", said=r"D513\nCork to Cobh\nExpected Departure 09:30"),
        train("E1", lat="0", lon="0"),
        train(""),
        train("E2", said=r"E2\n00:05 - A to B (1440 mins late)\nx"),
        train("E3", lat="north"),
        train("E4", day="soon"),
    )
    trial = Trial(declared().domain(), clock=ManualClock(NOW))
    entities = Entities(("network", "vehicle_id"), "timestamp")
    trial.push("irish_trains", entities.apply(Reader("irish").read(body, NOW), NOW))
    rows = {row["vehicle_id"]: row for row in trial.table("vehicles").to_dicts()}
    assert set(rows) == {"A209@20261126", "D513@20261126", "E4@"}
    assert rows["A209@20261126"]["delay"] == 180
    assert rows["A209@20261126"]["message"].startswith("A209 · 09:25 - Cork to Dublin Heuston")
    assert rows["D513@20261126"]["delay"] is None
    assert sorted(trial.quarantine()["rule"]) == [
        "latitude.type", "placed", "reported_delay.range", "vehicle_id.length",
    ]  # fmt: skip


LIST = f"""<ArrayOfObjStation xmlns="{SPACE.strip("{}")}">
  <objStation><StationDesc>Dublin Heuston</StationDesc><StationAlias>Heuston</StationAlias><StationCode>HSTON
  </StationCode></objStation>
  <objStation><StationDesc>Thurles</StationDesc><StationAlias /><StationCode>THRLS</StationCode></objStation>
  <objStation><StationDesc>Cork</StationDesc><StationAlias /><StationCode>CORK</StationCode></objStation>
</ArrayOfObjStation>"""
HEAD = r"A209\n09:25 - Cork to Dublin Heuston (3 mins late)\n"
SAID = [
    (r"A209\nCork to Dublin Heuston\nExpected Departure 09:25", "CORK", "stopped"),
    (HEAD + "Departed Cork next stop Thurles", "THRLS", "moving"),
    (HEAD + "Arrived LJ458 next stop Thurles", "THRLS", "moving"),
    (HEAD + "Arrived Thurles next stop Dublin Heuston", "THRLS", "stopped"),
    (HEAD + "Departed Thurles next stop Dublin Heuston", "HSTON", "moving"),
    (r"A209\n09:25 - Cork to Dublin Heuston(3 mins late)\nTERMINATED Heuston at 12:01", "HSTON", "stopped"),
]


def test_what_a_train_did_last_tells_its_calls(tmp_path: Path) -> None:
    file = tmp_path / "stations.xml"
    file.write_text(LIST, encoding="utf-8")
    found = Transit("feed", "Feed", Network("irish", "Irish Rail"), zone="Europe/Dublin")
    feed = found.irish("irish", "http://127.0.0.1:9/xml", stations=file)
    trial, entities = Trial(found.domain(), clock=ManualClock(NOW)), Entities(("network", "vehicle_id"), "timestamp")
    read = feed.source.read.read  # type: ignore[attr-defined]  # with the time of the receipt
    for minute, (said, stop, status) in enumerate(SAID):
        assert isinstance(trial.clock, ManualClock)
        trial.clock.advance(60)
        at = NOW + timedelta(minutes=minute)
        assert (
            trial.push("irish_trains", entities.apply(read(document(train("A209", said=said)), at), at)).rejected == 0
        )
        (row,) = trial.table("vehicles").to_dicts()
        assert (row["stop_id"], row["status"], row["route_id"]) == (stop, status, "Cork to Dublin Heuston")
    trial.finish()
    calls = trial.windows("stop_times").sort("moment")
    seconds = [moment - NOW.timestamp() for moment in calls["moment"]]
    assert list(zip(calls["stop_id"], calls["event"], seconds, calls["delay"], strict=True)) == [
        ("CORK", "departure", 30.0, 180.0), ("THRLS", "arrival", 180.0, 180.0), ("THRLS", "departure", 210.0, 180.0),
        ("HSTON", "arrival", 300.0, 180.0),
    ]  # fmt: skip
    assert calls["dwell"].to_list() == [None, None, 30.0, None]


@pytest.mark.parametrize(
    "said",
    ["", "x", "A1", r"A1\nCork to Cobh", r"A1\nCork to Cobh\nx\ny", r"A1\nx\nDeparted Cork next stop Nowhere"],
)
def test_a_sentence_that_tells_no_call_is_no_call(tmp_path: Path, said: str) -> None:
    file = tmp_path / "stations.xml"
    file.write_text(LIST, encoding="utf-8")
    told = told_by(said.replace("\\n", "\n"), Stations.read(file))
    assert (told.stop, told.status) == (None, None)


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    "body",
    [
        b"<html></html>",
        b"<a><b></a>",
        b"not xml",
        BOMB,
        BOMB.lower(),
        document(train())[:-9],
        b"\x00" * 50,
        b" " * (9 << 20),
    ],
    ids=["html", "crossed", "text", "bomb", "small bomb", "cut off", "zeros", "too large"],
)
def test_what_is_no_such_document_is_refused(body: bytes) -> None:
    with pytest.raises(UnusableBodyError):
        Reader("irish").read(body, NOW)


def test_trains_that_have_not_set_out_are_on_the_board_of_their_station() -> None:
    trial = Trial(declared().domain(), clock=ManualClock(NOW))
    names = {"P511": "Cork to Cobh", "D513": "Cobh to Cork", "A1": "Nowhere", "A2": "Cork to Tralee"}
    due = NOW.astimezone(ZoneInfo("Europe/Dublin")) + timedelta(minutes=9)
    said = {code: f"{code}\\n{way}\\nExpected Departure {due:%H:%M}" for code, way in names.items()}
    said["A2"] = r"A2\nCork to Tralee\nExpected Departure 25:00"
    day = f"{due:%d %b %Y}"
    source: Any = trial.plan.feeds["irish_departures"].source
    read = Reader("irish", trial.clock).departures
    entities = Entities(source.identity, "timestamp")

    def board(stop: str) -> list[dict[str, Any]]:
        return list(Asking(trial)("departures", network="irish", stop=stop).body["departures"])

    body = document(*(train(code, said=text, day=day) for code, text in said.items()))
    assert trial.push("irish_departures", entities.apply(read(body), NOW)).rejected == 0
    (one,) = board("Cork")
    assert (one["trip_id"], one["headsign"], one["plan"]) == ("P511", "Cobh", "feed")
    assert datetime.fromisoformat(one["expected"]) == due.replace(second=0, microsecond=0)
    assert [row["trip_id"] for row in board("Cobh")] == ["D513"]
    assert isinstance(trial.clock, ManualClock)
    trial.clock.advance(60)
    gone = document(train("P511", said=r"P511\n09:30 - Cork to Cobh (0 mins late)\nDeparted Cork next stop Kent"))
    assert trial.push("irish_departures", entities.apply(read(gone), trial.clock.now())).rejected == 0
    assert board("Cork") == board("Cobh") == []


@pytest.mark.parametrize(
    ("hour", "minute", "expected"),
    [(9, 30, "2026-07-01T08:30"), (23, 59, "2026-07-01T22:59"), (0, 5, "2026-07-01T23:05"), (2, 59, "2026-07-02T01:59"),
     (3, 0, "2026-07-01T02:00")],
)  # fmt: skip
def test_the_small_hours_are_the_last_of_a_trains_day(hour: int, minute: int, expected: str) -> None:
    assert moment("20260701", hour, minute).isoformat().startswith(expected)
