"""What the map asks of the domain: the next calls of a vehicle or at a stop, and trips of which nobody hears."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wayside.clock import ManualClock
from wayside.domain import Answer
from wayside.runtime.trial import Trial
from wayside_domains.transit import city, domain
from wayside_domains.transit.simulation import positions_of

BEGAN = datetime(2026, 11, 26, 13, tzinfo=UTC)


class Asked:
    """The questions of an endpoint, over a trial."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    def now(self) -> datetime:
        return self.trial.clock.now()

    def table(self, name: str, where: Any = None) -> Any:
        return self.trial.store.table(name, where=where, limit=100_000)


@pytest.fixture(scope="module")
def trial() -> Trial:
    """Ten minutes of the city, of which one vehicle in four is never heard."""
    clock = ManualClock(BEGAN)
    trial = Trial(domain, clock=clock)
    places = positions_of(city.timetable)(90, random.Random(50))
    for _ in range(20):
        clock.advance(30)
        said = [dict(m) for thing in range(90) if thing % 4 for m in places.messages(thing, clock.now())]
        assert trial.push("halcyon_vehicles", said).rejected == 0
    trial.finish()
    return trial


def ask(trial: Trial, path: str, **given: str) -> Answer:
    (endpoint,) = (one for one in domain.endpoints if one.path == f"/api/transit/{path}")
    return endpoint.handler(Asked(trial), None, given)  # type: ignore[arg-type]  # these ask for nothing else


def running(trial: Trial) -> dict[str, Any]:
    rows = trial.table("vehicles").to_dicts()
    return next(row for row in rows if row["along"] is not None and row["delay"] is not None and row["along"] > 200)


def test_the_next_calls_of_a_vehicle_are_planned_and_expected(trial: Trial) -> None:
    state = running(trial)
    rows = ask(trial, "calls", thing=state["vehicle_id"]).body["rows"]
    assert rows
    assert {row["line"] for row in rows} == {state["route_id"]}
    planned = [datetime.fromisoformat(row["planned"]) for row in rows]
    assert planned == sorted(planned)
    late = timedelta(seconds=max(0.0, state["delay"]))
    for row, due in zip(rows, planned, strict=True):
        assert abs(datetime.fromisoformat(row["expected"]) - due - late) < timedelta(milliseconds=2)
    assert state["next_stop"] in [row["place_name"] for row in rows[:2]]
    assert ask(trial, "calls", thing="nobody").body["rows"] == []


def test_a_place_has_both_directions_and_earlier_and_later(trial: Trial) -> None:
    near = ask(trial, "calls", place="halcyon/central", before="0", ahead="20").body["rows"]
    far = ask(trial, "calls", place="halcyon/central", before="30", ahead="60").body["rows"]
    assert {row["direction"] for row in near} == {0, 1}
    assert len(far) > len(near) > 4
    assert all(row["expected"] is None for row in near if row["state"] in ("silent", "planned"))
    assert any(row["state"] == "departed" for row in far)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 422),
        ({"place": "central"}, 422),
        ({"place": "halcyon/nowhere"}, 404),
        ({"place": "nowhere/central"}, 404),
        ({"place": "halcyon/central", "ahead": "-1"}, 422),
        ({"place": "halcyon/central", "before": "99999"}, 422),
    ],
)
def test_a_wrong_question_is_told_so(trial: Trial, given: dict[str, str], status: int) -> None:
    assert ask(trial, "calls", **given).status == status


def test_trips_of_which_nobody_hears_are_where_the_plan_has_them(trial: Trial) -> None:
    clock = trial.clock
    assert isinstance(clock, ManualClock)
    # A network that was just heard of for the first time is given time to speak.
    assert ask(trial, "silent").body["rows"] == []
    clock.advance(31)
    rows = ask(trial, "silent").body["rows"]
    assert rows
    heard = set(trial.table("vehicles")["trip_id"])
    for row in rows:
        assert row["status"] == "silent"
        trip = row["vehicle_id"].removeprefix("trip ")
        assert trip not in heard
        timetable = city.timetable()
        line = timetable.line_of(timetable.trip(trip))  # type: ignore[arg-type]  # it exists
        assert line is not None
        assert line.locate(row["latitude"], row["longitude"], after=row["along"] - 5).off < 1
