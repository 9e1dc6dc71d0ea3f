"""Timetables that are replaced while everything runs: at once, for good, and never by something worse."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.domains.transit import samples
from tests.unit.adapters.strangers import Answer, Handler, Stranger, until
from wayside.clock import ManualClock
from wayside.errors import DeclarationError, WaysideError
from wayside.runtime.chosen import plan_of
from wayside.runtime.service import Service
from wayside.runtime.troubles import Troubles
from wayside.settings import Settings
from wayside_domains.transit import Network, Transit, city
from wayside_domains.transit.matching import known
from wayside_domains.transit.networks import Networks
from wayside_domains.transit.records import VehiclePosition
from wayside_domains.transit.swapping import UNDER_WAY, Swap, chores_of


def packed(**changed: str | None) -> bytes:
    """The small timetable as a zip."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**samples.TABLES, **{f"{key}.txt": value for key, value in changed.items()}}.items():
            if text is not None:
                archive.writestr(name, text)
    return content.getvalue()


def without(*trips: str) -> bytes:
    """The same without some trips."""
    lines = samples.TABLES["trips.txt"].splitlines()
    return packed(trips="\n".join(line for line in lines if line.split(",")[0] not in trips) + "\n")


def gives(body: bytes, tag: str) -> Answer:
    """A server that knows which version it has."""

    def answer(handler: Handler) -> None:
        if handler.headers.get("If-None-Match") == tag:
            handler.give(304)
        else:
            handler.give(200, body, ETag=tag)

    return answer


def trips(network: Network) -> set[str]:
    found = network.read()
    assert found is not None
    return set(found.trips["trip_id"])


ALL = {"r1", "r2", "back", "loop", "night"}


def bomb(handler: Handler) -> None:
    handler.give(200, packed(shapes="0" * (300 << 20)))


BAD: list[Answer] = [
    lambda handler: handler.give(200, b""),
    lambda handler: handler.give(200, b"<html>soon</html>"),
    lambda handler: handler.give(200, packed()[:-200]),
    lambda handler: handler.give(200, packed(), length=100_000),
    lambda handler: handler.give(200, packed(stop_times=None)),
    lambda handler: handler.give(200, packed(agency="agency_name\nnobody\n")),
    lambda handler: handler.give(404),
    lambda handler: handler.give(503, Retry_After="9"),
    lambda handler: handler.hang_up(),
    bomb,
]
NAMES = ["empty", "html", "cut", "short", "no times", "no zone", "404", "503", "closed", "bomb"]


def test_a_timetable_comes_from_an_address_and_is_fetched_again_when_it_changes(tmp_path: Path) -> None:
    with Stranger(gives(packed(), '"1"'), gives(packed(), '"1"'), gives(without("back"), '"2"')) as stranger:
        network = Network("x", "X", stranger.url)
        swap = Swap(network)
        assert network.read() is None
        swap(tmp_path / "own")
        assert trips(network) == ALL
        first = network.read()
        swap(tmp_path / "own")
        assert network.read() is first, "304: nothing is read again"
        swap(tmp_path / "own")
        assert trips(network) == ALL - {"back"}
        asked = [headers.get("if-none-match") for _, headers in stranger.asked]
        assert asked == [None, '"1"', '"1"']


@pytest.mark.parametrize("bad", BAD, ids=NAMES)
def test_what_is_no_timetable_changes_nothing(tmp_path: Path, bad: Answer) -> None:
    with Stranger(gives(packed(), '"1"'), bad, gives(without("loop"), '"2"')) as stranger:
        network = Network("x", "X", stranger.url)
        swap = Swap(network)
        swap(tmp_path)
        first, files = network.read(), sorted(path.name for path in tmp_path.iterdir())
        with pytest.raises(WaysideError, match="The timetable of 'x' was not replaced"):
            swap(tmp_path)
        assert network.read() is first
        assert sorted(path.name for path in tmp_path.iterdir()) == files == ["before", "x.zip", "x.zip.json"]
        swap(tmp_path)
        assert trips(network) == ALL - {"loop"}
        assert stranger.asked[2][1]["if-none-match"] == '"1"', "what was of no use is not known"


def test_after_a_restart_the_copy_is_used_while_nobody_answers(tmp_path: Path) -> None:
    with Stranger(gives(packed(), '"1"'), lambda handler: handler.give(500), gives(packed(), '"1"')) as stranger:
        Swap(Network("x", "X", stranger.url))(tmp_path)
        network = Network("x", "X", stranger.url)
        with pytest.raises(WaysideError, match="answered 500"):
            Swap(network)(tmp_path)
        assert trips(network) == ALL
        Swap(network)(tmp_path)
        assert stranger.asked[2][1]["if-none-match"] == '"1"'


def test_a_copy_of_another_address_is_not_taken_for_its_own(tmp_path: Path) -> None:
    with Stranger(gives(packed(), '"1"')) as old, Stranger(gives(without("r2"), '"1"')) as new:
        Swap(Network("x", "X", old.url))(tmp_path)
        network = Network("x", "X", new.url)
        Swap(network)(tmp_path)
        assert "if-none-match" not in new.asked[0][1]
        assert trips(network) == ALL - {"r2"}


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "gtfs.zip"
    path.write_bytes(packed())
    network = Network("x", "X", path)
    swap = Swap(network)
    swap(tmp_path)
    first = network.read()
    swap(tmp_path)
    assert network.read() is first
    path.write_bytes(packed()[:-50])
    for _ in range(2):
        with pytest.raises(WaysideError, match="not replaced"):
            swap(tmp_path)
        assert network.read() is first
    path.unlink()
    with pytest.raises(WaysideError, match="not there"):
        swap(tmp_path)
    path.write_bytes(without("night"))
    swap(tmp_path)
    assert trips(network) == ALL - {"night"}


def test_a_folder_is_read_again_when_one_of_its_files_has_changed(tmp_path: Path) -> None:
    folder = samples.folder(tmp_path / "gtfs")
    network = Network("x", "X", folder)
    swap = Swap(network)
    swap(tmp_path)
    file = folder / "trips.txt"
    file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
    os.utime(file, (1, 1))
    swap(tmp_path)
    assert trips(network) == ALL - {"night"}


def position(trip: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(VehiclePosition.fields)
    at = datetime(2026, 11, 26, 7, 3, tzinfo=UTC)
    return row | {
        "network": "x", "vehicle_id": "v", "timestamp": at, "removed": False, "trip_id": trip, "latitude": 0.0,
        "longitude": 1.005, "start_date": "20261126",
    }  # fmt: skip


def test_trips_that_are_under_way_are_still_known_for_a_day(tmp_path: Path) -> None:
    path, clock = tmp_path / "gtfs.zip", ManualClock()
    path.write_bytes(packed())
    network = Network("x", "X", path)
    swap = Swap(network, clock)
    swap(tmp_path)
    before = known(position("r1"), network.read())
    assert before["delay"] is not None
    path.write_bytes(without("r1"))
    swap(tmp_path)
    assert known(position("r1"), network.read()) == before
    assert trips(network) == ALL - {"r1"}, "the board does not show it"
    clock.advance(UNDER_WAY + 1)
    swap(tmp_path)
    assert known(position("r1"), network.read())["delay"] is None


def test_only_what_can_change_has_a_chore() -> None:
    networks = Networks(
        Network("a", "A", Path("a.zip"), every="1h"), Network("b", "B", "https://example.org/b.zip"),
        Network("c", "C", city.timetable), Network("d", "D"),
    )  # fmt: skip
    assert [(chore.name, chore.seconds) for chore in chores_of(networks)] == [
        ("timetable of a", 3600.0), ("timetable of b", 21_600.0),
    ]  # fmt: skip
    with pytest.raises(DeclarationError, match="no web address"):
        Network("e", "E", "e.zip")


def started(folder: Path, url: str, body: Callable[[Service], None]) -> None:
    """A service of one network, for as long as it is looked at."""
    domain = Transit("x", "X", Network("x", "X", url, every="300ms"), zone="Europe/Berlin").domain()
    with Service(plan_of([domain]), Settings(data_dir=folder, lake=False)) as service:
        service.start()
        until(lambda: not service.readiness())
        body(service)


def test_the_operator_is_told_while_a_timetable_cannot_be_replaced(tmp_path: Path) -> None:
    def flaky(handler: Handler) -> None:
        if len(handler.server.asked) < 4:
            handler.give(502, b"<html>")
        else:
            gives(packed(), '"1"')(handler)

    with Stranger(flaky) as stranger:

        def look(service: Service) -> None:
            (domain,) = service.plan.domains
            lines = next(one for one in domain.geometries if one.name == "lines")
            (told,) = [one.what for one in Troubles(service).now() if "timetable" in one.what]
            assert "The timetable of 'x' was not replaced: The source answered 502." in told
            assert lines.features()["features"] == []
            until(lambda: not [one for one in Troubles(service).now() if "timetable" in one.what])
            assert len(lines.features()["features"]) == 2

        started(tmp_path, stranger.url, look)
        assert (tmp_path / "domains" / "x" / "x.zip").is_file()
    # Nobody answers any more, and the next start has its timetable all the same.
    started(tmp_path, stranger.url, check_lines)


def check_lines(service: Service) -> None:
    (domain,) = service.plan.domains
    assert len(next(one for one in domain.geometries if one.name == "lines").features()["features"]) == 2


def test_what_another_process_is_given_is_the_timetable_in_use(tmp_path: Path) -> None:
    """A fresh interpreter, as a worker is one, sees the trips of now and of before, whatever the file holds by then."""
    path = tmp_path / "gtfs.zip"
    path.write_bytes(packed())
    network = Network("x", "X", path)
    clock = ManualClock(datetime(2026, 11, 26, tzinfo=UTC))
    swap = Swap(network, clock)
    assert network.serial == 0
    assert pickle.loads(pickle.dumps(network)).read() is not None, "without a chore it is read from where it comes"
    swap(tmp_path / "kept")
    first = pickle.dumps(network)
    path.write_bytes(without("r2"))
    os.utime(path, ns=(1, 1))
    swap(tmp_path / "kept")
    assert network.serial == 2
    second = pickle.dumps(network)
    assert pickle.dumps(network) == second, "it is written once"
    path.unlink()
    code = (
        "import pickle, sys; found = pickle.loads(sys.stdin.buffer.read()).read(); "
        "print(sorted(found.trips['trip_id']), found.before and sorted(found.before.trips['trip_id']))"
    )
    for content, trips, before in ((first, ALL, None), (second, ALL - {"r2"}, sorted(ALL))):
        done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True, timeout=120)
        assert done.stdout.decode().strip() == f"{sorted(trips)} {before}"
    assert len(list((tmp_path / "kept" / "shared").iterdir())) == 2
    clock.advance(UNDER_WAY + 1)
    path.write_bytes(without("r2"))
    os.utime(path, ns=(1, 1))
    swap(tmp_path / "kept")
    assert pickle.loads(pickle.dumps(network)).read().before is None


def test_a_worker_that_cannot_read_the_timetable_says_so(tmp_path: Path) -> None:
    path = tmp_path / "gtfs.zip"
    path.write_bytes(packed())
    network = Network("x", "X", path)
    Swap(network)(tmp_path / "kept")
    content = pickle.dumps(network)
    for file in (tmp_path / "kept" / "shared").iterdir():
        file.unlink()
    with pytest.raises(WaysideError, match="A worker has no timetable of 'x'"):
        pickle.loads(content)
