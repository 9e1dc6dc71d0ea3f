"""The producers' rules of GTFS-Realtime, each as a function that finds what breaks it in three feeds of one moment.

They are those of the best practices and of the validators that agencies run; the names say the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from google.transit.gtfs_realtime_pb2 import Alert, FeedHeader, FeedMessage, TripDescriptor, TripUpdate

from wayside_domains.transit.outgoing import COPY
from wayside_domains.transit.times import anchor, day_of
from wayside_domains.transit.timetable import Timetable

Found = Iterator[str]
CANCELED = TripDescriptor.CANCELED
SKIPPED = TripUpdate.StopTimeUpdate.SKIPPED
NO_DATA = TripUpdate.StopTimeUpdate.NO_DATA
ADDED, NEW, REPLACEMENT = TripDescriptor.ADDED, TripDescriptor.NEW, TripDescriptor.REPLACEMENT
DUPLICATED, SCHEDULED = TripDescriptor.DUPLICATED, TripDescriptor.SCHEDULED
OWN_CALLS = (ADDED, NEW, REPLACEMENT)
"""Trips whose calls are not those of the timetable."""


@dataclass
class Snapshot:
    """Three feeds as they were read at a second, and those of the snapshot before."""

    now: int
    positions: FeedMessage
    updates: FeedMessage
    alerts: FeedMessage
    timetable: Timetable
    before: Snapshot | None = None

    @property
    def feeds(self) -> dict[str, FeedMessage]:
        return {"positions": self.positions, "updates": self.updates, "alerts": self.alerts}

    @property
    def vehicles(self) -> list[Any]:
        return [entity.vehicle for entity in self.positions.entity]

    @property
    def trips(self) -> list[Any]:
        return [entity.trip_update for entity in self.updates.entity]

    def trip_id(self, trip: Any) -> str:
        """The id that the timetable has: trips that run every so often are written out there."""
        return f"{trip.trip_id}@{trip.start_time}" if trip.start_time else str(trip.trip_id)


def header_is_of_version_2_and_whole(snapshot: Snapshot) -> Found:
    for name, feed in snapshot.feeds.items():
        if feed.header.gtfs_realtime_version != "2.0" or feed.header.incrementality != FeedHeader.FULL_DATASET:
            yield f"{name}: {feed.header}"


def header_time_grows_at_least_every_30_seconds(snapshot: Snapshot) -> Found:
    for name, feed in snapshot.feeds.items():
        if not feed.header.HasField("timestamp"):
            yield f"{name}: no time"
        elif snapshot.before is not None:
            grown = feed.header.timestamp - snapshot.before.feeds[name].header.timestamp
            if grown < 0 or (grown == 0 and snapshot.now - snapshot.before.now >= 30):
                yield f"{name}: {grown} s after {snapshot.now - snapshot.before.now} s"


def data_is_young(snapshot: Snapshot) -> Found:
    for name, most in (("positions", 90), ("updates", 90), ("alerts", 600)):
        age = snapshot.now - snapshot.feeds[name].header.timestamp
        if age > most:
            yield f"{name}: the feed is {age} s old"
    for told in (*snapshot.vehicles, *snapshot.trips):
        if snapshot.now - told.timestamp > 95:  # the feed itself may be some seconds old
            yield f"{told.vehicle.id} {told.trip.trip_id}: {snapshot.now - told.timestamp} s old"


def nothing_is_younger_than_its_feed(snapshot: Snapshot) -> Found:
    for feed, many in ((snapshot.positions, snapshot.vehicles), (snapshot.updates, snapshot.trips)):
        for told in many:
            if told.timestamp > feed.header.timestamp:
                yield f"{told.vehicle.id} {told.trip.trip_id}: {told.timestamp} > {feed.header.timestamp}"


def timestamps_are_set(snapshot: Snapshot) -> Found:
    for told in (*snapshot.vehicles, *snapshot.trips):
        if not told.HasField("timestamp") or told.timestamp < 1_000_000_000 or told.timestamp > 9_999_999_999:
            yield f"{told.vehicle.id} {told.trip.trip_id}: {told.timestamp} are no seconds since 1970"


def ids_are_unique(snapshot: Snapshot) -> Found:
    for name, feed in snapshot.feeds.items():
        ids = [entity.id for entity in feed.entity]
        yield from (f"{name}: {one!r} twice" for one in set(ids) if ids.count(one) > 1 or not one)
    for many in (snapshot.vehicles, snapshot.trips):
        ids = [told.vehicle.id for told in many if told.HasField("vehicle")]
        yield from (f"vehicle {one!r} twice" for one in set(ids) if ids.count(one) > 1 or not one)
    runs = [run_of(told) for told in snapshot.trips]
    yield from (f"trip {one} twice" for one in set(runs) if runs.count(one) > 1)


def ids_stay_the_same(snapshot: Snapshot) -> Found:
    if snapshot.before is None:
        return
    known = {entity.vehicle.vehicle.id: entity.id for entity in snapshot.before.positions.entity}
    for entity in snapshot.positions.entity:
        if known.get(entity.vehicle.vehicle.id, entity.id) != entity.id:
            yield f"{entity.vehicle.vehicle.id}: {entity.id}"
    runs = {run_of(entity.trip_update): entity.id for entity in snapshot.before.updates.entity}
    for entity in snapshot.updates.entity:
        if runs.get(run_of(entity.trip_update), entity.id) != entity.id:
            yield f"{run_of(entity.trip_update)}: {entity.id}"


def run_of(told: Any) -> tuple[str, str, str]:
    """The run of a trip update: a copy goes by its own name."""
    trip = told.trip_properties if told.trip.schedule_relationship == DUPLICATED else told.trip
    return trip.trip_id, trip.start_date, trip.start_time


def vehicle_and_trip_are_paired_alike(snapshot: Snapshot) -> Found:
    positions = {told.vehicle.id: told.trip for told in snapshot.vehicles}
    for told in snapshot.trips:
        if not told.HasField("vehicle"):
            continue
        trip = positions.get(told.vehicle.id)
        copied = trip is not None and told.trip.schedule_relationship == trip.schedule_relationship == DUPLICATED
        if trip != told.trip and not (copied and (trip.trip_id, trip.start_date, trip.start_time) == run_of(told)):
            yield f"{told.vehicle.id}: {positions.get(told.vehicle.id)} and {told.trip}"


def each_entity_is_of_its_feed(snapshot: Snapshot) -> Found:
    for name, part in (("positions", "vehicle"), ("updates", "trip_update"), ("alerts", "alert")):
        for entity in snapshot.feeds[name].entity:
            parts = [one for one in ("vehicle", "trip_update", "alert") if entity.HasField(one)]
            if parts != [part] or entity.is_deleted or not entity.IsInitialized():
                yield f"{name}: {entity.id} holds {parts}"


def calls_are_in_order_and_none_twice(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        numbers = [call.stop_sequence for call in told.stop_time_update]
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            yield f"{told.trip.trip_id}: {numbers}"


def a_call_lies_ahead(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        copied = told.trip.schedule_relationship == DUPLICATED and not told.stop_time_update
        if told.trip.schedule_relationship == CANCELED or copied:
            continue
        times = [event.time for event in events(told)]
        if not times or max(times) < told.timestamp:
            yield f"{told.trip.trip_id}: {times}"


def events(told: Any) -> list[Any]:
    """Arrivals and departures in the order of the calls."""
    return [
        getattr(call, name)
        for call in told.stop_time_update
        for name in ("arrival", "departure")
        if call.HasField(name)
    ]


def times_never_go_back(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        times = [event.time for event in events(told)]
        if times != sorted(times):
            yield f"{told.trip.trip_id}: {times}"


def every_call_says_when(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        for call in told.stop_time_update:
            silent = call.schedule_relationship in (SKIPPED, NO_DATA)
            if silent == bool(call.HasField("arrival") or call.HasField("departure")):
                yield f"{told.trip.trip_id}: {call}"
            for event in (call.arrival, call.departure):
                if not silent and event.ByteSize() and not event.HasField("time"):
                    yield f"{told.trip.trip_id}: {call} has no time"


def delay_and_time_agree_with_the_timetable(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        trip_id = snapshot.trip_id(told.trip)
        if told.trip.schedule_relationship != SCHEDULED or snapshot.timetable.trip(trip_id) is None:
            continue
        calls = snapshot.timetable.calls_of(trip_id)
        zero = int(anchor(day_of(told.trip.start_date), snapshot.timetable.zone).timestamp())
        for call in told.stop_time_update:
            if call.stop_sequence not in calls.sequences:
                continue
            index = calls.sequences.index(call.stop_sequence)
            for event, due in ((call.arrival, calls.arrivals[index]), (call.departure, calls.departures[index])):
                if event.HasField("time") and event.time - event.delay != zero + int(due):
                    yield f"{trip_id}, {call.stop_sequence}: {event} of {zero + int(due)}"


def the_delay_of_a_trip_is_told(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        # Of the others there is no timetable to be behind.
        wanted = bool(told.stop_time_update) and told.trip.schedule_relationship == SCHEDULED
        if told.HasField("delay") != wanted:
            yield f"{told.trip.trip_id}: {told.HasField('delay')}"


def frequent_trips_have_times_and_no_delays(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        if told.trip.start_time and any(event.HasField("delay") for event in events(told)):
            yield f"{told.trip.trip_id} at {told.trip.start_time}"


def frequent_trips_are_named_by_their_start(snapshot: Snapshot) -> Found:
    for told in (*snapshot.vehicles, *snapshot.trips):
        if COPY.fullmatch(told.trip.trip_id) or (told.trip.start_time and not told.trip.start_date):
            yield f"{told.trip}"


def cancelled_trips_are_cancelled_whole(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        if told.trip.schedule_relationship == CANCELED and (told.stop_time_update or told.HasField("delay")):
            yield f"{told.trip.trip_id}"


def uncertainty_is_not_made_up(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        if any(event.HasField("uncertainty") for event in events(told)):
            yield f"{told.trip.trip_id}: there is no interval that it could come from"


def positions_are_on_earth(snapshot: Snapshot) -> Found:
    for told in snapshot.vehicles:
        place = told.position
        if told.HasField("position") and not (
            abs(place.latitude) <= 90
            and abs(place.longitude) <= 180
            and (place.latitude or place.longitude)
            and 0 <= place.bearing <= 360
            and 0 <= place.speed <= 120
        ):
            yield f"{told.vehicle.id}: {place}"


def vehicles_are_within_200_metres_of_their_line(snapshot: Snapshot) -> Found:
    detoured = {one.route_id or one.trip.trip_id for one in detours(snapshot)}
    for told in snapshot.vehicles:
        trip = snapshot.timetable.trip(snapshot.trip_id(told.trip)) if told.HasField("trip") else None
        line = snapshot.timetable.line_of(trip) if trip is not None else None
        if told.trip.schedule_relationship == REPLACEMENT:
            continue
        if trip is None or line is None or not told.HasField("position") or {trip.trip_id, trip.route_id} & detoured:
            continue
        off = line.locate(told.position.latitude, told.position.longitude).off
        if off > 201:  # the feed's floats are good to a metre
            yield f"{told.vehicle.id}: {off:.0f} m"


def detours(snapshot: Snapshot) -> Iterator[Any]:
    for entity in snapshot.alerts.entity:
        if entity.alert.effect == Alert.DETOUR:
            yield from entity.alert.informed_entity


def trips_are_in_the_timetable(snapshot: Snapshot) -> Found:
    for told in (*snapshot.vehicles, *snapshot.trips):
        if not told.HasField("trip") or told.trip.schedule_relationship in (ADDED, NEW, DUPLICATED):
            continue
        trip = snapshot.timetable.trip(snapshot.trip_id(told.trip))
        if trip is None or (trip.route_id, trip.direction_id) != (told.trip.route_id, told.trip.direction_id):
            yield f"{told.trip}"


def routes_and_stops_are_in_the_timetable(snapshot: Snapshot) -> Found:
    routes, stops = (set(getattr(snapshot.timetable, name)[f"{name[:-1]}_id"]) for name in ("routes", "stops"))
    told_stops = [told.stop_id for told in snapshot.vehicles if told.HasField("stop_id")]
    told_stops += [call.stop_id for told in snapshot.trips for call in told.stop_time_update]
    informed = [one for entity in snapshot.alerts.entity for one in entity.alert.informed_entity]
    told_stops += [one.stop_id for one in informed if one.HasField("stop_id")]
    told_routes = [told.trip.route_id for told in snapshot.vehicles if told.trip.HasField("route_id")]
    told_routes += [one.route_id for one in informed if one.HasField("route_id")]
    yield from {f"stop {one}" for one in told_stops if one not in stops}
    yield from {f"route {one}" for one in told_routes if one not in routes}


def numbers_of_calls_fit_their_stops(snapshot: Snapshot) -> Found:
    told = (*snapshot.vehicles, *snapshot.trips)
    own = [run.trip for run in told if run.HasField("trip") and run.trip.schedule_relationship in OWN_CALLS]
    pairs = [
        (t.trip, t.current_stop_sequence, t.stop_id) for t in snapshot.vehicles if t.HasField("current_stop_sequence")
    ]
    pairs += [(t.trip, call.stop_sequence, call.stop_id) for t in snapshot.trips for call in t.stop_time_update]
    for trip, number, stop in pairs:
        if trip in own:
            continue
        known = snapshot.timetable.trip(snapshot.trip_id(trip))
        calls = snapshot.timetable.calls_of(known.trip_id) if known is not None else None
        if calls is None or (number, stop) not in zip(calls.sequences, calls.stops, strict=True):
            yield f"{trip.trip_id}: {number} at {stop}"


def new_and_replacing_trips_are_told_whole(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        word = told.trip.schedule_relationship
        if word not in (NEW, REPLACEMENT):
            continue
        if (snapshot.timetable.trip(told.trip.trip_id) is None) != (word == NEW) or not told.trip.HasField("route_id"):
            yield f"{told.trip}"
        for call in told.stop_time_update:
            lacks = [name for name in ("stop_sequence", "stop_id", "arrival", "departure") if not call.HasField(name)]
            if lacks and call.schedule_relationship not in (SKIPPED, NO_DATA):
                yield f"{told.trip.trip_id}: {call} lacks {lacks}"


def copies_have_a_name_and_a_start_of_their_own(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        copied = told.trip.schedule_relationship == DUPLICATED
        own = [name for name in ("trip_id", "start_date", "start_time") if told.trip_properties.HasField(name)]
        if len(own) != (3 if copied else 0):
            yield f"{told.trip.trip_id}: {own}"
        if copied and snapshot.timetable.trip(told.trip_properties.trip_id) is not None:
            yield f"{told.trip_properties.trip_id} is another trip"
        if copied and snapshot.timetable.trip(told.trip.trip_id) is None:
            yield f"{told.trip.trip_id} cannot be copied"


def planned_times_are_those_of_trips_beside_the_timetable(snapshot: Snapshot) -> Found:
    for told in snapshot.trips:
        if told.trip.schedule_relationship not in (NEW, REPLACEMENT, DUPLICATED):
            yield from (f"{told.trip.trip_id}: {one}" for one in events(told) if one.HasField("scheduled_time"))


def alerts_say_what_and_whom_they_concern(snapshot: Snapshot) -> Found:
    for entity in snapshot.alerts.entity:
        alert = entity.alert
        if not alert.informed_entity or not all(one.ByteSize() for one in alert.informed_entity):
            yield f"{entity.id}: concerns nothing"
        if not any(text.text.strip() for text in alert.header_text.translation):
            yield f"{entity.id}: says nothing"
        for one in alert.active_period:
            if one.HasField("start") and one.HasField("end") and one.start > one.end:
                yield f"{entity.id}: ends before it begins"


RULES: dict[str, Callable[[Snapshot], Found]] = {
    rule.__name__: rule
    for rule in (
        header_is_of_version_2_and_whole, header_time_grows_at_least_every_30_seconds, data_is_young,
        nothing_is_younger_than_its_feed, timestamps_are_set, ids_are_unique, ids_stay_the_same,
        vehicle_and_trip_are_paired_alike, each_entity_is_of_its_feed, calls_are_in_order_and_none_twice,
        a_call_lies_ahead, times_never_go_back, every_call_says_when, delay_and_time_agree_with_the_timetable,
        the_delay_of_a_trip_is_told, frequent_trips_have_times_and_no_delays, frequent_trips_are_named_by_their_start,
        cancelled_trips_are_cancelled_whole, uncertainty_is_not_made_up, positions_are_on_earth,
        vehicles_are_within_200_metres_of_their_line, trips_are_in_the_timetable,
        routes_and_stops_are_in_the_timetable, numbers_of_calls_fit_their_stops, alerts_say_what_and_whom_they_concern,
        new_and_replacing_trips_are_told_whole, copies_have_a_name_and_a_start_of_their_own,
        planned_times_are_those_of_trips_beside_the_timetable,
    )
}  # fmt: skip


def broken(snapshot: Snapshot) -> dict[str, list[str]]:
    """The rules that a snapshot breaks, with what breaks them."""
    return {name: found for name, rule in RULES.items() if (found := list(rule(snapshot)))}
