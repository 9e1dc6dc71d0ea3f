"""GTFS-Realtime as messages: one bad entity affects only itself, and a body that says nothing refuses the whole."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wayside.adapters import UnusableBodyError
from wayside.adapters.entities import Entities
from wayside.adapters.polling import Documents
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.realtime import enhanced, notices, positions, predictions, protobuf, reader

pb = pytest.importorskip("google.transit.gtfs_realtime_pb2", reason="the extra `transit` is not installed")
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def message(*, at: datetime = NOW, vehicles: int = 3) -> Any:
    """A feed of vehicles v0, v1, ..."""
    found = pb.FeedMessage()
    found.header.gtfs_realtime_version = "2.0"
    found.header.timestamp = int(at.timestamp())
    for number in range(vehicles):
        entity = found.entity.add(id=f"e{number}")
        entity.vehicle.vehicle.id = f"v{number}"
        entity.vehicle.timestamp = int(at.timestamp()) - 5
        entity.vehicle.position.latitude, entity.vehicle.position.longitude = 42.0, -71.0 - number / 100
    return found


def feed() -> Transit:
    found = Transit("feed", "Feed", Network("x", "X"), zone="UTC")
    found.poll(
        "x",
        positions="http://127.0.0.1:9/vp.pb",
        predictions="http://127.0.0.1:9/tu.pb",
        notices="http://127.0.0.1:9/a.pb",
    )
    return found


class Polled:
    """A network that is polled, without the network: bodies go through the same documents and the same door."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        domain = feed().domain()
        self.trial = Trial(domain, clock=self.clock)
        self.source = self.trial.plan.feeds["x_positions"].source
        self.documents = Documents(self.source, "timestamp")

    def come(self, body: bytes) -> int:
        """A body comes; returns how many messages followed."""
        self.clock.advance(15)
        lines = self.documents.messages(body, self.clock.now())
        self.trial.push("x_positions", lines)
        return len(lines)

    @property
    def vehicles(self) -> list[str]:
        return self.trial.table("vehicles")["vehicle_id"].to_list()


def test_vehicles_come_move_and_go() -> None:
    polled = Polled()
    assert polled.come(message().SerializeToString()) == 3
    assert polled.vehicles == ["v0", "v1", "v2"]
    assert polled.come(message().SerializeToString()) == 0, "nothing new was said"
    later = message(at=NOW + timedelta(seconds=30), vehicles=2)
    later.entity[0].vehicle.position.speed = 7.5
    assert polled.come(later.SerializeToString()) == 3
    assert polled.vehicles == ["v0", "v1"]
    assert polled.trial.table("vehicles")["speed"].to_list() == [7.5, None]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"<html><body>502 Bad Gateway</body></html>",
        b'{"error":"no"}',
        b"\x00\x01\x02",
        pb.FeedMessage().SerializePartialToString(),
        message().SerializeToString()[:-7],
        message(at=NOW - timedelta(hours=1)).SerializeToString(),
    ],
    ids=["empty", "blank", "html", "json", "noise", "uninitialised", "cut off", "older"],
)
def test_a_body_that_says_nothing_wipes_nothing(body: bytes) -> None:
    polled = Polled()
    polled.come(message().SerializeToString())
    with pytest.raises(UnusableBodyError):
        polled.come(body)
    assert polled.vehicles == ["v0", "v1", "v2"]
    assert polled.come(message(at=NOW + timedelta(minutes=1)).SerializeToString()) == 3
    assert polled.vehicles == ["v0", "v1", "v2"]


def test_a_whole_snapshot_without_vehicles_is_believed() -> None:
    polled = Polled()
    polled.come(message().SerializeToString())
    assert polled.come(message(at=NOW + timedelta(minutes=1), vehicles=0).SerializeToString()) == 3
    assert polled.vehicles == []


def test_a_bad_vehicle_affects_only_itself() -> None:
    polled = Polled()
    found = message(vehicles=6)
    found.entity[0].vehicle.position.latitude = float("nan")
    found.entity[1].vehicle.timestamp = 2**63 - 1
    found.entity[2].vehicle.ClearField("position")
    found.entity[3].vehicle.position.bearing = -20
    found.entity[4].ClearField("vehicle")
    polled.come(found.SerializeToString())
    assert polled.vehicles == ["v5"]
    assert sorted(polled.trial.quarantine()["rule"]) == sorted(
        ["latitude.type", "timestamp.instant", "placed", "bearing.range", "placed"]
    )


def test_mutants_of_a_body_never_wipe_what_they_do_not_hold_and_never_raise_anything_else() -> None:
    chance, good = random.Random(7), message(vehicles=4).SerializeToString()
    unusable = taken = 0
    polled = Polled()
    for _ in range(400):
        body = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(body))
            kind = chance.randrange(3)
            if kind == 0:
                body[place] ^= 1 << chance.randrange(8)
            elif kind == 1:
                del body[place : place + chance.randint(1, 9)]
            else:
                body[place:place] = chance.randbytes(chance.randint(1, 9))
        try:
            polled.documents.newest = None
            lines = polled.documents.messages(bytes(body), NOW)
        except UnusableBodyError:
            unusable += 1
            continue
        taken += 1
        receipt = polled.trial.push("x_positions", lines)
        assert receipt.rejected + len(receipt.appended.offsets) == len(lines)
    assert unusable > 20
    assert taken > 20


def test_a_vehicle_without_an_id_is_told_apart_by_its_trip_not_by_the_entity() -> None:
    def shuffled(order: list[int]) -> bytes:
        found = message(vehicles=0)
        for number, trip in enumerate(order):
            entity = found.entity.add(id=str(number))
            entity.vehicle.trip.trip_id, entity.vehicle.trip.start_date = f"t{trip}", "20261126"
            entity.vehicle.stop_id = f"s{trip}"
        return bytes(found.SerializeToString())

    polled = Polled()
    assert polled.come(shuffled([1, 2])) == 2
    assert polled.come(shuffled([2, 1])) == 0
    assert polled.vehicles == ["t1@20261126", "t2@20261126"]


def test_json_and_protobuf_of_one_feed_say_the_same() -> None:
    found = message()
    found.entity[0].vehicle.trip.trip_id = "t"
    found.entity[0].vehicle.current_status = pb.VehiclePosition.STOPPED_AT
    found.entity[0].vehicle.position.latitude = 42.5
    read = protobuf(found.SerializeToString())
    read["header"]["timestamp"] = int(read["header"]["timestamp"])
    as_json = json.dumps(read).encode()
    one = reader("x", positions)(found.SerializeToString())
    other = reader("x", positions, enhanced)(as_json)
    assert one.messages == other.messages
    assert one.at == other.at == NOW
    assert one.messages[0]["status"] == "stopped"


@pytest.mark.parametrize(
    "header",
    [None, {}, {"gtfs_realtime_version": "3.0", "timestamp": 1}, {"gtfs_realtime_version": "2.0"}, []],
)
def test_a_header_of_no_use_refuses_the_whole(header: Any) -> None:
    body = json.dumps({"header": header, "entity": []}).encode()
    with pytest.raises(UnusableBodyError):
        reader("x", positions, enhanced)(body)


@pytest.mark.parametrize("entity", [None, 5, "x", [], {}, {"vehicle": 5}, {"vehicle": {"trip": []}}, {"vehicle": None}])
def test_entities_that_are_none_are_refused_one_by_one(entity: Any) -> None:
    header = {"gtfs_realtime_version": "2.0", "timestamp": int(NOW.timestamp()), "incrementality": "FULL_DATASET"}
    good = {"id": "g", "vehicle": {"vehicle": {"id": "g"}, "position": {"latitude": 1, "longitude": 2}}}
    change = reader("x", positions, enhanced)(json.dumps({"header": header, "entity": [entity, good]}).encode())
    trial = Trial(feed().domain(), clock=ManualClock(NOW))
    lines = Entities(("network", "vehicle_id"), "timestamp").apply(change, NOW)
    receipt = trial.push("x_positions", lines)
    assert receipt.rejected == 1
    assert trial.table("vehicles")["vehicle_id"].to_list() == ["g"]


def test_trip_updates_and_alerts() -> None:
    found = message(vehicles=0)
    update = found.entity.add(id="u").trip_update
    update.trip.trip_id, update.trip.route_id, update.trip.start_date = "t", "R", "20261126"
    update.stop_time_update.add(stop_sequence=4, stop_id="s").arrival.time = int(NOW.timestamp()) + 60
    skipped = update.stop_time_update.add(stop_id="z")
    skipped.schedule_relationship = pb.TripUpdate.StopTimeUpdate.SKIPPED
    gone = found.entity.add(id="c").trip_update
    gone.trip.trip_id, gone.trip.schedule_relationship = "c", pb.TripDescriptor.CANCELED
    alert = found.entity.add(id="a").alert
    alert.header_text.translation.add(text="Arrêt fermé", language="fr")
    alert.header_text.translation.add(text="Stop\nclosed", language="en")
    alert.informed_entity.add(route_id="R", stop_id="s")
    alert.informed_entity.add(route_id="R", stop_id="z")
    body = found.SerializeToString()
    calls = reader("x", predictions)(body).messages
    assert [(m["trip_id"], m["call"], m["relationship"]) for m in calls] == [
        ("t", "4", None), ("t", "z", "SKIPPED"), ("c", "trip", "CANCELED"),
    ]  # fmt: skip
    assert calls[0]["arrival"] == NOW + timedelta(seconds=60)
    (note,) = reader("x", notices)(body).messages
    assert (note["header"], note["routes"], note["stops"], note["trips"]) == ("Stop closed", "R", "s z", None)
    trial = Trial(feed().domain(), clock=ManualClock(NOW))
    for name, rows in (("x_predictions", calls), ("x_notices", [note])):
        documents = Documents(trial.plan.feeds[name].source, "timestamp")
        assert trial.push(name, documents.messages(body, NOW)).rejected == 0
        assert len(rows) > 0
    assert trial.table("predictions").height == 3
    assert trial.table("alerts")["header"].to_list() == ["Stop closed"]
