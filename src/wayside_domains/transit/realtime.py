"""GTFS-Realtime as messages: vehicle positions, trip updates and alerts, from protobuf or from JSON of the same shape.

Entities are read one by one: what is wrong with one of them becomes a message that the feed's rules refuse, and the
others are taken. What is wrong with the whole (no header, no version, another kind of document) refuses the whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from wayside.adapters import Change, UnusableBodyError
from wayside.errors import MissingExtraError

Entity = Mapping[str, Any]
Rows = Callable[[str, Entity, datetime], Iterator[dict[str, Any]]]
STATUS = {"INCOMING_AT": "incoming", "STOPPED_AT": "stopped", "IN_TRANSIT_TO": "moving"}
STATUS_NUMBERS = ("INCOMING_AT", "STOPPED_AT", "IN_TRANSIT_TO")
VERSIONS = ("1.0", "2.0")
CANCELLED = ("CANCELED", "DELETED")
"""What is said of a trip by these holds for all of its calls."""
COPY = "DUPLICATED"


def feed_message(*, instead: str = "") -> Any:
    """The class of a whole feed. Raises MissingExtraError without the extra `transit`; `instead`: what else helps."""
    try:
        from google.transit.gtfs_realtime_pb2 import FeedMessage
    except ImportError as error:
        raise MissingExtraError(
            "GTFS-Realtime needs protobuf.", next=f"pip install 'wayside[transit]'{instead}", why=str(error)
        ) from error
    return FeedMessage


def protobuf(body: bytes) -> dict[str, Any]:
    """A feed message as plain values; enumerations by name. Raises UnusableBodyError."""
    message = feed_message()()
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError

    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise UnusableBodyError("The body is no GTFS-Realtime.", why=str(error)) from error
    # An empty body parses, as do many others that mean nothing: all of them lack the header, which must be there.
    if not message.HasField("header") or not message.header.gtfs_realtime_version:
        raise UnusableBodyError("The body holds no header of GTFS-Realtime.", why="An empty one parses as well.")
    found: dict[str, Any] = {"header": MessageToDict(message.header, preserving_proto_field_name=True)}
    found["entity"] = [entity_dict(entity, MessageToDict) for entity in message.entity]
    return found


def entity_dict(entity: Any, convert: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """One entity as plain values; one that cannot be converted keeps its id only."""
    try:
        return convert(entity, preserving_proto_field_name=True)
    except (ValueError, TypeError, UnicodeError):
        return {"id": entity.id}


def enhanced(body: bytes) -> dict[str, Any]:
    """The same from JSON, as MBTA publishes it. Raises UnusableBodyError."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnusableBodyError("The body is no JSON.", why=str(error)[:200]) from error
    if not isinstance(found, dict) or not isinstance(found.get("header"), dict):
        raise UnusableBodyError("The body holds no header of GTFS-Realtime.")
    return found


def reader(
    network: str, rows: Rows, document: Callable[[bytes], dict[str, Any]] = protobuf
) -> Callable[[bytes], Change]:
    """What a `Polling` reads a feed with: `rows` is one of `positions`, `predictions` and `notices`."""

    def read(body: bytes) -> Change:
        found = document(body)
        header = found["header"]
        at = instant(header.get("timestamp"))
        entities = found.get("entity", [])
        if str(header.get("gtfs_realtime_version")) not in VERSIONS or at is None or not isinstance(entities, list):
            version = header.get("gtfs_realtime_version")
            raise UnusableBodyError("The header is of no use.", why=f"Version {version!r}, timestamp {at}.")
        messages = [row for entity in entities for row in guarded(network, rows, entity, at)]
        whole = header.get("incrementality", "FULL_DATASET") in ("FULL_DATASET", 0)
        return Change("reset" if whole else "put", messages, at)

    return read


def guarded(network: str, rows: Rows, entity: Any, at: datetime) -> Iterator[dict[str, Any]]:
    """The rows of one entity. Of one that is not what it should be a message remains that says so to the rules."""
    try:
        if isinstance(entity, dict) and entity.get("is_deleted") is True:
            return
        yield from list(rows(network, entity, at))
    except (AttributeError, TypeError, ValueError, KeyError):
        name = str(entity.get("id", "")) if isinstance(entity, dict) else ""
        yield {"network": network, "unreadable": name or repr(entity)[:200], "timestamp": at}


def another(entity: Entity, wanted: str) -> bool:
    """Whether an entity holds something else than what is wanted. One that holds nothing is broken, not another."""
    kinds = [kind for kind in ("vehicle", "trip_update", "alert") if entity.get(kind) is not None]
    return bool(kinds) and wanted not in kinds


def part(entity: Entity, name: str) -> Entity:
    """A nested object, empty when it is not there. Raises TypeError for what is none."""
    found = entity.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise TypeError(f"{name} is {type(found).__name__}")
    return found


def instant(value: Any) -> datetime | None:
    """The instant of seconds since 1970, as numbers or text; null for 0, which stands for nothing."""
    if value in (None, "", 0, "0"):
        return None
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def positions(network: str, entity: Entity, at: datetime) -> Iterator[dict[str, Any]]:
    """The vehicle of an entity, as a VehiclePosition."""
    if another(entity, "vehicle"):
        return
    vehicle = part(entity, "vehicle")
    told, trip, place = part(vehicle, "vehicle"), part(vehicle, "trip"), part(vehicle, "position")
    given = vehicle.get("timestamp")
    yield {
        "network": network,
        "vehicle_id": text(told.get("id")) or text(told.get("label")) or run_of(trip) or text(entity.get("id")),
        "timestamp": at if given in (None, "", 0, "0") else (instant(given) or str(given)),
        "label": text(told.get("label")),
        **trip_fields(trip),
        "latitude": place.get("latitude"),
        "longitude": place.get("longitude"),
        "bearing": None if place.get("bearing") == -1 else place.get("bearing"),  # which is how some say "unknown"
        "speed": place.get("speed"),
        "status": status(vehicle.get("current_status")),
        "stop_id": text(vehicle.get("stop_id")),
        "stop_sequence": vehicle.get("current_stop_sequence"),
        "occupancy": text(vehicle.get("occupancy_status")),
        "occupancy_percentage": vehicle.get("occupancy_percentage"),
    }


def run_of(trip: Entity) -> str | None:
    """A name for the vehicle of a trip where the feed has none; the ids of entities may be shuffled at each poll."""
    trip_id = text(trip.get("trip_id"))
    return f"{trip_id}@{text(trip.get('start_date')) or ''}" if trip_id is not None else None


def trip_fields(trip: Entity) -> dict[str, Any]:
    """What a trip descriptor says, under our names."""
    return {
        "trip_id": text(trip.get("trip_id")),
        "start_date": text(trip.get("start_date")),
        "route_id": text(trip.get("route_id")),
        "direction_id": trip.get("direction_id"),
        "relationship": text(trip.get("schedule_relationship")),
        "start_time": text(trip.get("start_time")),
    }


def predictions(network: str, entity: Entity, at: datetime) -> Iterator[dict[str, Any]]:
    """The calls of an entity's trip update, as StopPredictions."""
    if another(entity, "trip_update"):
        return
    update = part(entity, "trip_update")
    head = head_of(update) | {"network": network, "timestamp": instant(update.get("timestamp")) or at}
    whole = head["trip_relationship"]
    calls = update.get("stop_time_update") or []
    for call in calls:
        arrival, departure = part(call, "arrival"), part(call, "departure")
        number, stop = call.get("stop_sequence"), text(call.get("stop_id"))
        own = None if whole in CANCELLED else text(call.get("schedule_relationship"))
        yield {
            **head,
            "call": str(number) if number is not None else stop,
            "stop_id": stop,
            "stop_sequence": number,
            "arrival": instant(arrival.get("time")),
            "arrival_delay": arrival.get("delay"),
            "planned_arrival": instant(arrival.get("scheduled_time")),
            "departure": instant(departure.get("time")),
            "departure_delay": departure.get("delay"),
            "planned_departure": instant(departure.get("scheduled_time")),
            "uncertainty": arrival.get("uncertainty", departure.get("uncertainty")),
            "relationship": own or whole,
        }
    if not calls:  # a trip of which nothing is said but that it is cancelled, for instance
        yield {**head, "call": "trip", "relationship": whole}


def head_of(update: Entity) -> dict[str, Any]:
    """What a trip update says of its trip. A copy of a trip goes by its own name, day and start."""
    trip, more = trip_fields(part(update, "trip")), part(update, "trip_properties")
    found = {name: trip[name] for name in ("trip_id", "route_id", "direction_id", "start_time")}
    found |= {"start_date": trip["start_date"] or "-", "headsign": text(more.get("trip_headsign"))}
    found |= {"vehicle_id": text(part(update, "vehicle").get("id")), "trip_relationship": trip["relationship"]}
    if trip["relationship"] == COPY and (copy := text(more.get("trip_id"))) is not None:
        found |= {"copy_of": trip["trip_id"], "trip_id": copy}
        found |= {name: told for name in ("start_date", "start_time") if (told := text(more.get(name))) is not None}
    return found


def notices(network: str, entity: Entity, at: datetime) -> Iterator[dict[str, Any]]:
    """The alert of an entity, as a Notice."""
    if another(entity, "alert"):
        return
    alert = part(entity, "alert")
    periods = alert.get("active_period") or [{}]
    informed = alert.get("informed_entity") or []
    named = [(part(one, "trip").get("trip_id"), one.get("route_id"), one.get("stop_id")) for one in informed]
    yield {
        "network": network,
        "alert_id": text(entity.get("id")),
        "timestamp": at,
        "cause": text(alert.get("cause")),
        "effect": text(alert.get("effect")),
        "severity": text(alert.get("severity_level")),
        "header": translated(alert.get("header_text")),
        "description": translated(alert.get("description_text")),
        "url": translated(alert.get("url")),
        "trips": joined(trip for trip, _, _ in named),
        "routes": joined(route for _, route, _ in named),
        "stops": joined(stop for _, _, stop in named),
        "active_from": instant(periods[0].get("start")),
        "active_to": instant(periods[-1].get("end")),
    }


def translated(value: Any) -> str | None:
    """The English text of a translated string, else the first; lines become spaces.

    MBTA's JSON has lists where the standard has one, and one where the standard has a list.
    """
    parts = [one for each in listed(value) for one in listed(each.get("translation"))]
    best = sorted(parts, key=lambda one: str(one.get("language") or "en") != "en")
    return " ".join(str(best[0].get("text", "")).split()) or None if best else None


def listed(value: Any) -> list[Any]:
    """A list as it is, one value as a list of it, nothing as an empty one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def joined(values: Iterator[Any]) -> str | None:
    """Ids, each once, in order."""
    return " ".join(dict.fromkeys(str(value) for value in values if value)) or None


def text(value: Any) -> str | None:
    """Text that holds something, else null; numbers as JSON feeds give them for ids become text."""
    if value is None or value == "":
        return None
    if isinstance(value, Mapping | list):
        raise TypeError("an object where text should be")
    return str(value)


def status(value: Any) -> str | None:
    """Our word for a vehicle's stop status, which feeds give by name or number."""
    if isinstance(value, int) and 0 <= value < len(STATUS_NUMBERS):
        return STATUS[STATUS_NUMBERS[value]]
    return STATUS.get(str(value)) if value is not None else None
