"""Where readings come from: devices that post, generated ones, and the recordings of two measuring campaigns."""

from __future__ import annotations

import polars as pl

from wayside.adapters import Files, HttpPush, Simulator
from wayside.domain import Topic
from wayside.record import Record
from wayside_domains.devices.fleet import DemoFleet, NumberedFleet
from wayside_domains.devices.records import FIELDS, BeijingHour, DeviceMessage, Reading, RoomMinute, of_tag

processed = Topic("processed_messages", Reading)
READING = tuple(Reading.fields)


UNITS = DeviceMessage.units()
SENSOR = of_tag({tag: pl.lit(name) for tag, name in FIELDS.items()})
VALUE = of_tag({tag: pl.col(name) for tag, name in FIELDS.items()})
UNIT = of_tag({tag: pl.lit(UNITS[name]) for tag, name in FIELDS.items()})


def by_tag(messages: pl.LazyFrame) -> pl.LazyFrame:
    """One reading per message: the field that its tag names, with that field's unit."""
    return messages.select("device_id", "timestamp", sensor=SENSOR, value=VALUE, unit=UNIT)


def by_column(rows: pl.LazyFrame, wire: type[Record]) -> pl.LazyFrame:
    """One reading per row and column that carries a unit. A cell without a value leaves as a reading without one."""
    units = wire.units()
    readings = rows.unpivot(
        list(units), index=["_row", "device_id", "timestamp"], variable_name="sensor", value_name="value"
    )
    unit = pl.col("sensor").replace_strict(units, return_dtype=pl.String).alias("unit")
    return readings.with_columns(unit).select("_row", *READING)


def by_pollutant(hours: pl.LazyFrame) -> pl.LazyFrame:
    """Eleven readings per hour of a station of Beijing."""
    local = pl.datetime("year", "month", "day", "hour", time_zone="Asia/Shanghai")
    times = local.dt.convert_time_zone("UTC").alias("timestamp")
    return by_column(hours.with_columns(times, device_id="station"), BeijingHour)


def by_climate(minutes: pl.LazyFrame) -> pl.LazyFrame:
    """Five readings per minute of a room."""
    return by_column(minutes.with_columns(device_id="room", timestamp="at"), RoomMinute)


devices = processed.feed("devices", HttpPush("/api/v1/device", status=200), wire=DeviceMessage, parse=by_tag)
generator = processed.feed("generator", Simulator(NumberedFleet), wire=DeviceMessage, parse=by_tag)
demo = processed.feed("demo_fleet", Simulator(DemoFleet, things=17, demo=True), wire=DeviceMessage, parse=by_tag)

BEIJING_COLUMNS = {
    "PM2.5": "pm25",
    "PM10": "pm10",
    "SO2": "so2",
    "NO2": "no2",
    "CO": "co",
    "O3": "o3",
    "TEMP": "temperature",
    "PRES": "pressure",
    "DEWP": "dew_point",
    "RAIN": "rain",
    "WSPM": "wind_speed",
}
beijing_air = processed.feed(
    "beijing_air",
    Files(columns=BEIJING_COLUMNS, nulls=("", " ", "NA"), glob="PRSA_Data_*.csv"),
    wire=BeijingHour,
    parse=by_pollutant,
)

ROOM_COLUMNS = {
    "Date": "at",
    "Temperature": "temperature",
    "Humidity": "humidity",
    "Light": "light",
    "CO2": "co2",
    "HumidityRatio": "humidity_ratio",
}
room_climate = processed.feed(
    "room_climate",
    Files(columns=ROOM_COLUMNS, constants={"room": "room-mons"}, glob="data*.txt"),
    wire=RoomMinute,
    parse=by_climate,
)
