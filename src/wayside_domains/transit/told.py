"""Trips, stops, schedules, routes and shapes as an API tells them, object by object, and as they are used.

Each kind has two records: the object as it was told, with the ids of what it is related to, and the same made ready for
use. An object that a later message leaves a field out of has none from then on; one that is `removed` is gone.
"""

from __future__ import annotations

from datetime import datetime

from wayside.record import Record, field
from wayside_domains.transit.records import LONG, NETWORK

WHEN = "when the object was told, as it has no time of its own"
GONE = "the API no longer holds this object"
LIST = "one per line, by direction"
LINE = 262_144
"""Most characters of an encoded line."""


class ToldTrip(Record, key=("network", "trip_id"), time="timestamp"):
    """A trip as the API tells it."""

    network: str = field(max_length=64, doc=NETWORK)
    trip_id: str = field(max_length=256)
    timestamp: datetime = field(doc=WHEN)
    name: str | None = field(max_length=256)
    headsign: str | None = field(max_length=256)
    direction_id: int | None = field(ge=0, le=1)
    block_id: str | None = field(max_length=256)
    bikes_allowed: int | None = field(doc="1 yes, 2 no, 0 not known", ge=0, le=2)
    wheelchair_accessible: int | None = field(doc="1 yes, 2 no, 0 not known", ge=0, le=2)
    route_id: str | None = field(max_length=256)
    route_pattern_id: str | None = field(max_length=256)
    service_id: str | None = field(max_length=256)
    shape_id: str | None = field(max_length=256)
    removed: bool = field(doc=GONE)


class TripObject(ToldTrip, key=("network", "trip_id"), time="timestamp"):
    """A trip, ready for use."""

    bikes: bool | None = field(doc="null when not known")
    wheelchairs: bool | None = field(doc="null when not known")


class ToldStop(Record, key=("network", "stop_id"), time="timestamp"):
    """A stop, station, entrance or the like as the API tells it."""

    network: str = field(max_length=64, doc=NETWORK)
    stop_id: str = field(max_length=256)
    timestamp: datetime = field(doc=WHEN)
    name: str | None = field(max_length=512)
    description: str | None = field(max_length=LONG)
    address: str | None = field(max_length=512)
    at_street: str | None = field(max_length=512)
    on_street: str | None = field(max_length=512)
    municipality: str | None = field(max_length=512)
    latitude: float | None = field(unit="deg", ge=-90, le=90)
    longitude: float | None = field(unit="deg", ge=-180, le=180)
    location_type: int | None = field(ge=0, le=4, doc="0 stop, 1 station, 2 entrance, 3 node, 4 boarding area")
    platform_code: str | None = field(max_length=64)
    platform_name: str | None = field(max_length=256)
    vehicle_type: int | None = field(ge=0)
    wheelchair_boarding: int | None = field(doc="1 yes, 2 no, 0 not known", ge=0, le=2)
    parent_station_id: str | None = field(max_length=256)
    zone_id: str | None = field(max_length=256)
    children: str | None = field(max_length=16_384, doc="ids of the stops of a station, separated by spaces")
    removed: bool = field(doc=GONE)


class StopObject(Record, key=("network", "stop_id"), time="timestamp"):
    """A stop, ready for use: with the station that riders know it by."""

    network: str = field(max_length=64, doc=NETWORK)
    stop_id: str = field(max_length=256)
    timestamp: datetime = field(doc=WHEN)
    station_id: str = field(max_length=256, doc="the station that it is a part of, else itself")
    name: str | None = field(max_length=512)
    platform: str | None = field(max_length=256, doc="name of the platform, else its code")
    description: str | None = field(max_length=LONG)
    municipality: str | None = field(max_length=512)
    latitude: float | None = field(unit="deg")
    longitude: float | None = field(unit="deg")
    location_type: int | None = field(doc="0 stop, 1 station, 2 entrance, 3 node, 4 boarding area")
    vehicle_type: int | None
    wheelchairs: bool | None = field(doc="null when not known")
    zone_id: str | None = field(max_length=256)
    removed: bool = field(doc=GONE)


class ToldSchedule(Record, key=("network", "schedule_id"), time="timestamp"):
    """A planned call of a trip at a stop, as the API tells it."""

    network: str = field(max_length=64, doc=NETWORK)
    schedule_id: str = field(max_length=512)
    timestamp: datetime = field(doc=WHEN)
    arrival_time: datetime | None
    departure_time: datetime | None
    direction_id: int | None = field(ge=0, le=1)
    drop_off_type: int | None = field(ge=0, le=3)
    pickup_type: int | None = field(ge=0, le=3)
    stop_headsign: str | None = field(max_length=256)
    stop_sequence: int | None = field(ge=0)
    timepoint: bool | None
    route_id: str | None = field(max_length=256)
    stop_id: str | None = field(max_length=256)
    trip_id: str | None = field(max_length=256)
    removed: bool = field(doc=GONE)


class ScheduleObject(ToldSchedule, key=("network", "schedule_id"), time="timestamp"):
    """A planned call, ready for use."""

    scheduled: datetime | None = field(doc="the departure, else the arrival")
    ends: bool | None = field(doc="nobody gets on: the trip ends here")


class ToldRoute(Record, key=("network", "route_id"), time="timestamp"):
    """A route as the API tells it."""

    network: str = field(max_length=64, doc=NETWORK)
    route_id: str = field(max_length=256)
    timestamp: datetime = field(doc=WHEN)
    color: str | None = field(max_length=16, example="DA291C")
    text_color: str | None = field(max_length=16, example="FFFFFF")
    short_name: str | None = field(max_length=256)
    long_name: str | None = field(max_length=512)
    description: str | None = field(max_length=LONG)
    fare_class: str | None = field(max_length=256)
    direction_names: str | None = field(max_length=LONG, doc=LIST)
    direction_destinations: str | None = field(max_length=LONG, doc=LIST)
    sort_order: int | None
    type: int | None = field(ge=0)
    line_id: str | None = field(max_length=256)
    removed: bool = field(doc=GONE)


class RouteObject(Record, key=("network", "route_id"), time="timestamp"):
    """A route, ready for use: with colours that a page can draw with, and each direction by itself."""

    network: str = field(max_length=64, doc=NETWORK)
    route_id: str = field(max_length=256)
    timestamp: datetime = field(doc=WHEN)
    name: str = field(max_length=512, doc="the short name, else the long one, else the id")
    long_name: str | None = field(max_length=512)
    description: str | None = field(max_length=LONG)
    color: str | None = field(max_length=16, example="#DA291C")
    text_color: str | None = field(max_length=16, example="#FFFFFF")
    direction_0: str | None = field(max_length=LONG)
    direction_1: str | None = field(max_length=LONG)
    destination_0: str | None = field(max_length=LONG)
    destination_1: str | None = field(max_length=LONG)
    fare_class: str | None = field(max_length=256)
    sort_order: int | None
    type: int | None
    line_id: str | None = field(max_length=256)
    removed: bool = field(doc=GONE)


class ToldShape(Record, key=("network", "shape_id"), time="timestamp"):
    """A line on the ground as the API tells it."""

    network: str = field(max_length=64, doc=NETWORK)
    shape_id: str = field(max_length=256)
    timestamp: datetime = field(doc=WHEN)
    polyline: str | None = field(max_length=LINE, doc="encoded as Google does, five digits")
    removed: bool = field(doc=GONE)


class ShapeObject(Record, key=("network", "shape_id"), time="timestamp"):
    """A line on the ground, ready for use."""

    network: str = field(max_length=64, doc=NETWORK)
    shape_id: str = field(max_length=256)
    timestamp: datetime = field(doc=WHEN)
    geometry: str | None = field(max_length=LINE, doc="an encoded polyline, five digits")
    removed: bool = field(doc=GONE)
