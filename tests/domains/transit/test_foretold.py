"""An agency's own predictions: on boards, on cards and in the feeds that go out, each named as what it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.domains.transit import samples
from tests.domains.transit.asking import Asking
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.foretold import Predictions
from wayside_domains.transit.records import StopPrediction
from wayside_domains.transit.timetable import Timetable

EIGHT = datetime(2026, 11, 26, 7, tzinfo=UTC)  # at eight in Berlin, r1 leaves A; B 8:02, C 8:04 to 8:05, D 8:07
DAY = date(2026, 11, 26)
HEAD = {"network": "example", "start_date": "20261126", "trip_id": "r1", "removed": False}


def clock(minutes: float) -> datetime:
    return EIGHT + timedelta(minutes=minutes)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Timetable:
    return samples.timetable(tmp_path_factory.mktemp("gtfs"))


def row(number: int | None, **more: Any) -> dict[str, Any]:
    blank = dict.fromkeys(StopPrediction.fields)
    call = str(number) if number is not None else str(more.get("stop_id"))
    return {**blank, **HEAD, "stop_sequence": number, "call": call, "timestamp": EIGHT, **more}


def expected(table: Timetable, *rows: dict[str, Any], day: date = DAY) -> dict[int, Any]:
    """Minutes after eight of arrivals and departures, by call; `skipped` for those that will not be."""
    zero = EIGHT.timestamp()
    found = Predictions(rows, EIGHT).of(table, "r1", day)
    return {
        index: "skipped" if one.skipped else ((one.arrival - zero) / 60, (one.departure - zero) / 60)
        for index, one in found.items()
    }


def test_what_is_told_of_a_call_holds_for_those_behind_it(table: Timetable) -> None:
    assert expected(table, row(5, departure=clock(8))) == {2: (7, 8), 3: (10, 10)}
    assert expected(table, row(5, arrival=clock(6), departure=clock(8)), row(9, arrival=clock(9.5)))[3] == (9.5, 9.5)
    assert expected(table, row(5, arrival_delay=120.0)) == {2: (6, 7), 3: (9, 9)}
    # Who comes two minutes early does not leave before the time.
    assert expected(table, row(5, arrival=clock(2))) == {2: (2, 5), 3: (7, 7)}
    assert expected(table, row(None, stop_id="C", departure=clock(5.5)))[2] == (4.5, 5.5)


def test_what_cannot_be_meant_is_not_used(table: Timetable) -> None:
    assert expected(table, row(5, departure=clock(8), timestamp=clock(-11))) == {}, "told too long ago"
    assert expected(table, row(5, departure=clock(8 + 24 * 60))) == {}, "of another day"
    assert expected(table, row(5)) == {}, "without a time"
    assert expected(table, row(77, departure=clock(8))) == {}, "of a call that the trip does not have"
    assert expected(table, row(5, departure=clock(8)), day=date(2026, 11, 27)) == {}
    undated = row(5, departure=clock(8), start_date="-")
    assert expected(table, undated) == {2: (7, 8), 3: (10, 10)}
    assert expected(table, undated, day=date(2026, 11, 27)) == {}
    late = (row(2, departure=clock(4)), row(5, relationship="NO_DATA"))
    assert 2 not in expected(table, *late)
    assert 3 not in expected(table, *late), "nothing is known behind it"
    assert expected(table, row(2, departure=clock(4)), row(5, relationship="SKIPPED"))[2] == "skipped"


class Stage:
    """The small timetable with a vehicle on r1, two minutes late between A and B."""

    def __init__(self, path: Path) -> None:
        own = Transit("own", "Own", Network("example", "Example", samples.folder(path)), zone="Europe/Berlin")
        self.trial = Trial(own.domain(), clock=ManualClock(clock(3)))
        self.ask = Asking(self.trial)

    def runs(self) -> None:
        place = {"latitude": 0.0, "longitude": 1.005, "vehicle_id": "v", "timestamp": clock(3).isoformat()}
        assert self.trial.push("vehicle_positions", [{**HEAD, **place}]).rejected == 0

    def tells(self, *rows: dict[str, Any]) -> None:
        said = [{**HEAD, "timestamp": clock(3).isoformat(), **one} for one in rows]
        assert self.trial.push("stop_predictions", said).rejected == 0

    def board(self, stop: str, **more: str) -> dict[str, Any]:
        body = self.ask("departures", network="example", stop=stop, **more).body
        (found,) = (one for one in body["departures"] if one["trip_id"] == "r1")
        return {**found, "words": body["basis"]}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def at(minutes: float) -> str:
    return clock(minutes).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_board_shows_the_prediction_where_there_is_one_and_says_so(stage: Stage) -> None:
    assert (stage.board("C")["expected"], stage.board("C")["basis"]) == (at(5), "timetable")
    stage.runs()
    delayed = stage.board("C")
    assert delayed["basis"] == "delay"
    assert delayed["delay"] == pytest.approx(120, abs=2)
    assert "schedule" in delayed["words"]
    stage.tells({"call": "5", "stop_sequence": 5, "departure": clock(10).isoformat()})
    told = stage.board("C")
    assert (told["expected"], told["basis"], told["state"]) == (at(10), "prediction", "live")
    assert told["words"] == "agency's predictions"
    assert stage.board("B")["basis"] == "delay", "of a call before it the feed says nothing"
    rows = stage.ask("calls", thing="v").body
    assert [(one["place_name"], one["basis"]) for one in rows["rows"]] == [
        ("Bee", "delay"), ("Cee", "prediction"), ("Dee", "prediction"),
    ]  # fmt: skip
    assert rows["basis"].startswith("agency's predictions where it has any, else on the ")
    assert rows["rows"][2]["expected"] == at(12)
    (one,) = stage.ask("calls", place="example/C", ahead="20").body["rows"]
    assert (one["expected"], one["basis"]) == (at(10), "prediction")


def test_a_prediction_that_is_withdrawn_or_old_is_not_shown(stage: Stage) -> None:
    stage.tells({"call": "5", "stop_sequence": 5, "departure": clock(10).isoformat()})
    assert stage.board("C")["state"] == "planned", "nobody hears its vehicle, but its feed speaks of it"
    stage.tells({"call": "5", "stop_sequence": 5, "timestamp": clock(3.1).isoformat(), "removed": True})
    assert (stage.board("C")["state"], stage.board("C")["basis"]) == ("silent", "timetable")
    stage.tells({"call": "5", "stop_sequence": 5, "timestamp": clock(3.2).isoformat(), "departure": at(10)})
    assert stage.board("C")["basis"] == "prediction"
    assert isinstance(stage.trial.clock, ManualClock)
    stage.trial.clock.advance(11 * 60)
    assert stage.board("C", before="60")["basis"] == "timetable"
    then = stage.board("C", at=clock(5).isoformat())
    assert (then["expected"], then["basis"]) == (at(10), "prediction"), "as it was then"


@pytest.mark.parametrize("said", [
    {"call": "trip", "relationship": "CANCELED"},
    {"call": "trip", "relationship": "CANCELLED", "start_date": "-"},
    {"call": "5", "stop_sequence": 5, "relationship": "SKIPPED"},
])  # fmt: skip
def test_what_will_not_be_is_told_so(stage: Stage, said: dict[str, Any]) -> None:
    stage.runs()
    stage.tells(said)
    found = stage.board("C")
    assert (found["state"], found["expected"]) == ("cancelled", found["planned"])
    (one,) = stage.ask("calls", place="example/C", ahead="20").body["rows"]
    assert (one["state"], one["expected"]) == ("cancelled", None)
    assert [row["state"] for row in stage.ask("calls", thing="v").body["rows"]][1] == "cancelled"


def test_nobody_is_missed_on_a_trip_that_was_cancelled(stage: Stage) -> None:
    place = {"latitude": 0.0, "longitude": 1.0, "vehicle_id": "other", "trip_id": None, "start_date": None}
    stage.trial.push("vehicle_positions", [{**HEAD, **place, "timestamp": clock(3).isoformat()}])
    then = clock(3).isoformat()
    assert isinstance(stage.trial.clock, ManualClock)
    stage.trial.clock.advance(30)
    assert [row["vehicle_id"] for row in stage.ask("silent", at=then).body["rows"]] == ["trip r1"]
    stage.tells({"call": "trip", "relationship": "CANCELED"})
    assert stage.ask("silent", at=clock(3.2).isoformat()).body["rows"] == []
    assert [row["silent"] for row in stage.ask("lines").body["rows"]] == []
    stage.tells({"call": "trip", "timestamp": clock(3.4).isoformat(), "removed": True})
    assert [row["silent"] for row in stage.ask("lines").body["rows"]] == [1]
