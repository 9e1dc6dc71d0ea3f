"""A board of then is drawn with the timetable of then, over swaps and restarts; where that is gone, it is said."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.domains.transit import samples
from tests.domains.transit.asking import Asking
from tests.domains.transit.test_swapping import packed, without
from wayside.clock import ManualClock
from wayside.errors import WaysideError
from wayside.runtime.trial import Trial
from wayside.server.history import readings
from wayside.server.maps import source
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.answering import UNHEARD
from wayside_domains.transit.gtfs import read_gtfs
from wayside_domains.transit.keeping import FRAMES, digest_of, from_bytes, to_bytes
from wayside_domains.transit.swapping import Swap

BEGAN = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)  # eight in Berlin: r1 has just left
GONE = "not kept"


class World:
    """A network whose timetable is a file, the chore that swaps it, and questions as of any instant."""

    def __init__(self, folder: Path, **kept: int) -> None:
        self.folder, self.kept = folder, kept
        self.path = folder / "gtfs.zip"
        self.clock = ManualClock(BEGAN)
        self.write(packed())
        self.begin()

    def begin(self) -> None:
        """As after a restart."""
        self.network = Network("x", "X", self.path, **self.kept)
        self.swap = Swap(self.network, self.clock)
        self.trial = Trial(Transit("x", "X", self.network, zone="Europe/Berlin").domain(), clock=self.clock)
        self.swap(self.folder / "own")

    def write(self, content: bytes) -> None:
        self.path.write_bytes(content)
        moment = int(self.clock.now().timestamp() * 1e9)
        os.utime(self.path, ns=(moment, moment))

    def change(self, hours: float, content: bytes) -> None:
        self.clock.advance(hours * 3_600)
        self.write(content)
        self.swap(self.folder / "own")

    def board(self, at: datetime | None) -> tuple[set[str], list[str]]:
        """Trips at the stop B around seven in the morning, and what is said of them."""
        given = {"network": "x", "stop": "B", "before": "60", "ahead": "120"}
        found = Asking(self.trial)("departures", **given, **({"at": at.isoformat()} if at else {})).body
        return {row["trip_id"] for row in found["departures"]}, [one for one in found["notes"] if one != UNHEARD]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_board_of_then_has_the_timetable_of_then(world: World) -> None:
    all_of_them, notes = world.board(None)
    assert {"r1", "r2"} <= all_of_them
    assert notes == []
    world.change(1, without("r1"))
    assert world.board(None) == (all_of_them - {"r1"}, [])
    world.change(0.5, without("r1", "r2"))
    world.change(1, without("r2"))
    wanted = {
        0.9: all_of_them,
        1.1: all_of_them - {"r1"},
        2: all_of_them - {"r1", "r2"},
        2.4: all_of_them - {"r1", "r2"},
    }

    def then(hours: float) -> datetime:
        return BEGAN + timedelta(hours=hours)

    def check() -> None:
        for hours, trips in wanted.items():
            # The board of seven o'clock, as it would have been drawn with the timetable of each hour.
            timetable = world.network.as_of(then(hours)).timetable
            assert timetable is not None
            assert all_of_them - set(timetable.trips["trip_id"]) == all_of_them - trips
            assert world.network.as_of(then(hours)).note == ""
        assert world.board(then(0.5)) == (all_of_them, [])

    check()
    world.begin()  # a restart
    assert len(list((world.folder / "own" / "before").iterdir())) == 4, "what was in use before is written once"
    check()
    world.clock.advance(3 * 86_400)
    world.swap(world.folder / "own")
    check()


def test_delays_of_then_are_those_against_the_timetable_of_then(world: World) -> None:
    at = BEGAN + timedelta(minutes=3)
    place = {"latitude": 0.0, "longitude": 1.005, "trip_id": "r1", "start_date": "20261126"}
    told = {"network": "x", "vehicle_id": "v", "timestamp": at.isoformat(), "removed": False, **place}
    world.clock.advance(180)

    def asked(at: datetime | None) -> tuple[Any, Any]:
        ask, given = Asking(world.trial), {"at": at.isoformat()} if at else {}
        board = ask("calls", place="x/B", **given).body["rows"]
        return [row for row in board if row["thing"] == "v"], ask("calls", thing="v", **given).body["rows"]

    world.trial.push("vehicle_positions", [told])
    before = asked(None)
    assert before[0][0]["basis"] == "delay"
    assert before[1]
    world.change(1, without("r1"))
    world.change(48, without("r1", "r2"))
    world.clock.advance(2 * 86_400)
    world.swap(world.folder / "own")  # from now on nobody knows r1 any more
    assert asked(at) == before


def moved() -> bytes:
    """The small timetable with its line bent to the north, and the stop B moved along."""
    shapes, stops = samples.TABLES["shapes.txt"], samples.TABLES["stops.txt"]
    return packed(
        shapes=shapes.replace("line,0,1.015,2", "line,0.002,1.015,2"),
        stops=stops.replace("Bee,0.0,1.01", "Bee,0.001,1.012"),
    )


def test_lines_and_stops_of_then_are_where_they_were(world: World) -> None:
    (domain,) = world.trial.plan.domains
    lines, stops = domain.geometries

    def shown(at: datetime) -> tuple[Any, Any]:
        assert lines.past is not None
        assert stops.past is not None
        way = next(one for one in lines.past(at).features["features"] if one["id"] == "x/line")
        stop = next(one for one in stops.past(at).features["features"] if one["id"] == "x/B")
        return way["geometry"]["coordinates"], stop["geometry"]["coordinates"]

    old, first = shown(BEGAN), lines.features()
    assert old[1] == [1.01, 0.0]
    world.change(1, moved())
    world.change(2, moved())  # read again, and the same
    swapped = BEGAN + timedelta(hours=1)
    new = shown(world.clock.now())
    assert new[1] == [1.012, 0.001]
    assert new[0] != old[0]
    assert shown(swapped - timedelta(seconds=1)) == old
    assert shown(swapped) == new
    assert lines.past is not None
    then = lines.past(BEGAN + timedelta(minutes=5))
    assert (then.since, then.until, list(then.notes)) == (BEGAN, swapped, [])
    now = lines.past(world.clock.now())
    assert (now.since, now.until, list(now.notes)) == (swapped, None, [])
    assert now.features is lines.features()
    assert now.features is not first
    assert lines.past(BEGAN).features is then.features, "it is not made again each time"
    early = lines.past(BEGAN - timedelta(hours=1))
    assert (early.since, early.until, early.features is then.features) == (None, BEGAN, True)
    assert [GONE in note for note in early.notes] == [True]


def test_what_moved_is_found_on_the_lines_of_its_own_time(world: World) -> None:
    """A swap in the middle of what is asked for: each position is compared with the timetable of its own time."""
    swapped = BEGAN + timedelta(minutes=5)

    def tell(*minutes: float) -> None:
        rows = [
            {"network": "x", "vehicle_id": "v", "timestamp": at.isoformat(), "removed": False, "latitude": 0.0}
            | {"longitude": 1.014, "trip_id": "r1", "start_date": "20261126"}
            for at in (BEGAN + timedelta(minutes=minute) for minute in minutes)
        ]
        assert world.trial.push("vehicle_positions", rows).rejected == 0

    def places(table: pl.DataFrame) -> list[tuple[datetime, float]]:
        return list(table.select("timestamp", "off").iter_rows())

    told = []
    for minute in (2, 4):
        world.clock.advance(120)
        tell(minute)
        told += places(world.trial.table("vehicles"))
    world.change(1 / 60, moved())
    for minute in (6, 8):
        world.clock.advance(120)
        tell(minute)
        told += places(world.trial.table("vehicles"))
    assert [round(off) for _, off in told] == [0, 0, 206, 206]
    world.change(50, moved())
    world.clock.advance(10 * 86_400)
    services = Asking(world.trial).services
    map = services.plan.domains[0].maps[0]
    found = readings(services, source(services.plan, map), (BEGAN, swapped + timedelta(hours=1)), {})
    assert places(found) == told
    at = BEGAN + timedelta(minutes=5, seconds=30)
    assert places(Asking(world.trial).queries.past(at).table("vehicles")) == told[1:2], "as it was, after the swap"


def test_trips_that_were_under_way_then_are_known_by_the_timetable_before(world: World) -> None:
    world.change(1, without("r1"))
    world.change(100, without("r2"))
    soon = world.network.as_of(BEGAN + timedelta(hours=2)).timetable
    late = world.network.as_of(BEGAN + timedelta(hours=90)).timetable
    assert soon is not None
    assert late is not None
    assert soon.trip("r1") is None
    assert soon.of_trip("r1").trip("r1") is not None
    assert late.of_trip("r1").trip("r1") is None
    assert world.network.as_of(BEGAN + timedelta(hours=2)).timetable is soon, "it is not read again each time"


def test_where_the_timetable_of_then_is_not_kept_that_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, kept=2)
    all_of_them, _ = world.board(None)
    before = BEGAN - timedelta(minutes=10)
    trips, (note,) = world.board(before)
    assert trips == all_of_them
    assert note.endswith("told by the timetable of today. It is in use since 26 Nov 2026 08:00.")
    world.change(1, without("r1"))
    assert world.board(BEGAN + timedelta(minutes=30)) == (all_of_them, [])
    world.change(0.2, without("r2"))  # and the first one goes
    trips, (note,) = world.board(BEGAN + timedelta(minutes=30))
    assert trips == all_of_them - {"r1"}
    assert note.endswith("by the oldest that is, of 26 Nov 2026 09:00.")
    for question, given in (("calls", {"place": "x/B"}), ("passed", {"place": "x/B"}), ("lines", {}), ("silent", {})):
        told = Asking(world.trial)(question, at=BEGAN.isoformat(), **given).body
        assert [one for one in told["notes"] if one != UNHEARD] == [note]
    assert Asking(world.trial)("calls", place="x/B").body["notes"] == []


def test_a_damaged_file_is_as_good_as_none_and_is_said(world: World) -> None:
    all_of_them, _ = world.board(None)
    world.change(1, without("r1"))
    (oldest, _) = sorted((world.folder / "own" / "before").iterdir())
    oldest.write_bytes(oldest.read_bytes()[:-300])
    trips, (note,) = world.board(BEGAN + timedelta(minutes=30))
    assert (trips, GONE in note, "timetable of today" in note) == (all_of_them - {"r1"}, True, True)


def test_a_timetable_that_is_kept_is_the_same_to_the_last_row(tmp_path: Path) -> None:
    path = tmp_path / "gtfs.zip"
    path.write_bytes(packed())
    one, again = read_gtfs(path, "x"), read_gtfs(path, "x")
    copy = from_bytes(to_bytes(one))
    assert digest_of(one) == digest_of(again) == digest_of(copy)
    for name in FRAMES:
        assert getattr(copy, name).equals(getattr(one, name), null_equal=True)
        assert getattr(copy, name).schema == getattr(one, name).schema
    assert (copy.network, copy.zone, copy.notes) == (one.network, one.zone, one.notes)
    path.write_bytes(packed(stops=samples.TABLES["stops.txt"].replace("1.0", "1.1", 1)))
    assert digest_of(read_gtfs(path, "x")) != digest_of(one)
    for bad in (b"", b"no zip", to_bytes(one)[:-100], packed()):
        with pytest.raises(WaysideError, match="cannot be read"):
            from_bytes(bad)


def test_what_cannot_be_written_is_told_and_the_timetable_is_in_use_all_the_same(world: World) -> None:
    folder: Any = world.folder / "own" / "before"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(WaysideError, match="could not be kept"):
        world.change(1, without("r1"))
    assert "r1" not in world.board(None)[0]
    folder.unlink()
    world.swap(world.folder / "own")
    assert len(list(folder.iterdir())) == 1, "the next turn tries again"
