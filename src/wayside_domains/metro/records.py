"""What trains, turnstiles and the weather say, and what the table of stations holds."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from wayside.record import Record, field

Line = Literal["blue", "red", "green"]
SAID = "when the message was sent; the same as its time unless the lines run at another pace"


class ArrivalBody(Record, key="station_id"):
    """What is told of an arrival apart from its time."""

    station_id: int = field(example=40020)
    train_id: str = field(max_length=32, example="BL007")
    direction: Literal["a", "b"] = field(doc="in which it goes through the station")
    line: Line
    train_status: Literal["out_of_service", "in_service", "broken_down"]
    prev_station_id: int | None = field(doc="where it was before")
    prev_direction: Literal["a", "b"] | None


class Arrival(ArrivalBody, key="station_id", time="timestamp"):
    """A train has arrived at a station, and left the one before."""

    timestamp: datetime = field(doc="when it arrived")
    sent_at: datetime | None = field(doc=SAID)


class EntryBody(Record, key="station_id"):
    """What is told of an entry apart from its time."""

    station_id: int = field(example=40020)
    station_name: str = field(max_length=128, example="Harlem")
    line: Line


class Entry(EntryBody, key="station_id", time="timestamp"):
    """One person went through a turnstile."""

    timestamp: datetime = field(doc="when the turnstile turned")
    sent_at: datetime | None = field(doc=SAID)


class EntryAtStation(Record, key="station_id", time="timestamp"):
    """An entry with the station's place on its line, where the table of stations has it."""

    station_id: int
    timestamp: datetime
    station_name: str
    line: Line
    order: int | None = field(doc="the station's place on its line")


class WeatherBody(Record):
    """What is told of the weather apart from its time."""

    temperature: float = field(unit="[degF]", ge=-100, le=150)
    status: Literal["sunny", "partly_cloudy", "cloudy", "windy", "precipitation"]


class Weather(WeatherBody, time="timestamp"):
    """The weather above the lines, each hour."""

    timestamp: datetime = field(doc="when it was measured")
    sent_at: datetime | None = field(doc=SAID)


class Stop(Record, key="stop_id", time="valid_from"):
    """One row of the table of stops: a platform of a station, and which lines stop there."""

    stop_id: int
    direction_id: Literal["N", "S", "E", "W"]
    stop_name: str = field(max_length=256, example="Harlem (eastbound)")
    station_name: str = field(max_length=128, example="Harlem")
    station_descriptive_name: str = field(max_length=256, example="Harlem (Blue Line, West)")
    station_id: int = field(example=40020)
    order: int = field(doc="its place on its line")
    red: bool
    blue: bool
    green: bool
    valid_from: datetime


class Station(Record, key="station_id", time="valid_from"):
    """A station on the first of its lines."""

    station_id: int
    station_name: str = field(max_length=128)
    description: str = field(max_length=256, doc="what tells it from others of its name")
    order: int = field(doc="its place on that line")
    line: Line
    lines: str = field(doc="all of its lines, with commas between them")
    valid_from: datetime


MILLISECONDS = "milliseconds since 1970, as clients of the system before this one have it in their keys"


class ArrivalMessage(ArrivalBody, key="station_id"):
    """An arrival as it is produced by REST Proxy: the key holds the time."""

    timestamp: int = field(ge=0, doc=MILLISECONDS)


class EntryMessage(EntryBody, key="station_id"):
    """An entry as it is produced by REST Proxy."""

    timestamp: int = field(ge=0, doc=MILLISECONDS)


class WeatherMessage(WeatherBody):
    """The weather as it is produced by REST Proxy."""

    timestamp: int = field(ge=0, doc=MILLISECONDS)
