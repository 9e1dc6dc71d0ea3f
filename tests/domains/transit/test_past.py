"""Boards, cards and lines as of an instant of the past: what was answered then, and also from the lake."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.domains.transit.asking import Asking
from wayside.adapters.entities import Change, Entities
from wayside.clock import ManualClock
from wayside.lake.delta import DeltaLake
from wayside.ports import Lake
from wayside.runtime.lakewriter import LakeWriter
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit, city
from wayside_domains.transit.simulation import positions_of

BEGAN = datetime(2026, 11, 26, 13, tzinfo=UTC)
THEN = BEGAN + timedelta(minutes=8)
CENTRAL = {"network": "halcyon", "stop": "central"}
QUESTIONS: list[tuple[str, dict[str, str]]] = [
    ("departures", {**CENTRAL, "before": "3", "ahead": "15"}),
    ("calls", {"place": "halcyon/central", "ahead": "20"}),
    ("lines", {"minutes": "5"}),
]


def made() -> Transit:
    return Transit("own", "Own", Network("halcyon", "Halcyon", city.timetable), zone=city.ZONE)


class Told:
    """A quarter of an hour of the city, and what was answered at `THEN`."""

    def __init__(self) -> None:
        self.trial = Trial(made().domain(), clock=ManualClock(BEGAN))
        self.lake: Lake | None = None
        self.answers: dict[str, Any] = {}
        places = positions_of(city.timetable)(90, random.Random(50))
        for _ in range(30):
            self.clock.advance(30)
            said = [dict(m) for thing in range(90) if thing % 4 for m in places.messages(thing, self.clock.now())]
            assert self.trial.push("vehicle_positions", said).rejected == 0
            if self.clock.now() == THEN:
                self.notice("early", THEN - timedelta(minutes=1), "B is closed")
                self.keep()
        self.notice("early", self.clock.now(), "B is open again")
        self.notice("late", self.clock.now(), "C is closed")
        self.trial.finish()

    @property
    def clock(self) -> ManualClock:
        assert isinstance(self.trial.clock, ManualClock)
        return self.trial.clock

    def notice(self, name: str, at: datetime, text: str) -> None:
        own = {"network": "halcyon", "alert_id": name, "timestamp": at.isoformat(), "header": text}
        assert self.trial.push("notices", [{**own, "removed": False}]).rejected == 0

    def keep(self) -> None:
        ask = Asking(self.trial)
        self.answers = {path: ask(path, **given).body for path, given in QUESTIONS}
        rows = self.trial.table("vehicles").drop_nulls("along").to_dicts()
        self.thing = next(row["vehicle_id"] for row in rows if row["along"] > 200)
        self.answers["thing"] = ask("calls", thing=self.thing).body

    def ask(self, path: str, **given: str) -> Any:
        return Asking(self.trial, lake=self.lake)(path, at=THEN.isoformat(), **given).body


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


def same(told: Told) -> None:
    """What is asked of then is what was answered then."""
    for path, given in QUESTIONS[:2]:
        assert told.ask(path, **given) == told.answers[path]
    assert told.ask("calls", thing=told.thing) == told.answers["thing"]
    heard = ("network", "line", "direction", "live", "stale")
    then, now = (
        [[row[name] for name in heard] for row in found["rows"]]
        for found in (told.answers["lines"], told.ask("lines", minutes="5"))
    )
    assert then == now


def test_an_answer_of_the_past_is_the_one_that_was_given_then(told: Told) -> None:
    assert len(told.answers["departures"]["departures"]) > 5
    assert {row["state"] for row in told.answers["calls"]["rows"]} >= {"live", "planned"}
    assert [one["title"] for one in told.answers["calls"]["notices"]] == ["B is closed"]
    same(told)
    now = Asking(told.trial)("calls", place="halcyon/central").body
    assert {one["title"] for one in now["notices"]} == {"B is open again", "C is closed"}


def test_before_the_first_record_there_is_the_timetable_alone_and_that_is_said(told: Told) -> None:
    early = (BEGAN - timedelta(days=7)).isoformat()
    for (path, given), rows in zip(QUESTIONS, ("departures", "rows"), strict=False):
        found = Asking(told.trial)(path, at=early, **given).body
        assert found[rows]
        assert ["the timetable alone" in note for note in found["notes"]] == [True]
        assert told.answers[path]["notes"] == []


def test_what_called_by_then_is_told_and_nothing_later(told: Told) -> None:
    rows = told.ask("passed", place="halcyon/central", minutes="8")["rows"]
    assert rows
    assert max(row["at"] for row in rows) <= THEN.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    later = Asking(told.trial)("passed", place="halcyon/central", minutes="60").body["rows"]
    assert {row["trip_id"] for row in rows} < {row["trip_id"] for row in later}


def test_who_was_silent_then_is_where_the_plan_had_it(told: Told) -> None:
    rows = told.ask("silent")["rows"]
    assert rows
    assert {row["timestamp"] for row in rows} == {"2026-11-26T13:08:00.000Z"}
    heard = {row["thing"] for row in told.answers["calls"]["rows"]}
    assert not heard & {row["vehicle_id"] for row in rows}


def test_a_future_instant_is_now(told: Told) -> None:
    ask = Asking(told.trial)
    later = (told.clock.now() + timedelta(hours=1)).isoformat()
    assert ask("departures", **CENTRAL, at=later).body == ask("departures", **CENTRAL).body


@pytest.mark.parametrize("path", ["departures", "calls", "silent", "passed", "lines"])
def test_what_is_no_instant_is_told_so(told: Told, path: str) -> None:
    for text in ("yesterday", "2026-11-26T13:00:00", "1969-01-01T00:00:00Z"):
        assert Asking(told.trial)(path, **CENTRAL, place="halcyon/central", at=text).status == 422


def test_notices_of_then_are_there_however_long_ago_they_were_told() -> None:
    """As feeds of both kinds tell them: once, and once more when they are over, at the time of the first word."""
    trial = Trial(made().domain(), clock=ManualClock(BEGAN))
    clock = trial.clock
    assert isinstance(clock, ManualClock)
    entities = Entities(("network", "alert_id"), "timestamp", steady=True)

    def hear(*texts: tuple[str, str]) -> None:
        now = clock.now()
        rows = [{"network": "halcyon", "alert_id": name, "timestamp": now, "header": text} for name, text in texts]
        lines = entities.apply(Change("reset", rows, now), now)
        assert not lines or trial.push("notices", [json.loads(line) for line in lines]).rejected == 0

    def titles(days: float) -> set[str]:
        at = (BEGAN + timedelta(days=days)).isoformat()
        found = Asking(trial)("calls", place="halcyon/central", at=at).body["notices"]
        return {one["title"] for one in found}

    lift, works = ("lift", "The lift is broken"), ("works", "Works on line 2")
    for said in ((lift,), (lift,), (("lift", "The lift is being mended"), works), (works,), ()):
        hear(*said)
        clock.advance(timedelta(days=2).total_seconds())
    assert titles(20) == titles(9) == set(), "they are all over"
    assert titles(1) == titles(3) == {"The lift is broken"}
    assert titles(5) == {"The lift is being mended", "Works on line 2"}
    assert titles(7) == {"Works on line 2"}
    assert titles(-1) == set()
    trial.broker.maintain()
    assert titles(1) == {"The lift is broken"}
    (info,) = trial.broker.partitions("notices")
    assert info.end == 5, "each is told once, and once that it is over"


def test_beyond_the_retention_of_the_log_the_lake_is_read(tmp_path: Path) -> None:
    told = Told()
    trial = told.trial
    told.lake = DeltaLake(tmp_path / "lake", clock=told.clock)
    assert LakeWriter(trial.plan, trial.broker, trial.store, told.lake).round() > 0
    calls = told.ask("passed", place="halcyon/central", minutes="8")["rows"]
    told.clock.advance(timedelta(days=20).total_seconds())
    told.notice("new", told.clock.now(), "A new one")
    trial.broker.maintain()
    trial.store.expire(told.clock.now() - timedelta(days=14))
    (positions,) = trial.broker.partitions("vehicle_positions")
    assert positions.start == positions.end > 0, "the log has let go of them"
    assert trial.windows("stop_times").is_empty(), "and the store of its windows"
    assert Asking(trial)("departures", **CENTRAL, at=THEN.isoformat()).body != told.answers["departures"]
    same(told)
    assert told.ask("passed", place="halcyon/central", minutes="8")["rows"] == calls


def test_every_call_is_in_silver_as_it_is_in_the_windows(told: Told, tmp_path: Path) -> None:
    lake, trial = DeltaLake(tmp_path / "lake", clock=told.clock), told.trial
    LakeWriter(trial.plan, trial.broker, trial.store, lake).round()
    call = ["vehicle_id", "trip_id", "stop_id", "stop_sequence", "event", "moment", "delay", "headway", "dwell"]
    silver = lake.scan("silver", "stop_calls").select(call).collect().sort(call)
    gold = trial.windows("stop_times").select(call).sort(call)
    assert silver.height > 200
    assert silver.equals(gold)
