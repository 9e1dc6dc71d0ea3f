"""GTFS-Realtime out: an hour of a made city breaks no rule of producers, and each rule notices what breaks it."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("google.transit.gtfs_realtime_pb2", reason="the extra `transit` is not installed")

from google.transit.gtfs_realtime_pb2 import Alert, FeedHeader, FeedMessage, TripDescriptor

from tests.domains.transit.feed_rules import RULES, Snapshot, broken
from wayside.clock import ManualClock
from wayside.domain import Domain, Endpoint
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit, city
from wayside_domains.transit.simulation import positions_of
from wayside_domains.transit.times import anchor

BEGAN = datetime(2026, 11, 26, 17, tzinfo=UTC)
DAY = date(2026, 11, 26)
KINDS = ("vehicle_positions", "trip_updates", "alerts")
THINGS = 90


def halcyon() -> Domain:
    """The made city by itself: what it has published is not what other tests have."""
    return Transit("transit", "Transit", Network(city.NETWORK, "Halcyon", city.timetable), zone=city.ZONE).domain()


class Feeds:
    """The feeds of a network over a trial, as bytes and as they are read."""

    def __init__(self, trial: Trial, network: str = city.NETWORK) -> None:
        self.trial = trial
        found = [endpoint for one in trial.plan.domains for endpoint in one.endpoints]
        self.endpoints: dict[str, Endpoint] = {
            one.path.rsplit("/", 1)[1]: one for one in found if one.path.startswith(f"/gtfs-rt/{network}/")
        }

    def now(self) -> datetime:
        return self.trial.clock.now()

    def table(self, name: str, where: Any = None) -> Any:
        return self.trial.store.table(name, where=where, limit=100_000)

    def body(self, name: str) -> bytes:
        answer = self.endpoints[name].handler(self, None, {})  # type: ignore[arg-type]  # asks for tables only
        assert answer.status == 200
        assert isinstance(answer.body, bytes)
        return answer.body

    def read(self, kind: str) -> FeedMessage:
        return FeedMessage.FromString(self.body(f"{kind}.pb"))

    def snapshot(self, timetable: Any, before: Snapshot | None = None) -> Snapshot:
        now = int(self.now().timestamp())
        return Snapshot(now, *(self.read(kind) for kind in KINDS), timetable, before)


def notice(name: str, **more: Any) -> dict[str, Any]:
    head = {"network": "halcyon", "alert_id": name, "timestamp": BEGAN.isoformat(), "removed": False}
    return {**head, "header": f"About {name}", "cause": "WEATHER", "effect": "SIGNIFICANT_DELAYS", **more}


NOTICES = [
    notice("lines", routes="M1 B7 gone", severity="5", active_from=BEGAN.isoformat()),
    notice("stops", stops="central nowhere", effect="STATION_CLOSURE", description="It is closed.", url="http://x.org"),
    notice("both", routes="M1 T4", stops="central", cause="OWLS"),
    notice("all", effect="SUSPENSION", severity="9"),
    notice("unknown", routes="gone", stops="nowhere"),
    notice("over", routes="M1", active_to=(BEGAN - timedelta(hours=1)).isoformat()),
    notice("wordless", routes="M1", header=None),
]


@pytest.fixture(scope="module")
def hour() -> list[Snapshot]:
    """An hour of the city at thirty-second steps, from five in the afternoon, with all three feeds read at each."""
    clock = ManualClock(BEGAN)
    trial = Trial(halcyon(), clock=clock)
    feeds, timetable = Feeds(trial), city.timetable()
    world = positions_of(city.timetable)(THINGS, random.Random(50))
    trial.push("notices", NOTICES)
    found: list[Snapshot] = []
    replaced = ""
    for step in range(120):
        clock.advance(30)
        now = clock.now()
        trial.push("vehicle_positions", [dict(m) for thing in range(THINGS) for m in world.messages(thing, now)])
        if step == 20:  # the agency's own feed cancels a trip that runs and one that does not yet, and skips a call
            running = trial.table("vehicles").drop_nulls(["trip_id", "along", "delay"])
            coming = timetable.trips_on(now.date()).filter(starts=19 * 3600)["trip_id"]
            trial.push("stop_predictions", changes(running.row(0, named=True), running.row(1, named=True), coming, now))
            replaced = running.row(2, named=True)["trip_id"]
        if step >= 20 and step % 2 == 0:
            expected = foretold(trial.table("vehicles"), now, random.Random(step))
            expected = [row for row in expected if row["trip_id"] != replaced] + beside(replaced, now)
            assert trial.push("stop_predictions", expected).rejected == 0
            trial.push("vehicle_positions", [{**EXTRA, "timestamp": now.isoformat()}])
        found.append(feeds.snapshot(timetable, found[-1] if found else None))
    return found


def foretold(vehicles: Any, now: datetime, chance: random.Random) -> list[dict[str, Any]]:
    """What an agency's feed expects: of some that run, and of some that nobody hears; with times that go to and fro."""
    timetable = city.timetable()
    second = (now - anchor(DAY, timetable.zone)).total_seconds()
    soon = timetable.trips_on(DAY)
    soon = soon.filter(soon["starts"].is_between(second - 600, second + 600))["trip_id"].to_list()
    heard = vehicles.drop_nulls(["trip_id", "along"])["trip_id"].to_list()
    said = []
    for trip_id in [*heard[::4], *soon[::3]]:
        calls = timetable.calls_of(trip_id)
        for index in range(0, len(calls), 3):
            at = timetable.at(DAY, float(calls.arrivals[index]) + chance.uniform(-120, 400))
            said.append(
                {"network": "halcyon", "trip_id": trip_id, "start_date": "20261126", "timestamp": now.isoformat(),
                 "call": str(calls.sequences[index]), "stop_sequence": calls.sequences[index], "removed": False,
                 chance.choice(["arrival", "departure"]): at.isoformat()}
            )  # fmt: skip
    return said


EXTRA = {
    "network": "halcyon", "vehicle_id": "extra", "latitude": 36.2, "longitude": -33.4, "trip_id": "added-NEW",
    "start_date": "20261126", "relationship": "NEW", "removed": False,
}  # fmt: skip


def beside(replaced: str, now: datetime) -> list[dict[str, Any]]:
    """What an agency's feed tells of trips beside the timetable: whole ones, a copy, and one in place of another."""
    timetable = city.timetable()
    pattern, found = timetable.calls_of(replaced), []
    route = timetable.trip(replaced).route_id  # type: ignore[union-attr]  # it runs
    head = {"network": "halcyon", "start_date": "20261126", "timestamp": now.isoformat(), "removed": False}
    runs = [("ADDED", "added-ADDED"), ("NEW", "added-NEW"), ("REPLACEMENT", replaced), ("DUPLICATED", "copy")]
    for late, (word, trip_id) in enumerate(runs):
        own = {"trip_id": trip_id, "trip_relationship": word, "relationship": word}
        own |= {"copy_of": replaced, "start_time": "17:55:00"} if word == "DUPLICATED" else {"route_id": route}
        for index, (stop, number) in enumerate(zip(pattern.stops, pattern.sequences, strict=True)):
            at = BEGAN + timedelta(minutes=5 + late + 5 * index)  # it begins in the past and ends ahead
            call = {"call": str(number), "stop_sequence": number, "stop_id": stop}
            times = {"arrival": at.isoformat(), "departure": (at + timedelta(seconds=20)).isoformat()}
            found.append({**head, **own, **call, **({} if word == "DUPLICATED" else times)})
    return found


def changes(cancelled: dict[str, Any], skipping: dict[str, Any], coming: Any, now: datetime) -> list[dict[str, Any]]:
    """What an agency's feed says of trips that will not be, and of a call."""
    head = {"network": "halcyon", "timestamp": now.isoformat(), "removed": False}
    day = {"start_date": "20261126"}
    last = city.timetable().calls_of(skipping["trip_id"])
    return [
        {**head, **day, "trip_id": cancelled["trip_id"], "call": "trip", "relationship": "CANCELED"},
        *({**head, **day, "trip_id": one, "call": "trip", "relationship": "CANCELED"} for one in list(coming)[:1]),
        {**head, "trip_id": skipping["trip_id"], "start_date": "-", "call": str(last.sequences[-1]),
         "stop_id": last.stops[-1], "relationship": "SKIPPED"},
    ]  # fmt: skip


def test_every_snapshot_of_an_hour_keeps_every_rule(hour: list[Snapshot]) -> None:
    assert [found for snapshot in hour if (found := broken(snapshot))] == []
    assert min(len(snapshot.vehicles) for snapshot in hour) > 40
    assert min(len(snapshot.trips) for snapshot in hour) > 30
    assert sum(len(trip.stop_time_update) for snapshot in hour for trip in snapshot.trips) > 20_000
    alone = [
        trip for snapshot in hour for trip in snapshot.trips if not trip.HasField("vehicle") and trip.stop_time_update
    ]
    assert len(alone) > 100, "trips of which only the agency's feed tells"


def test_the_hour_holds_what_the_rules_are_about(hour: list[Snapshot]) -> None:
    last = hour[30]
    relations = [trip.trip.schedule_relationship for trip in last.trips]
    assert relations.count(TripDescriptor.CANCELED) >= 1
    assert any(
        call.schedule_relationship == 1 for snapshot in hour for t in snapshot.trips for call in t.stop_time_update
    )
    words = {"ADDED", "NEW", "REPLACEMENT", "DUPLICATED"}
    assert set(map(TripDescriptor.ScheduleRelationship.Name, relations)) >= words
    extra = next(told for told in last.trips if told.trip.trip_id == "added-NEW")
    assert extra.vehicle.id == "extra"
    assert extra.stop_time_update[0].departure.time < last.now, "of a new trip also what is over"
    assert any(trip.delay > 120 for snapshot in hour for trip in snapshot.trips)
    assert any(trip.delay < -5 for snapshot in hour for trip in snapshot.trips)
    assert {entity.id for entity in last.alerts.entity} == {"lines", "stops", "both", "all"}


def test_alerts_say_whom_they_concern(hour: list[Snapshot]) -> None:
    alerts = {entity.id: entity.alert for entity in hour[-1].alerts.entity}
    named = {name: [(one.route_id, one.stop_id) for one in alert.informed_entity] for name, alert in alerts.items()}
    assert named["lines"] == [("M1", ""), ("B7", "")]
    assert named["stops"] == [("", "central")]
    assert named["both"] == [("M1", "central"), ("T4", "")], "the ring does not call at Central"
    assert [route for route, _ in named["all"]] == sorted(line.route for line in city.LINES)
    assert [alerts[name].effect for name in ("lines", "stops", "all")] == [
        Alert.SIGNIFICANT_DELAYS, Alert.OTHER_EFFECT, Alert.NO_SERVICE,
    ]  # fmt: skip
    assert [alerts[name].severity_level for name in ("lines", "all", "both")] == [
        Alert.WARNING, Alert.SEVERE, Alert.UNKNOWN_SEVERITY,
    ]  # fmt: skip
    assert (alerts["both"].cause, alerts["lines"].cause) == (Alert.OTHER_CAUSE, Alert.WEATHER)


# -- each rule notices what breaks it ------------------------------------------------------------------------------


def update(snapshot: Snapshot) -> Any:
    """A trip of the timetable with several calls ahead, and the vehicle that runs it."""
    planned = (trip for trip in snapshot.trips if trip.trip.schedule_relationship == TripDescriptor.SCHEDULED)
    return next(trip for trip in planned if len(trip.stop_time_update) > 3 and trip.HasField("vehicle"))


def cancel_half(snapshot: Snapshot) -> None:
    update(snapshot).trip.schedule_relationship = TripDescriptor.CANCELED


def swap_calls(snapshot: Snapshot) -> None:
    calls = update(snapshot).stop_time_update
    calls[0].stop_sequence, calls[1].stop_sequence = calls[1].stop_sequence, calls[0].stop_sequence


def repeat(snapshot: Snapshot) -> None:
    snapshot.positions.entity.append(snapshot.positions.entity[0])


def rename(snapshot: Snapshot) -> None:
    for number, entity in enumerate(snapshot.updates.entity):
        entity.id = str(number)


def another_trip(snapshot: Snapshot) -> None:
    told = update(snapshot)
    other = next(trip for trip in snapshot.trips if trip.trip.trip_id != told.trip.trip_id and trip.stop_time_update)
    told.vehicle.id, other.vehicle.id = other.vehicle.id, told.vehicle.id


def all_past(snapshot: Snapshot) -> None:
    for call in update(snapshot).stop_time_update:
        for name in ("arrival", "departure"):
            if call.HasField(name):
                getattr(call, name).time -= 86_400


def back(snapshot: Snapshot) -> None:
    update(snapshot).stop_time_update[2].arrival.time -= 3_600


def say_nothing(snapshot: Snapshot) -> None:
    call = update(snapshot).stop_time_update[1]
    call.ClearField("arrival")
    call.ClearField("departure")


def frequent(snapshot: Snapshot) -> None:
    update(snapshot).trip.start_time = "17:10:00"


def written_out(snapshot: Snapshot) -> None:
    snapshot.vehicles[0].trip.trip_id = "loop@17:10:00"


def foreign_trip(snapshot: Snapshot) -> None:
    known = (told for told in snapshot.vehicles if told.HasField("trip") and told.vehicle.id != "extra")
    next(known).trip.trip_id = "nobody's"


def foreign_stop(snapshot: Snapshot) -> None:
    update(snapshot).stop_time_update[0].stop_id = "nowhere"


def astray(snapshot: Snapshot) -> None:
    on_line = {entity.alert.informed_entity[0].route_id for entity in snapshot.alerts.entity}
    told = next(one for one in snapshot.vehicles if one.HasField("trip") and one.trip.route_id not in on_line)
    told.position.latitude += 0.02


def feed_of_another_kind(snapshot: Snapshot) -> None:
    snapshot.positions.entity.append(snapshot.updates.entity[0])


def older(snapshot: Snapshot) -> None:
    snapshot.positions.header.timestamp -= 60


def of(path: str, value: Any) -> Callable[[Snapshot], None]:
    """Set a field of the first entity that has one."""

    def plant(snapshot: Snapshot) -> None:
        what, *names = path.split(".")
        found: Any = {
            "position": lambda: snapshot.vehicles[0], "update": lambda: update(snapshot),
            "alert": lambda: snapshot.alerts.entity[0].alert, "header": lambda: snapshot.updates.header,
        }[what]()  # fmt: skip
        for name in names[:-1]:
            found = getattr(found, name)
        if value is None:
            found.ClearField(names[-1])
        else:
            setattr(found, names[-1], value)

    return plant


def made_up(snapshot: Snapshot) -> None:
    update(snapshot).stop_time_update[0].departure.uncertainty = 60


def beside_it(snapshot: Snapshot, word: Any) -> Any:
    return next(told for told in snapshot.trips if told.trip.schedule_relationship == word)


def half_a_call(snapshot: Snapshot) -> None:
    beside_it(snapshot, TripDescriptor.NEW).stop_time_update[1].ClearField("departure")


def known_as_new(snapshot: Snapshot) -> None:
    update(snapshot).trip.schedule_relationship = TripDescriptor.NEW


def without_a_start(snapshot: Snapshot) -> None:
    beside_it(snapshot, TripDescriptor.DUPLICATED).trip_properties.ClearField("start_time")


def under_the_same_name(snapshot: Snapshot) -> None:
    told = beside_it(snapshot, TripDescriptor.DUPLICATED)
    told.trip_properties.trip_id = told.trip.trip_id


def wrong_delay(snapshot: Snapshot) -> None:
    update(snapshot).stop_time_update[1].arrival.delay += 7


PLANTED: dict[str, list[Callable[[Snapshot], None]]] = {
    "header_is_of_version_2_and_whole": [
        of("header.gtfs_realtime_version", "1.0"), of("header.incrementality", FeedHeader.DIFFERENTIAL),
    ],
    "header_time_grows_at_least_every_30_seconds": [older, of("header.timestamp", None)],
    "data_is_young": [of("update.timestamp", int(BEGAN.timestamp()) - 900), of("header.timestamp", 1_700_000_000)],
    "nothing_is_younger_than_its_feed": [of("position.timestamp", int(BEGAN.timestamp()) + 9_000)],
    "timestamps_are_set": [of("position.timestamp", None), of("update.timestamp", 1_700_000_000_000)],
    "ids_are_unique": [repeat],
    "ids_stay_the_same": [rename],
    "vehicle_and_trip_are_paired_alike": [another_trip],
    "each_entity_is_of_its_feed": [feed_of_another_kind],
    "calls_are_in_order_and_none_twice": [swap_calls],
    "a_call_lies_ahead": [all_past, of("update.stop_time_update", None)],
    "times_never_go_back": [back],
    "every_call_says_when": [say_nothing],
    "delay_and_time_agree_with_the_timetable": [wrong_delay],
    "the_delay_of_a_trip_is_told": [of("update.delay", None)],
    "frequent_trips_have_times_and_no_delays": [frequent],
    "frequent_trips_are_named_by_their_start": [written_out],
    "cancelled_trips_are_cancelled_whole": [cancel_half],
    "uncertainty_is_not_made_up": [made_up],
    "positions_are_on_earth": [of("position.position.latitude", 91.0), of("position.position.bearing", -1.0)],
    "vehicles_are_within_200_metres_of_their_line": [astray],
    "trips_are_in_the_timetable": [foreign_trip, of("update.trip.route_id", "M2x")],
    "routes_and_stops_are_in_the_timetable": [foreign_stop],
    "numbers_of_calls_fit_their_stops": [foreign_stop],
    "new_and_replacing_trips_are_told_whole": [half_a_call, known_as_new],
    "copies_have_a_name_and_a_start_of_their_own": [without_a_start, under_the_same_name],
    "planned_times_are_those_of_trips_beside_the_timetable": [
        lambda snapshot: setattr(update(snapshot).stop_time_update[0].departure, "scheduled_time", 1_800_000_000)
    ],
    "alerts_say_what_and_whom_they_concern": [of("alert.informed_entity", None), of("alert.header_text", None)],
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_planted_violation_is_found(hour: list[Snapshot], rule: str) -> None:
    assert PLANTED[rule]
    for plant in PLANTED[rule]:
        snapshot = copy.copy(hour[60])
        for name in ("positions", "updates", "alerts"):
            setattr(snapshot, name, copy.deepcopy(getattr(snapshot, name)))
        assert broken(snapshot) == {}
        plant(snapshot)
        assert rule in broken(snapshot), plant
