"""Generated fleets, and the two recordings as messages of this domain."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import pytest

from tests.domains.devices.farm import Farm
from wayside.adapters.convert import Converter
from wayside_domains.devices import domain
from wayside_domains.devices.feeds import beijing_air, devices, room_climate
from wayside_domains.devices.fleet import NAMED, SILENT, SLOW_CLOCK, DemoFleet, NumberedFleet
from wayside_domains.devices.records import FIELDS, BeijingHour

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = {
    "station": "Aotizhongxin",
    "year": "2013",
    "month": "3",
    "day": "1",
    "hour": "0",
    **dict.fromkeys(BeijingHour.units(), "4"),
}


def spoken(fleet: Any, seconds: int) -> list[dict[str, Any] | bytes]:
    count = len(fleet.things())
    moments = [NOW + timedelta(seconds=second) for second in range(seconds)]
    return [message for at in moments for thing in range(count) for message in fleet.messages(thing, at)]


def test_the_numbered_fleet_keeps_the_ranges_and_kinds_of_the_old_generator() -> None:
    fleet = NumberedFleet(200, random.Random(50))
    kinds = Counter(thing["tag"] for thing in fleet.things())
    assert set(kinds) == set(FIELDS)
    ranges = {"Thermostat": (10, 30), "Barometer": (900, 1100), "Hygrometer": (30, 100), "HeartRateMeter": (60, 100)}
    for message in spoken(fleet, 60):
        assert isinstance(message, dict)
        value = message[FIELDS[message["tag"]]]
        low, high = ranges[message["tag"]]
        assert low <= value <= high
        assert round(value, 2) == value
    assert NumberedFleet(200, random.Random(50)).things() == fleet.things()


def test_the_demo_fleet_is_alive_and_imperfect() -> None:
    fleet = DemoFleet(len(NAMED), random.Random(50))
    said = spoken(fleet, 360)
    converted = Converter(devices).lines([m if isinstance(m, bytes) else msgspec.json.encode(m) for m in said], NOW)
    rejected = len(converted.rejections)
    assert 10 <= rejected <= 60
    assert len({rejection.rule for rejection in converted.rejections}) >= 4
    rows = converted.frame
    assert rows.select("device_id", "sensor").n_unique() == len(NAMED)
    silent = rows.filter(pl.col("device_id") == SILENT)
    assert 100 <= silent.height <= 130
    slow = rows.filter(pl.col("device_id") == SLOW_CLOCK)["timestamp"].max()
    assert slow == NOW + timedelta(seconds=359) - timedelta(hours=1)
    green = rows.filter((pl.col("device_id") == "greenhouse-04") & (pl.col("sensor") == "temperature"))["value"]
    steps = green.diff().abs()
    assert green.n_unique() > 20
    assert float(steps.max()) < 2  # type: ignore[arg-type]  # a number: there are many


def test_a_larger_demo_fleet_gets_further_names() -> None:
    things = DemoFleet(60, random.Random(1)).things()
    assert len(things) == 60
    assert len({(thing["device_id"], thing["tag"]) for thing in things}) == 60
    assert len(DemoFleet(3, random.Random(1)).things()) == 3


def converted(feed: Any, frame: pl.DataFrame) -> Any:
    return Converter(feed).frame(frame, NOW)


def test_an_hour_of_a_station_becomes_eleven_readings_in_utc() -> None:
    found = converted(beijing_air, pl.DataFrame([HOUR]))
    assert found.frame.height == 11
    assert set(found.frame["sensor"]) == set(BeijingHour.units())
    assert set(found.frame["timestamp"]) == {datetime(2013, 2, 28, 16, tzinfo=UTC)}
    units = dict(found.frame.select("sensor", "unit").rows())
    assert units == BeijingHour.units()
    assert units["pm25"] == "ug/m3"


def test_a_cell_without_a_value_leaves_as_a_reading_without_one() -> None:
    found = converted(beijing_air, pl.DataFrame([{**HOUR, "pm25": None, "co": None}]))
    assert found.frame.height == 9
    assert [rejection.rule for rejection in found.rejections] == ["value.required"] * 2
    kept = {msgspec.json.decode(raw)["sensor"] for raw in found.refused.raws}
    assert kept == {"pm25", "co"}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"month": "13"}, "month.range"),
        ({"month": "2", "day": "30"}, "parse.error"),
        ({"hour": "24"}, "hour.range"),
        ({"year": "MMXIII"}, "year.type"),
        ({"station": None}, "station.required"),
        ({"pm25": "4 µg"}, "pm25.type"),
        ({"pm25": "NaN"}, "pm25.type"),
    ],
)
def test_an_hour_that_is_none_is_refused_as_a_whole(change: dict[str, Any], rule: str) -> None:
    found = converted(
        beijing_air, pl.DataFrame([HOUR, {**HOUR, **change}, HOUR], schema=dict.fromkeys(HOUR, pl.String))
    )
    assert found.frame.height == 22
    assert [(rejection.row, rejection.rule) for rejection in found.rejections] == [(1, rule)]


def test_a_minute_of_the_room_becomes_five_readings_in_the_clock_of_its_place() -> None:
    minute = {
        "room": "room-mons",
        "at": "2015-02-04 17:51:00",
        "temperature": "23.18",
        "humidity": "27.272",
        "light": "426",
        "co2": "721.25",
        "humidity_ratio": "0.00479298817650529",
    }
    found = converted(room_climate, pl.DataFrame([minute, {**minute, "at": "2015-03-29 02:30:00"}]))
    assert dict(found.frame.select("sensor", "value").rows())["humidity_ratio"] == 0.00479298817650529
    assert set(found.frame["timestamp"]) == {datetime(2015, 2, 4, 16, 51, tzinfo=UTC)}
    assert [(rejection.row, rejection.rule) for rejection in found.rejections] == [(1, "at.instant")]


def test_everything_that_the_domain_draws_and_offers_is_there() -> None:
    assert [layer.name for layer in domain.layers] == ["devices"]
    paths = {(endpoint.method, endpoint.path) for endpoint in domain.endpoints}
    assert paths == {
        ("POST", "/api/v1/average"),
        ("POST", "/api/v1/maximum"),
        ("POST", "/api/v1/minimum"),
        ("POST", "/api/v1/start"),
        ("POST", "/api/v1/stop"),
        ("GET", "/api/v1/status"),
    }
    with Farm() as farm:
        assert {name for name, feed in farm.plan.feeds.items() if feed.source.kind == "files"} == {
            "beijing_air",
            "room_climate",
        }


NAUGHTY = [
    "",
    "undefined",
    "NULL",
    "1/0",
    "-1E+02",
    "0x0",
    "NaN",
    "١٢٣",
    ",./;'[]\\-=",
    "Ω≈ç√∫˜µ≤≥÷",
    "田中さんにあげて下さい",
    "👩🏽‍💻",
    "ﷺ",
    "test\u2028test",
    "\u202btest",
    "\ufeff",
    "T̨̻͖͈̪h̦̬͓e",
    "<script>alert(1)</script>",
    "1;DROP TABLE users",
    "../../../etc/passwd%00",
    "$HOME",
    "%s%n",
    "{{7*7}}",
    "é",
    "e\u0301",
    "\x00",
    "\x1b[31m",
    "x" * 128,
    "x" * 129,
    "ü" * 128,
]


def test_naughty_ids_are_kept_byte_by_byte_or_refused() -> None:
    lines = [
        msgspec.json.encode({"device_id": id, "timestamp": 1767614405, "tag": "Thermostat", "temperature": number})
        for number, id in enumerate(NAUGHTY)
    ]
    found = Converter(devices).lines(lines, NOW)
    refused = {rejection.row: rejection.rule for rejection in found.rejections}
    assert {NAUGHTY[row]: rule for row, rule in refused.items()} == {
        "": "device_id.length",
        "x" * 129: "device_id.length",
        "test\u2028test": "device_id.text",
        "\u202btest": "device_id.text",
        "\x00": "device_id.text",
        "\x1b[31m": "device_id.text",
    }
    kept = found.frame.sort("value").select("value", "device_id").rows()
    assert kept == [(float(n), id) for n, id in enumerate(NAUGHTY) if n not in refused]
