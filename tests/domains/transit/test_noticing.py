"""Which notices a vehicle's card and a stop's board show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.domains.transit import samples
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit

NOW = datetime(2026, 11, 26, 7, 2, tzinfo=UTC)  # two minutes past eight in Berlin: r1 is at B
HOUR = timedelta(hours=1)


def notice(name: str, **more: Any) -> dict[str, Any]:
    head = {"network": "x", "alert_id": name, "timestamp": NOW.isoformat(), "removed": False, "header": name}
    return {**head, **more}


NOTICES = [
    notice("all"),
    notice("route", routes="R Z", effect="SIGNIFICANT_DELAYS", description="Signals."),
    notice("other route", routes="L"),
    notice("trip", trips="r1", routes="R"),
    notice("other trip", trips="r2", routes="R"),
    notice("stop", stops="C"),
    notice("stop behind", stops="A"),
    notice("station", stops="S"),
    notice("other stop", stops="N"),
    notice("route at stop", routes="R", stops="D"),
    notice("other route at stop", routes="L", stops="D"),
    notice("over", routes="R", active_to=(NOW - HOUR).isoformat()),
    notice("coming", routes="R", active_from=(NOW + HOUR).isoformat(), active_to=(NOW + 2 * HOUR).isoformat()),
]


class Asked:
    """The questions of an endpoint, over a trial."""

    def __init__(self, folder: Path) -> None:
        self.trial = Trial(
            Transit("x", "X", Network("x", "X", samples.folder(folder)), zone="Europe/Berlin").domain(),
            clock=ManualClock(NOW),
        )
        place = {"latitude": 0.0, "longitude": 1.01, "trip_id": "r1", "start_date": "20261126"}
        head = {"network": "x", "vehicle_id": "v", "timestamp": NOW.isoformat(), "removed": False}
        self.trial.push("vehicle_positions", [{**head, **place}])
        assert self.trial.push("notices", NOTICES).rejected == 0

    def now(self) -> datetime:
        return NOW

    def table(self, name: str, where: Any = None) -> Any:
        return self.trial.store.table(name, where=where, limit=1_000)

    def notices(self, **given: str) -> list[dict[str, Any]]:
        (endpoint,) = (one for one in self.trial.plan.domains[0].endpoints if one.path == "/api/x/calls")
        found: list[dict[str, Any]] = endpoint.handler(self, None, given).body["notices"]  # type: ignore[arg-type]  # asks for nothing else
        return found

    def titles(self, **given: str) -> list[str]:
        return [one["title"] for one in self.notices(**given)]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return Asked(tmp_path_factory.mktemp("gtfs"))


def test_a_vehicle_has_those_of_its_trip_route_and_stops_ahead(asked: Asked) -> None:
    assert asked.titles(thing="v") == ["all", "route", "route at stop", "stop", "trip", "coming"]
    assert asked.titles(thing="nobody") == []


@pytest.mark.parametrize(
    ("place", "titles"),
    [
        ("x/S", ["all", "other route", "route", "station", "stop behind", "coming"]),
        ("x/D", ["all", "route", "route at stop", "coming"]),
        ("x/C", ["all", "other route", "route", "stop", "coming"]),
    ],
)
def test_a_stop_has_its_own_and_those_of_the_routes_that_call(asked: Asked, place: str, titles: list[str]) -> None:
    assert asked.titles(place=place, ahead="180") == titles


def test_a_notice_says_what_and_how_long(asked: Asked) -> None:
    found = {one["title"]: one for one in asked.notices(thing="v")}
    assert found["route"] == {
        "title": "route", "text": "Signals.", "kind": "significant delays", "from": None, "to": None,
    }  # fmt: skip
    assert found["coming"]["from"] == "2026-11-26T08:02:00.000Z"
    assert found["coming"]["to"] == "2026-11-26T09:02:00.000Z"
    assert found["all"]["text"] is None
