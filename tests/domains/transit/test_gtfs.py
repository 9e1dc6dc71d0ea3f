"""GTFS becomes a timetable, or an error that says what is missing."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest

from tests.domains.transit.samples import TABLES, folder, timetable
from wayside.adapters.archive import ArchiveError
from wayside_domains.transit.gtfs import TimetableError, read_gtfs
from wayside_domains.transit.networks import Network
from wayside_domains.transit.timetable import Timetable


@pytest.fixture
def table(tmp_path: Path) -> Timetable:
    return timetable(tmp_path / "gtfs")


def test_times_between_two_timed_stops_are_interpolated(table: Timetable) -> None:
    calls = table.calls_of("r1")
    assert calls.stops == ["A", "B", "C", "D"]
    assert calls.sequences == [1, 2, 5, 9]
    minutes = [8 * 60, 8 * 60 + 2, 8 * 60 + 4, 8 * 60 + 7]
    assert calls.arrivals.tolist() == [60 * minute for minute in minutes]
    assert calls.departures[2] == 60 * (8 * 60 + 5)


def test_stops_lie_along_the_shape_and_a_loop_ends_where_it_began(table: Timetable) -> None:
    assert table.calls_of("r1").along == pytest.approx([0, 1112, 2224, 3336], abs=2)
    loop = table.calls_of("loop").along
    assert loop == pytest.approx([0, 2224, 6672], abs=5)


def test_a_trip_without_a_shape_runs_straight_from_stop_to_stop(table: Timetable) -> None:
    trip = table.trip("back")
    assert trip is not None
    assert table.line(trip.shape_id) is None
    line = table.line_of(trip)
    assert line is not None
    assert line.length == pytest.approx(3336, abs=2)
    assert table.calls_of("back").along == pytest.approx([0, 2224, 3336], abs=2)


@pytest.mark.parametrize(
    ("day", "trips"),
    [
        (date(2026, 4, 30), {"r1", "r2", "back", "loop", "night"}),
        (date(2026, 5, 1), {"loop", "night"}),  # a holiday: taken out by calendar_dates
        (date(2026, 5, 2), {"r1", "r2", "back", "loop", "night"}),  # a Saturday that is put in
        (date(2026, 5, 3), {"loop", "night"}),
        (date(2025, 12, 31), set()),
        (date(2027, 1, 1), set()),
    ],
)
def test_what_runs_on_a_day(table: Timetable, day: date, trips: set[str]) -> None:
    assert set(table.trips_on(day)["trip_id"]) == trips


def test_after_midnight_a_trip_belongs_to_the_day_before(table: Timetable) -> None:
    assert table.latest == 25 * 3600 + 12 * 60
    at = table.at(date(2026, 4, 30), 25 * 3600 + 600)
    assert at == datetime.fromisoformat("2026-05-01T01:10:00+02:00")


def test_a_station_has_its_platforms(table: Timetable) -> None:
    assert table.platforms("S") == ["S", "A"]
    assert table.platforms("B") == ["B"]
    assert table.place("N") is None
    assert any("no usable place" in note for note in table.notes)


def test_routes_have_colours_whatever_the_feed_says(table: Timetable) -> None:
    routes = {row["route_id"]: row for row in table.routes.to_dicts()}
    assert routes["R"]["color"] == "#ff8800"
    assert routes["L"]["color"] == "#6b7280"
    assert routes["L"]["name"] == "Loop"


def test_trips_that_run_every_so_often_are_written_out(tmp_path: Path) -> None:
    rows = "trip_id,start_time,end_time,headway_secs\nr2,06:00:00,07:00:00,1200\nr1,06:00:00,06:00:00,600\n"
    table = timetable(tmp_path / "gtfs", frequencies=rows)
    found = table.trips_on(date(2026, 4, 30))
    copies = [trip for trip in found["trip_id"] if "@" in trip]
    assert copies == ["r2@06:00:00", "r2@06:20:00", "r2@06:40:00"]
    assert "r2" not in found["trip_id"].to_list()
    assert "r1" in found["trip_id"].to_list()
    assert table.calls_of("r2@06:20:00").departures.tolist() == [
        6 * 3600 + 1200, 6 * 3600 + 1320, 6 * 3600 + 1500, 6 * 3600 + 1620,
    ]  # fmt: skip
    assert table.calls_of("r2@06:20:00").along is not None


@pytest.mark.parametrize("missing", ["agency", "routes", "stops", "trips", "stop_times"])
def test_a_missing_table_refuses_the_whole_and_says_which(tmp_path: Path, missing: str) -> None:
    with pytest.raises(TimetableError, match=rf"{missing}\.txt lacks"):
        timetable(tmp_path / "gtfs", **{missing: None})


def test_a_missing_column_refuses_the_whole_and_says_which(tmp_path: Path) -> None:
    with pytest.raises(TimetableError, match=r"stop_times\.txt lacks stop_sequence"):
        timetable(tmp_path / "gtfs", stop_times="trip_id,arrival_time,departure_time,stop_id\nr1,08:00:00,08:00:00,A\n")


def test_two_zones_are_refused(tmp_path: Path) -> None:
    rows = "agency_id,agency_timezone\na,Europe/Berlin\nb,Europe/Lisbon\n"
    with pytest.raises(TimetableError, match="one time zone"):
        timetable(tmp_path / "gtfs", agency=rows)


def test_rows_that_cannot_be_used_are_left_out_and_noted(tmp_path: Path) -> None:
    bad = "r2,9:61:00,09:10:00,D,7\nr2,soon,soon,D,8\nghost,08:00:00,08:00:00,A,1\nr2,09:20:00,09:20:00,Q,9\n"
    table = timetable(tmp_path / "gtfs", stop_times=TABLES["stop_times.txt"] + bad)
    assert any(note.startswith("stop_times.txt: 4 rows") for note in table.notes)
    assert len(table.calls_of("r2")) == 4


def test_a_time_that_runs_backwards_is_straightened(tmp_path: Path) -> None:
    rows = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
    rows += "r1,08:00:00,08:03:00,A,1\nr1,08:02:00,08:01:00,B,2\nr1,08:07:00,08:07:00,D,3\n"
    calls = timetable(tmp_path / "gtfs", stop_times=rows).calls_of("r1")
    assert (calls.departures >= calls.arrivals).all()
    assert (calls.arrivals[1:] >= calls.departures[:-1]).all()


def test_a_byte_order_mark_quotes_and_spaces_are_no_obstacle(tmp_path: Path) -> None:
    stops = '\ufeff stop_id , "stop_name",stop_lat,stop_lon\nA , "A, really",0.0,1.0\n'
    stops += "B,Bee,0.0,1.01\nC,C,0,1.02\nD,D,0,1.03\n"
    table = timetable(tmp_path / "gtfs", stops=stops)
    assert table.place("B") == ("Bee", 0.0, 1.01)
    assert len(table.calls_of("r1")) == 4


def test_a_zip_and_a_folder_are_the_same(tmp_path: Path) -> None:
    source = folder(tmp_path / "gtfs")
    packed = tmp_path / "gtfs.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in source.iterdir():
            archive.write(path, f"feed/{path.name}")
    one, other = read_gtfs(source, "example"), read_gtfs(packed, "example")
    for name in ("routes", "stops", "trips", "calls", "shapes", "services", "exceptions"):
        assert getattr(one, name).equals(getattr(other, name)), name


def test_a_timetable_that_cannot_be_read_leaves_the_one_before_in_use(tmp_path: Path) -> None:
    network = Network("example", "Example", folder(tmp_path / "gtfs"))
    first = network.read()
    (tmp_path / "gtfs" / "trips.txt").write_text("")
    with pytest.raises(TimetableError):
        network.reload()
    assert network.read() is first
    folder(tmp_path / "gtfs", routes="route_id,route_short_name\nR,New\nL,Loop\n")
    assert network.reload() is network.read()
    fresh = network.read()
    assert fresh is not None
    assert fresh.routes["name"].to_list() == ["New", "Loop"]


def test_a_zip_cut_short_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "gtfs.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("agency.txt", TABLES["agency.txt"])
    content = packed.read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 1):
        packed.write_bytes(content[:size])
        with pytest.raises(ArchiveError):
            read_gtfs(packed, "example")
