"""A client written for the old system meets what it knows, and none of that system's defects."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.domains.devices.farm import Farm, wait_for
from wayside.clock import SYSTEM

KINDS = {
    "Thermostat": ("temperature", 25.2, "Cel"),
    "Barometer": ("pressure", 1013.25, "hPa"),
    "Hygrometer": ("humidity", 55.5, "%"),
    "HeartRateMeter": ("heart_rate", 72.0, "/min"),
}


@pytest.fixture(scope="module")
def farm() -> Iterator[Farm]:
    with Farm() as opened:
        opened.serve()
        yield opened


@pytest.fixture
def client(farm: Farm) -> httpx2.Client:
    return farm.client


def message(device: str = "1", tag: str = "Thermostat", value: float = 20.0, at: Any = None) -> dict[str, Any]:
    moment = SYSTEM.now().isoformat().replace("+00:00", "Z") if at is None else at
    return {"device_id": device, "timestamp": moment, "tag": tag, KINDS[tag][0]: value}


def minute(number: int) -> datetime:
    """A full minute that no other test uses and no window has closed over: ahead of now, which is allowed."""
    return SYSTEM.now().replace(second=0, microsecond=0) + timedelta(hours=1, minutes=number)


def ask(farm: Farm, what: str, devices: list[str], **more: Any) -> dict[str, Any]:
    farm.settle()
    answer = farm.client.post(f"/api/v1/{what}", json={"device_ids": devices, **more})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def values(body: dict[str, Any], what: str) -> dict[str, Any]:
    return {row["device_id"]: row[what] for row in body["data"]}


@pytest.mark.parametrize("tag", KINDS)
@pytest.mark.parametrize("at", ["2023-03-28T20:04:22Z", 1680033862, "2023-03-28T22:04:22+02:00"])
def test_each_kind_is_normalised_to_one_reading_with_its_unit(farm: Farm, tag: str, at: Any) -> None:
    sensor, value, unit = KINDS[tag]
    answer = farm.client.post("/api/v1/device", json=message("kind", tag, value, at))
    assert (answer.status_code, answer.content) == (200, b"")
    row = farm.rows().row(-1, named=True)
    assert row == {
        "device_id": "kind",
        "timestamp": datetime(2023, 3, 28, 20, 4, 22, tzinfo=UTC),
        "sensor": sensor,
        "value": value,
        "unit": unit,
    }


def test_extra_fields_are_ignored_as_they_were(farm: Farm) -> None:
    before = farm.rows().height
    answer = farm.client.post("/api/v1/device", json={**message("extra"), "pressure": 5, "battery": 0.3})
    assert answer.status_code == 200
    assert farm.rows().height == before + 1
    assert farm.rows().row(-1, named=True)["sensor"] == "temperature"


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ({"tag": "Thermostat", "humidity": 20}, "tagged_reading"),
        ({"tag": "Thermostat"}, "tagged_reading"),
        ({"tag": "Thermostat", "temperature": None}, "tagged_reading"),
        ({"tag": "Thermometer", "temperature": 20}, "tag.choice"),
        ({"temperature": 20}, "tag.required"),
        ({"tag": "Thermostat", "temperature": "20"}, "temperature.type"),
        ({"tag": "Thermostat", "temperature": True}, "temperature.type"),
        ({"tag": "Hygrometer", "humidity": 100.1}, "humidity.range"),
        ({"tag": "Thermostat", "temperature": -300}, "temperature.range"),
        ({"tag": "Thermostat", "temperature": 20, "timestamp": "2023-03-28T20:04:22"}, "timestamp.instant"),
        ({"tag": "Thermostat", "temperature": 20, "timestamp": 1680033862000}, "timestamp.instant"),
        ({"tag": "Thermostat", "temperature": 20, "timestamp": "2099-01-01T00:00:00Z"}, "timestamp.plausible"),
        ({"tag": "Thermostat", "temperature": 20, "timestamp": None}, "timestamp.required"),
        ({"tag": "Thermostat", "temperature": 20, "device_id": ""}, "device_id.length"),
        ({"tag": "Thermostat", "temperature": 20, "device_id": 7}, "device_id.type"),
    ],
)
def test_a_message_without_a_reading_is_422_and_quarantined_and_no_sensor_is_invented(
    farm: Farm, broken: dict[str, Any], rule: str
) -> None:
    before = farm.rows().height
    body = {"device_id": "broken", "timestamp": "2023-03-28T20:04:22Z", **broken}
    answer = farm.client.post("/api/v1/device", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert rule in answer.text
    assert farm.rows().height == before
    assert farm.refused().row(-1, named=True)["rule"] == rule
    assert "no_sensor" not in set(farm.rows()["sensor"])


def test_defect_a_log_that_is_down_is_503_and_never_200(farm: Farm) -> None:
    before = farm.rows().height
    farm.log.down = True
    try:
        answer = farm.client.post("/api/v1/device", json=message("lost"))
        assert answer.status_code == 503
    finally:
        farm.log.down = False
    assert farm.rows().height == before
    assert farm.client.post("/api/v1/device", json=message("lost")).status_code == 200
    assert farm.rows().height == before + 1


def test_defect_an_average_is_the_sum_over_the_count_not_the_mean_of_window_means(farm: Farm) -> None:
    at = minute(1)
    for second, value in [(0, 10.0), (1, 10.0), (2, 10.0), (11, 30.0)]:
        farm.client.post("/api/v1/device", json=message("weighted", value=value, at=at.timestamp() + second))
    span = {"from": at.isoformat(), "to": (at + timedelta(minutes=1)).isoformat()}
    body = ask(farm, "average", ["weighted"], **span)
    assert values(body, "average") == {"weighted": 15.0}  # the mean of window means would be 20
    assert values(ask(farm, "maximum", ["weighted"], **span), "maximum") == {"weighted": 30.0}
    assert values(ask(farm, "minimum", ["weighted"], **span), "minimum") == {"weighted": 10.0}


def test_defect_the_newest_readings_are_counted_though_their_window_is_open(farm: Farm) -> None:
    farm.client.post("/api/v1/device", json=message("newest", value=21.0))
    assert values(ask(farm, "average", ["newest"]), "average") == {"newest": 21.0}
    farm.client.post("/api/v1/device", json=message("newest", value=23.0))
    assert values(ask(farm, "maximum", ["newest"]), "maximum") == {"newest": 23.0}


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    os.environ.pop("TZ", None)
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_defect_the_default_end_of_a_range_is_now_as_an_instant(farm: Farm) -> None:
    farm.client.post("/api/v1/device", json=message("tokyo", value=22.0))
    body = ask(farm, "average", ["tokyo"])
    assert body["from"] == "1980-01-01T00:00:00Z"
    assert body["to"].endswith("Z")
    assert abs(datetime.fromisoformat(body["to"]) - SYSTEM.now()) < timedelta(seconds=20)
    assert values(body, "average") == {"tokyo": 22.0}


def test_defect_sensors_are_not_mixed(farm: Farm) -> None:
    farm.client.post("/api/v1/device", json=message("both", "Thermostat", 20.0))
    farm.client.post("/api/v1/device", json=message("both", "Barometer", 1000.0))
    body = ask(farm, "average", ["both"])
    assert body["data"] == [
        {"device_id": "both", "average": 1000.0, "sensor": "pressure"},
        {"device_id": "both", "average": 20.0, "sensor": "temperature"},
    ]
    assert ask(farm, "average", ["both"], sensor="pressure")["data"] == body["data"][:1]


def test_ranges_in_every_notation_and_windows_wholly_inside(farm: Farm) -> None:
    at = minute(2)
    for second in range(0, 60, 5):
        farm.client.post("/api/v1/device", json=message("range", value=20 + second / 10, at=at.timestamp() + second))
    ends = at + timedelta(seconds=10), at + timedelta(seconds=30)
    notations = [
        [end.isoformat() for end in ends],
        [end.timestamp() for end in ends],
        [int(end.timestamp()) for end in ends],
        [end.replace(tzinfo=None).isoformat() for end in ends],
        [(end + timedelta(hours=2)).replace(tzinfo=None).isoformat() + "+02:00" for end in ends],
    ]
    for start, end in notations:
        body = ask(farm, "average", ["range"], **{"from": start, "to": end})
        assert [datetime.fromisoformat(body[end]) for end in ("from", "to")] == list(ends)
        assert values(body, "average") == {"range": 21.75}
    inside = ask(farm, "average", ["range"], **{"from": at.timestamp() + 1, "to": at.timestamp() + 9})
    assert values(inside, "average") == {"range": None}


def test_devices_are_answered_in_the_order_asked_and_one_without_data_is_null(farm: Farm) -> None:
    farm.client.post("/api/v1/device", json=message("known", value=1.0))
    hostile = ["unknown", "known", "'; DROP TABLE devices; --", "../../etc/passwd", "__proto__", "unknown", "\u202e"]
    body = ask(farm, "average", hostile)
    assert [row["device_id"] for row in body["data"]] == list(dict.fromkeys(hostile))
    assert [row["average"] for row in body["data"]] == [None, 1.0, None, None, None, None]
    assert ask(farm, "average", [])["data"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"device_ids": "1"},
        {"device_ids": [1]},
        {"device_ids": None},
        {"device_ids": ["1"], "from": "yesterday"},
        {"device_ids": ["1"], "from": 1e300},
        {"device_ids": ["1"], "to": -1e18},
        {"device_ids": ["1"], "from": "2023-01-02T00:00:00Z", "to": "2023-01-01T00:00:00Z"},
        {"device_ids": ["1"], "from": True},
        {"device_ids": ["1"], "from": {}},
        {"device_ids": ["1"], "sensor": 3},
    ],
)
def test_a_range_that_is_none_is_422(client: httpx2.Client, body: Any) -> None:
    for what in ("average", "maximum", "minimum"):
        answer = client.post(f"/api/v1/{what}", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"]


def test_the_generator_starts_tells_and_stops_with_the_old_status_codes(farm: Farm, client: httpx2.Client) -> None:
    assert client.get("/api/v1/status").json() == {"status": "stopped"}
    assert client.post("/api/v1/start", params={"numDevices": 0}).status_code == 406
    assert client.post("/api/v1/start", params={"numDevices": -3}).status_code == 406
    for wrong in ({"numDevices": "three"}, {"numDevices": 10**9}, {"rate": "nan"}, {"rate": 0}, {"rate": "1e9"}):
        assert client.post("/api/v1/start", params=wrong).status_code == 422, wrong
    assert client.get("/api/v1/status").json() == {"status": "stopped"}
    assert client.post("/api/v1/start", params={"numDevices": 4, "rate": 20}).status_code == 200
    assert client.post("/api/v1/start", params={"numDevices": 9}).status_code == 208
    told = client.get("/api/v1/status").json()
    assert (told["status"], told["numDevices"]) == ("running", 4)
    assert [device["device_id"] for device in told["devices"]] == ["1", "2", "3", "4"]
    assert all(device["tag"] in KINDS for device in told["devices"])
    wait_for(lambda: farm.generators["generator"].status().accepted >= 40)
    assert client.post("/api/v1/stop").status_code == 200
    assert client.post("/api/v1/stop").status_code == 200
    assert client.get("/api/v1/status").json() == {"status": "stopped"}
    assert farm.generators["generator"].status().rejected == 0
    assert values(ask(farm, "average", ["1"]), "average")["1"] is not None


def test_the_generator_starts_three_devices_unless_told_otherwise(client: httpx2.Client) -> None:
    assert client.post("/api/v1/start").status_code == 200
    assert client.get("/api/v1/status").json()["numDevices"] == 3
    assert client.post("/api/v1/stop").status_code == 200
