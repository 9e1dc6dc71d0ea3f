"""What a device tells us, in its own words, and the one form in which we keep it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from typing import Literal

import polars as pl

from wayside.record import Record, field, rule

FIELDS = {
    "Thermostat": "temperature",
    "Barometer": "pressure",
    "Hygrometer": "humidity",
    "HeartRateMeter": "heart_rate",
}
"""Which field holds the reading of which kind of device."""


def of_tag(choices: Mapping[str, pl.Expr]) -> pl.Expr:
    """The choice that belongs to the message's tag, which is one of them."""
    *first, (_, last) = choices.items()
    return reduce(lambda rest, pair: pl.when(pl.col("tag") == pair[0]).then(pair[1]).otherwise(rest), first, last)


class Reading(Record, key=("device_id", "sensor"), time="timestamp"):
    """One reading of one sensor of one device."""

    device_id: str = field(doc="the device, as it names itself", example="greenhouse-04")
    timestamp: datetime = field(doc="when it was measured")
    sensor: str = field(max_length=64, doc="what was measured", example="temperature")
    value: float = field(doc="the measured value, in `unit`", example=21.5)
    unit: str = field(max_length=32, doc="UCUM code of the value's unit", example="Cel")


class DeviceMessage(Record, key="device_id", time="timestamp"):
    """One message of a device, tagged with its kind, which says which of the four fields holds the reading."""

    device_id: str = field(doc="the device, as it names itself", example="greenhouse-04")
    timestamp: datetime = field(doc="when it was measured")
    tag: Literal["Thermostat", "Barometer", "Hygrometer", "HeartRateMeter"] = field(doc="kind of device")
    temperature: float | None = field(unit="Cel", ge=-273.15, le=5000, doc="of a Thermostat", example=21.5)
    pressure: float | None = field(unit="hPa", ge=0, le=100_000, doc="of a Barometer")
    humidity: float | None = field(unit="%", ge=0, le=100, doc="relative, of a Hygrometer")
    heart_rate: float | None = field(unit="/min", ge=0, le=1000, doc="of a HeartRateMeter")

    @staticmethod
    @rule
    def tagged_reading() -> pl.Expr:
        """The field that belongs to `tag` must hold the reading."""
        return of_tag({tag: pl.col(name).is_not_null() for tag, name in FIELDS.items()})


class BeijingHour(Record, key="station"):
    """One hour of one station of the Beijing air quality network, in the clock of Shanghai."""

    station: str
    year: int = field(ge=1970, le=9999)
    month: int = field(ge=1, le=12)
    day: int = field(ge=1, le=31)
    hour: int = field(ge=0, le=23)
    pm25: float | None = field(unit="ug/m3")
    pm10: float | None = field(unit="ug/m3")
    so2: float | None = field(unit="ug/m3")
    no2: float | None = field(unit="ug/m3")
    co: float | None = field(unit="ug/m3")
    o3: float | None = field(unit="ug/m3")
    temperature: float | None = field(unit="Cel")
    pressure: float | None = field(unit="hPa")
    dew_point: float | None = field(unit="Cel")
    rain: float | None = field(unit="mm")
    wind_speed: float | None = field(unit="m/s")


class RoomMinute(Record, key="room", time="at"):
    """One minute of the climate of an office room in Mons, Belgium, in the clock of that place."""

    room: str
    at: datetime = field(zone="Europe/Brussels")
    temperature: float | None = field(unit="Cel")
    humidity: float | None = field(unit="%")
    light: float | None = field(unit="lx")
    co2: float | None = field(unit="[ppm]")
    humidity_ratio: float | None = field(unit="kg/kg")
