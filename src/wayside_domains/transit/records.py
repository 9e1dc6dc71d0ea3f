"""What is known of vehicles, their calls at stops, predictions and notices: one row each, from whatever feed."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import polars as pl

from wayside.record import Record, field, rule

NETWORK = "which agency's feeds and timetable this belongs to"
DAY = r"[0-9]{8}"
LONG = 2_048
GONE = "with `removed`: when the feed no longer held it"


class VehiclePosition(Record, key=("network", "vehicle_id"), time="timestamp"):
    """Where a vehicle is and what it is doing, or (`removed`) that it is no longer there."""

    network: str = field(max_length=64, doc=NETWORK, example="halcyon")
    vehicle_id: str = field(doc="the vehicle, as its agency names it", example="halcyon-0042")
    timestamp: datetime = field(doc="when the position was taken")
    label: str | None = field(max_length=128, doc="what is written on the vehicle", example="0042")
    trip_id: str | None = field(max_length=256, doc="the trip of the timetable", example="M1-0-workdays-0800")
    start_date: str | None = field(pattern=DAY, doc="service day of the trip, YYYYMMDD", example="20261126")
    route_id: str | None = field(max_length=128, example="M1")
    direction_id: int | None = field(ge=0, le=1)
    latitude: float | None = field(unit="deg", ge=-90, le=90, example=36.2)
    longitude: float | None = field(unit="deg", ge=-180, le=180, example=-33.4)
    bearing: float | None = field(unit="deg", ge=0, le=360, doc="clockwise from north")
    speed: float | None = field(unit="m/s", ge=0, le=400)
    status: Literal["incoming", "stopped", "moving"] | None = field(doc="with respect to `stop_id`")
    stop_id: str | None = field(max_length=256, doc="the stop that it is at, or goes to next")
    stop_sequence: int | None = field(ge=0)
    occupancy: str | None = field(max_length=64, doc="as GTFS-Realtime names it", example="MANY_SEATS_AVAILABLE")
    occupancy_percentage: float | None = field(unit="%", ge=0, le=1000)
    relationship: str | None = field(max_length=64, doc="of the trip to the timetable", example="SCHEDULED")
    reported_delay: float | None = field(unit="s", ge=-43_200, le=43_200, doc="as the feed itself says")
    message: str | None = field(max_length=LONG, doc="what the feed says of it in words")
    removed: bool = field(doc="the feed no longer holds this vehicle")

    @staticmethod
    @rule
    def placed() -> pl.Expr:
        """A vehicle that is there has a latitude and longitude that are not both zero, or at least a stop."""
        lat, lon = pl.col("latitude"), pl.col("longitude")
        nowhere = (lat == 0) & (lon == 0)
        placed = lat.is_not_null() & lon.is_not_null() & ~nowhere.fill_null(False)
        unplaced = lat.is_null() & lon.is_null() & pl.col("stop_id").is_not_null()
        return pl.col("removed") | placed | unplaced


class VehicleState(VehiclePosition, key=("network", "vehicle_id"), time="timestamp"):
    """A vehicle's position, matched to the line of its trip and compared with its timetable."""

    line_id: str | None = field(max_length=512, doc="the drawn line on which it runs: network/shape_id")
    along: float | None = field(unit="m", doc="from the start of that line")
    off: float | None = field(unit="m", doc="from that line to the reported place")
    delay: float | None = field(unit="s", doc="behind the timetable, else as the feed says; negative when early")
    next_stop_id: str | None = field(max_length=256)
    next_stop: str | None = field(max_length=256, doc="its name")
    next_arrival: datetime | None = field(doc="planned arrival there and the delay of now")
    headsign: str | None = field(max_length=256)


class StopEvent(Record, key=("network", "stop_id"), time="timestamp"):
    """A vehicle arrived at a stop or left it, as reported or as its positions show."""

    network: str = field(max_length=64, doc=NETWORK)
    stop_id: str = field(max_length=128)
    event: Literal["arrival", "departure"]
    timestamp: datetime = field(doc="when it happened")
    planned: datetime | None = field(doc="when it should have, by the timetable")
    delay: float | None = field(unit="s", doc="`timestamp` less `planned`")
    on_time: float | None = field(ge=0, le=1, doc="1 within a minute early and five late, else 0")
    vehicle_id: str | None = field(max_length=128)
    trip_id: str = field(max_length=256)
    start_date: str = field(pattern=DAY)
    stop_sequence: int = field(ge=0)
    route_id: str = field(max_length=128)
    direction_id: int | None = field(ge=0, le=1)
    source: Literal["reported", "inferred"]


class VehicleProgress(Record, key=("network", "vehicle_id"), time="timestamp"):
    """What of a vehicle's state tells at which stops it has called."""

    network: str = field(max_length=64, doc=NETWORK)
    vehicle_id: str
    trip_id: str = field(max_length=256)
    start_date: str = field(pattern=DAY, doc="service day; where it is not known, that of the network's clocks")
    basis: Literal["line", "words"] = field(doc="its way along its line, or what the feed says of stops")
    timestamp: datetime
    route_id: str = field(max_length=128)
    direction_id: int | None = field(ge=0, le=1)
    along: float | None = field(unit="m")
    speed: float | None = field(unit="m/s")
    status: str | None
    stop_id: str | None = field(max_length=256)
    stop_sequence: int | None
    standing: int | None = field(doc="`stop_sequence` while it is said to stand there")
    relationship: str | None = field(max_length=64, doc="of the trip to the timetable")
    delay: float | None = field(unit="s", doc="of the vehicle")


class VehicleMove(VehicleProgress, key=("network", "vehicle_id"), time="timestamp"):
    """A vehicle's progress beside the one before it on the same running of its trip."""

    before: datetime | None = field(doc="`timestamp` of the position before")
    before_speed: float | None = field(unit="m/s")
    before_status: str | None
    before_stop_id: str | None
    before_stop_sequence: int | None
    furthest: float | None = field(unit="m", doc="greatest `along` before")
    reached: int | None = field(doc="greatest `stop_sequence` before")
    stood: int | None = field(doc="greatest `standing` before")


class Passage(StopEvent, key=("network", "stop_id"), time="timestamp"):
    """An arrival or departure as positions show it, with the line and direction as one word."""

    way: str = field(max_length=160, doc="route and direction", example="M1/0")
    planned_headway: float | None = field(unit="s", doc="since the trip before of that line and direction there")


class Visit(Passage, key=("network", "stop_id"), time="timestamp"):
    """A passage beside the one before it of the same vehicle, running and stop."""

    came: datetime | None
    came_event: str | None


class Followed(Visit, key=("network", "stop_id"), time="timestamp"):
    """A visit beside the passage before it of another vehicle of that line and direction there."""

    ahead: datetime | None
    ahead_vehicle_id: str | None


class StopCall(Passage, key=("network", "stop_id"), time="timestamp"):
    """An arrival or departure with how long the vehicle stayed, and how far in time it is behind the one ahead."""

    moment: float = field(unit="s", doc="`timestamp` in seconds since 1970")
    dwell: float | None = field(unit="s", ge=0, doc="of a departure: since the arrival there")
    headway: float | None = field(
        unit="s", ge=0, doc="since the vehicle before of that line, direction and event there"
    )
    spacing: Literal["bunched", "even", "gap"] | None = field(doc="`headway` against `planned_headway`")
    bunched: float | None = field(ge=0, le=1, doc="1 when bunched with the vehicle ahead, else 0")
    gap: float | None = field(ge=0, le=1, doc="1 when far behind the vehicle ahead, else 0")
    ahead_vehicle_id: str | None
    early: float | None = field(ge=0, le=1, doc="1 when more than a minute early, else 0")
    late: float | None = field(ge=0, le=1, doc="1 when more than five minutes late, else 0")


class StopPrediction(Record, key=("network", "trip_id", "start_date", "call"), time="timestamp"):
    """When a feed expects a trip at one of its stops, or (`removed`) that it no longer says."""

    network: str = field(max_length=64, doc=NETWORK)
    trip_id: str
    start_date: str = field(max_length=8, doc="YYYYMMDD, or - where the feed does not say")
    call: str = field(doc="the stop's number in the trip, else its id")
    timestamp: datetime = field(doc="when the prediction was made")
    stop_id: str | None = field(max_length=256)
    stop_sequence: int | None = field(ge=0)
    route_id: str | None = field(max_length=128)
    direction_id: int | None = field(ge=0, le=1)
    vehicle_id: str | None = field(max_length=128)
    arrival: datetime | None
    arrival_delay: float | None = field(unit="s")
    departure: datetime | None
    departure_delay: float | None = field(unit="s")
    uncertainty: float | None = field(unit="s", ge=0)
    relationship: str | None = field(max_length=64, doc="of the call to the timetable", example="SKIPPED")
    trip_relationship: str | None = field(max_length=64, doc="of the trip to the timetable", example="NEW")
    headsign: str | None = field(max_length=256, doc="where the trip goes, when not as planned")
    copy_of: str | None = field(max_length=256, doc="the trip of the timetable that this one runs like")
    start_time: str | None = field(max_length=16, doc="when the trip starts, as a time of its service day")
    planned_arrival: datetime | None = field(doc="of a trip that the timetable does not have")
    planned_departure: datetime | None = field(doc="of a trip that the timetable does not have")
    removed: bool
    gone: datetime | None = field(doc=GONE)


class Notice(Record, key=("network", "alert_id"), time="timestamp"):
    """A notice to riders, or (`removed`) that it is over."""

    network: str = field(max_length=64, doc=NETWORK)
    alert_id: str
    timestamp: datetime = field(doc="when the feed that was the first to say so was made")
    cause: str | None = field(max_length=64)
    effect: str | None = field(max_length=64)
    severity: str | None = field(max_length=64)
    header: str | None = field(max_length=LONG)
    description: str | None = field(max_length=16_384)
    url: str | None = field(max_length=LONG)
    routes: str | None = field(max_length=16_384, doc="ids, separated by spaces")
    stops: str | None = field(max_length=16_384, doc="ids, separated by spaces")
    trips: str | None = field(max_length=16_384, doc="ids, separated by spaces")
    active_from: datetime | None
    active_to: datetime | None
    removed: bool
    gone: datetime | None = field(doc=GONE)
