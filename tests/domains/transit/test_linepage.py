"""What the page of a line asks: how often it was in time, hour by hour, and what was planned to run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.domains.transit import samples
from tests.domains.transit.asking import Asking
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit, city, domain

# Thursday, 08:00 in Berlin: the trip r1 of the small timetable sets out.
BEGAN = datetime(2026, 11, 26, 7, tzinfo=UTC)
METRES = 1_111.95
"""A hundredth of a degree on the equator."""


def run(transit: Transit, trips: dict[str, float]) -> Trial:
    """Each of some trips runs as planned at 08:00 or 09:00, so many seconds late, and tells where it is."""
    trial = Trial(transit.domain(), clock=ManualClock(BEGAN + timedelta(hours=2)))
    said = []
    for trip, late in trips.items():
        starts = BEGAN + timedelta(hours=0 if trip == "r1" else 1, seconds=late)
        for step in range(0, 480, 15):
            # B after two minutes, C after four, from where it leaves after five, D after seven.
            east = min(step, 240) / 120 if step < 300 else min(3.0, 2 + (step - 300) / 120)
            place = {"latitude": 0.0, "longitude": 1.0 + east / 100, "removed": False}
            at = (starts + timedelta(seconds=step)).isoformat()
            own = {"network": "example", "vehicle_id": trip, "trip_id": trip, "start_date": "20261126"}
            said.append({**own, "timestamp": at, **place})
    said.sort(key=lambda message: message["timestamp"])
    assert trial.push("vehicle_positions", said).rejected == 0
    trial.finish()
    return trial


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Transit:
    folder = samples.folder(tmp_path_factory.mktemp("gtfs"))
    return Transit("own", "Own", Network("example", "Example", folder), zone="Europe/Berlin")


@pytest.fixture(scope="module")
def trial(own: Transit) -> Trial:
    return run(own, {"r1": 0.0, "r2": 400.0})


def test_the_share_in_time_is_told_for_each_hour_of_the_clock(trial: Trial) -> None:
    body = Asking(trial)("punctual", line="R", hours="4").body
    assert body["zone"] == "Europe/Berlin"
    assert [row["from"] for row in body["rows"]] == [f"2026-11-26T0{hour}:00:00.000Z" for hour in (6, 7, 8, 9)]
    before, first, second, now = body["rows"]
    empty = {"calls": 0, "compared": 0, "on_time_share": None, "early_share": None, "late_share": None, "delay": None}
    for row in (before, now):
        assert {name: row[name] for name in empty} == empty
    # Departures from B and C; what stood at A before its first word was not seen to leave, or was: not more than three.
    assert 2 <= first["calls"] <= 3
    assert first["compared"] == first["calls"]
    assert (first["on_time_share"], first["early_share"], first["late_share"]) == (1.0, 0.0, 0.0)
    assert (second["on_time_share"], second["late_share"]) == (0.0, 1.0)
    assert second["delay"] == pytest.approx(400, abs=20)
    assert second["latest"] == pytest.approx(400, abs=20)


def test_hours_are_those_before_an_instant_of_the_past(trial: Trial) -> None:
    ask = Asking(trial)
    body = ask("punctual", line="R", hours="1", at="2026-11-26T09:00:00+01:00").body
    assert body["until"] == "2026-11-26T08:00:00.000Z"
    (row,) = body["rows"]
    assert row["from"] == "2026-11-26T08:00:00.000Z", "the hour that begins at that instant, of which nothing is known"
    assert row["calls"] == 0
    (row,) = ask("punctual", line="R", hours="1", at="2026-11-26T08:50:00+01:00").body["rows"]
    assert row["calls"] > 0
    arrivals = ask("punctual", line="R", hours="2", event="arrival", at="2026-11-26T08:50:00+01:00").body["rows"]
    assert arrivals[-1]["calls"] == 3, "B, C and D"
    assert ask("punctual", line="R", direction="1").body["rows"][-2]["calls"] == 0
    assert ask("punctual", line="R", network="other").body["zone"] == "UTC"


def test_what_was_planned_on_a_way_is_told_run_by_run(trial: Trial) -> None:
    body = Asking(trial)("planned", path="example/line", minutes="120").body
    assert [row["trip_id"] for row in body["rows"]] == ["r1", "r2"]
    second = body["rows"][1]
    zero = (BEGAN + timedelta(hours=1)).timestamp() * 1000
    assert [round((at - zero) / 60_000, 3) for at in second["at"]] == [0, 2, 4, 5, 7]
    assert second["along"] == pytest.approx([0, METRES, 2 * METRES, 2 * METRES, 3 * METRES], abs=3)
    assert (second["line"], second["direction"], second["toward"]) == ("R", 0, "Dee")


@pytest.mark.parametrize(
    ("given", "trips"),
    [
        ({"minutes": "30", "at": "2026-11-26T07:30:00Z"}, ["r1"]),
        ({"minutes": "1", "ahead": "60", "at": "2026-11-26T07:05:00Z"}, ["r1", "r2"]),
        ({"minutes": "10", "at": "2026-11-26T07:30:00Z"}, []),
        # Of the day before, ten past one at night: 25:10 on the board.
        ({"minutes": "60", "at": "2026-11-26T00:11:00Z"}, ["night"]),
    ],
)
def test_the_plan_of_a_span(trial: Trial, given: dict[str, str], trips: list[str]) -> None:
    rows = Asking(trial)("planned", path="example/line", **given).body["rows"]
    assert [row["trip_id"] for row in rows] == trips


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("punctual", {}, 422),
        ("punctual", {"line": "R", "hours": "0"}, 422),
        ("punctual", {"line": "R", "hours": "1e3"}, 422),
        ("punctual", {"line": "R", "direction": "2"}, 422),
        ("punctual", {"line": "R", "event": "crash"}, 422),
        ("punctual", {"line": "R", "at": "yesterday"}, 422),
        ("punctual", {"line": "R", "at": "2026-11-26T07:00:00"}, 422),
        ("punctual", {"line": "R", "at": "0001-01-01T00:00:00+14:00"}, 422),
        ("planned", {}, 422),
        ("planned", {"path": "line"}, 422),
        ("planned", {"path": "example/line", "minutes": "-1"}, 422),
        ("planned", {"path": "example/line", "at": "now"}, 422),
        ("planned", {"path": "example/nowhere"}, 404),
        ("planned", {"path": "nowhere/line"}, 404),
    ],
)
def test_a_wrong_question_is_told_so(trial: Trial, path: str, given: dict[str, str], status: int) -> None:
    assert Asking(trial)(path, **given).status == status


def test_the_map_tells_where_to_ask() -> None:
    (drawn,) = domain.maps
    paths = {endpoint.path for endpoint in domain.endpoints}
    assert drawn.calls is not None
    assert {drawn.calls.shares, drawn.calls.planned} <= paths


def test_the_plan_of_the_city_covers_its_lines(trial: Trial) -> None:
    ask = Asking(Trial(domain, clock=ManualClock(BEGAN + timedelta(hours=5))))
    for line in city.LINES:
        rows: list[dict[str, Any]] = ask("planned", path=f"halcyon/{line.route}-0", minutes="60").body["rows"]
        assert len(rows) >= 4
        frame = pl.DataFrame(rows, schema_overrides={"direction": pl.Int64})
        assert frame["along"].list.len().to_list() == frame["at"].list.len().to_list()
        assert all(one == sorted(one) for one in frame["at"].to_list())


def test_without_a_timetable_nothing_is_planned() -> None:
    bare = Transit("bare", "Bare", Network("example", "Example"), zone="UTC")
    ask = Asking(Trial(bare.domain(), clock=ManualClock(BEGAN)))
    assert ask("planned", path="example/line").status == 404
    rows = ask("punctual", line="R", hours="2").body["rows"]
    assert [row["on_time_share"] for row in rows] == [None, None]
