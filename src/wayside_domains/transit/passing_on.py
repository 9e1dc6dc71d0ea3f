"""Trips of which only a network's own feed knows, in the feeds that go out: as they were told, where readers can know
their routes and stops.

Of a trip that is new or stands in place of a planned one all calls are told, those that are over among them, each with
an arrival and a departure: its calls are all that readers have of it. A delay is told of none, since there is no
timetable to be behind.
"""

from __future__ import annotations

from collections.abc import Iterator

from wayside_domains.transit.foretold import ANY_DAY, CANCELLED, COPY, NO_DATA, SKIPPED
from wayside_domains.transit.matching import REPLACED
from wayside_domains.transit.present import FRESH, Present, Row, Value
from wayside_domains.transit.unplanned import EXTRA, WHOLE, ToldCall, ToldRun

UNSCHEDULED = "UNSCHEDULED"
SAID = {"SCHEDULED", "CANCELED", REPLACED, *EXTRA}
"""Words that the standard has for what a trip is to the timetable."""
NAMES = ("trip_id", "start_date", "start_time", "route_id", "direction_id")


def relationship(present: Present, run: ToldRun) -> str | None:
    """The word for a run: its own, but where that says nothing of an extra trip, that of its vehicle."""
    row, own = present.heard_on(run), run.relationship
    word = own if row is None or own in (*EXTRA, REPLACED) else row["relationship"]
    return word if word in SAID else own if own in SAID else None


def passed_on(present: Present, run: ToldRun) -> bool:
    """Whether readers can know a run: it is not taken for one of the timetable's, nor lacks what readers need of it."""
    word = relationship(present, run)
    if present.known is None:
        return True
    if word not in (*EXTRA, REPLACED):
        return False
    if word == COPY:
        return present.known.timetable.trip(run.copy_of) is not None and None not in (run.start_date, run.start_time)
    if word not in WHOLE:
        return True
    numbers = [call.sequence for call in run.calls]
    stops = {call.stop_id for call in run.calls}
    return bool(numbers) and None not in numbers and stops <= present.known.platforms and route_of(present, run) != {}


def route_of(present: Present, run: ToldRun) -> Value:
    """The route of a run, where readers know it."""
    row = present.heard_on(run)
    route = run.route_id or (row["route_id"] if row is not None else None)
    return {"route_id": route} if route and (present.known is None or route in present.known.routes) else {}


def named(present: Present, run: ToldRun) -> Value:
    """A run as a TripDescriptor, by its own name."""
    row, word = present.heard_on(run), relationship(present, run)
    found: Value = {name: value for name in NAMES if (value := getattr(run, name)) is not None}
    if run.direction_id is None and row is not None and row["direction_id"] is not None:
        found["direction_id"] = row["direction_id"]
    if run.start_date is None and row is not None and row["start_date"] is not None:
        found["start_date"] = row["start_date"]
    found.pop("route_id", None)
    return {**found, **route_of(present, run), **({"schedule_relationship": word} if word is not None else {})}


def named_by_vehicle(present: Present, row: Row) -> Value | None:
    """A trip of which only its vehicle tells; null where readers cannot know it."""
    word = row["relationship"] if row["relationship"] in SAID else None
    told: Value = {name: row[name] for name in NAMES if row.get(name) is not None}
    if present.known is None:
        return {**told, **({"schedule_relationship": word} if word is not None else {})}
    if row["route_id"] not in present.known.routes:
        told.pop("route_id", None)
    if word not in EXTRA or word == COPY or (word in WHOLE and "route_id" not in told):
        return None
    return {**told, "schedule_relationship": word}


def told_updates(present: Present) -> dict[str, Value]:
    """What lies ahead of the runs of which only the feed knows, by the names of their entities."""
    found: dict[str, Value] = {}
    for run in present.told.values():
        if present.now - run.told <= FRESH and passed_on(present, run):
            update = told_update(present, run)
            found |= {name_of(run.trip_id, run.start_date): update} if update is not None else {}
    return found


def told_update(present: Present, run: ToldRun) -> Value | None:
    """One of them as a TripUpdate; null when it is over."""
    if not any(call.goes is not None and call.goes >= present.at for call in run.calls):
        return None
    word, row = relationship(present, run), present.heard_on(run)
    found: Value = {"trip": named(present, run), "timestamp": min(int(run.told.timestamp()), present.at)}
    if row is not None:
        found["vehicle"] = {"id": row["vehicle_id"], **({"label": row["label"]} if row["label"] else {})}
    if word == COPY:
        found["trip_properties"] = {name: getattr(run, name) for name in ("trip_id", "start_date", "start_time")}
        found["trip"] = {"trip_id": run.copy_of, **route_of(present, run), "schedule_relationship": COPY}
    elif word in WHOLE and run.headsign:
        found["trip_properties"] = {"trip_headsign": run.headsign}
    calls = list(told_calls(present, run, word))
    return {**found, **({"stop_time_update": calls} if calls else {})} if calls or word == COPY else None


def told_calls(present: Present, run: ToldRun, word: str | None) -> Iterator[Value]:
    """The calls of a run as they were told; times never go back."""
    least = 0
    for call in run.calls:
        if present.known is not None and call.stop_id not in present.known.platforms:
            continue
        found: Value = {"stop_sequence": call.sequence} if call.sequence is not None else {}
        found["stop_id"] = call.stop_id
        if call.relationship in (SKIPPED, NO_DATA) or call.goes is None:
            yield {**found, "schedule_relationship": call.relationship or NO_DATA}
            continue
        if not call.told:
            continue
        for name, time, due in events_of(call, whole=word in WHOLE):
            least = max(least, round(time))
            planned = {"scheduled_time": round(due)} if due is not None and word in WHOLE else {}
            found[name] = {"time": least, **planned}
        yield {**found, **({"schedule_relationship": UNSCHEDULED} if word == UNSCHEDULED else {})}


def events_of(call: ToldCall, *, whole: bool) -> Iterator[tuple[str, float, float | None]]:
    """Arrival and departure of a call with what was planned: both where it must be `whole`, else what is told."""
    arrival, departure = (call.comes, call.goes) if whole else (call.arrival, call.departure)
    for name, time, due in zip(("arrival", "departure"), (arrival, departure), call.planned, strict=True):
        if time is not None:
            yield name, time, due


def cancelled_untimed(present: Present) -> dict[str, Value]:
    """Cancelled trips of a network without a timetable, by the names of their entities."""
    found: dict[str, Value] = {}
    for trip_id, start in sorted(present.predictions.runs()):
        rows = present.predictions.said((trip_id, start))
        if words := {row["relationship"] for row in rows} & set(CANCELLED):
            row = {**rows[0], "start_date": None if start == ANY_DAY else start}
            trip: Value = {name: row[name] for name in NAMES if row[name] is not None}
            word = "DELETED" if "DELETED" in words else "CANCELED"
            update = {"trip": {**trip, "schedule_relationship": word}, "timestamp": present.at}
            found[name_of(trip_id, row["start_date"])] = update
    return found


def name_of(trip_id: str, start_date: str | None) -> str:
    """The id of an entity."""
    return trip_id if start_date is None else f"{trip_id}@{start_date}"
