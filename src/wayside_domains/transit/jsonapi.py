"""The MBTA V3 API as messages: JSON:API objects that a stream of events tells of, vehicle by vehicle.

An event `reset` holds every object that there is, `add` and `update` one whole object (a field that it no longer has is
empty from then on), `remove` the id of one that has gone. An object that cannot be read becomes a message that the
feed's rules refuse; the others are taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wayside.adapters import Change
from wayside_domains.transit.realtime import joined, listed, status, text

Object = Mapping[str, Any]
Flatten = Callable[[str, Object], dict[str, Any]]
KINDS = {"reset": "reset", "add": "put", "update": "put", "remove": "remove"}


def decoder(network: str, flatten: Flatten, identity: str) -> Callable[[str, str], Change | None]:
    """What an `EventStream` decodes with: `flatten` is `vehicle`, `prediction` or `alert`."""

    def decode(event: str, data: str) -> Change | None:
        if event not in KINDS:
            return None
        found = json.loads(data)
        objects = found if isinstance(found, list) else [found]
        if event == "reset" and not isinstance(found, list):
            raise ValueError("a reset holds a list")
        if event == "remove":
            gone = [{"network": network, identity: str(one["id"])} for one in objects if isinstance(one, Mapping)]
            return Change("remove", gone)
        messages = [message for one in objects for message in guarded(network, flatten, one)]
        return Change("reset" if event == "reset" else "put", messages)

    return decode


def guarded(network: str, flatten: Flatten, one: Any) -> Iterator[dict[str, Any]]:
    """The message of one object; of one that is not what it should be a message that the rules refuse."""
    try:
        yield flatten(network, one)
    except (AttributeError, TypeError, ValueError, KeyError):
        yield {"network": network, "unreadable": repr(one)[:200]}


def related(one: Object, name: str) -> str | None:
    """The id of an object's relation, or null."""
    data = ((one.get("relationships") or {}).get(name) or {}).get("data")
    return text(data["id"]) if isinstance(data, Mapping) else None


def vehicle(network: str, one: Object) -> dict[str, Any]:
    """A vehicle, as a VehiclePosition."""
    told = one["attributes"]
    return {
        "network": network,
        "vehicle_id": text(one["id"]),
        "timestamp": told.get("updated_at"),
        "label": text(told.get("label")),
        "trip_id": related(one, "trip"),
        "route_id": related(one, "route"),
        "direction_id": told.get("direction_id"),
        "latitude": told.get("latitude"),
        "longitude": told.get("longitude"),
        "bearing": told.get("bearing"),
        "speed": told.get("speed"),
        "status": status(told.get("current_status")),
        "stop_id": related(one, "stop"),
        "stop_sequence": told.get("current_stop_sequence"),
        "occupancy": text(told.get("occupancy_status")),
    }


def prediction(network: str, one: Object) -> dict[str, Any]:
    """A prediction, as a StopPrediction; `prediction_id` is what a later event will call it by."""
    told, number = one["attributes"], one["attributes"].get("stop_sequence")
    return {
        "network": network,
        "prediction_id": text(one["id"]),
        "trip_id": related(one, "trip"),
        "start_date": "-",
        "call": str(number) if number is not None else related(one, "stop"),
        **({"timestamp": told["update_time"]} if told.get("update_time") else {}),  # older servers do not say
        "stop_id": related(one, "stop"),
        "stop_sequence": number,
        "route_id": related(one, "route"),
        "direction_id": told.get("direction_id"),
        "vehicle_id": related(one, "vehicle"),
        "arrival": told.get("arrival_time"),
        "departure": told.get("departure_time"),
        "uncertainty": told.get("arrival_uncertainty"),
        "relationship": text(told.get("schedule_relationship")),
    }


def alert(network: str, one: Object) -> dict[str, Any]:
    """An alert, as a Notice."""
    told = one["attributes"]
    periods, informed = listed(told.get("active_period")), listed(told.get("informed_entity"))
    return {
        "network": network,
        "alert_id": text(one["id"]),
        "timestamp": told.get("updated_at"),
        "cause": text(told.get("cause")),
        "effect": text(told.get("effect")),
        "severity": text(told.get("severity")),
        "header": words(told.get("header")),
        "description": words(told.get("description")),
        "url": text(told.get("url")),
        "routes": joined(each.get("route") for each in informed),
        "stops": joined(each.get("stop") for each in informed),
        "trips": joined(each.get("trip") for each in informed),
        "active_from": periods[0].get("start") if periods else None,
        "active_to": periods[-1].get("end") if periods else None,
    }


def words(value: Any) -> str | None:
    """A text on one line, or null."""
    return " ".join(str(value).split()) or None if value is not None else None
