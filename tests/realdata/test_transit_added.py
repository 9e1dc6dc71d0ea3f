"""MBTA's added trips, of which only its feed knows: on the boards of their stops, and told on as they came in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.domains.transit.agency import KEPT, Agency
from tests.realdata.recordings import MBTA, members

pytest.importorskip("google.transit.gtfs_realtime_pb2", reason="the extra `transit` is not installed")
pytestmark = pytest.mark.realdata
FEEDS = {"x_positions": "VehiclePositions/", "x_predictions": "TripUpdates/"}
BEGAN = datetime(2023, 5, 8, 12, tzinfo=UTC)
ADDED = pl.col("relationship") == "ADDED"


def snapshots(real_data: Path, every: timedelta) -> Iterator[tuple[datetime, dict[str, bytes]]]:
    """The newest document of each feed, every so often in the hour."""
    told = {
        name: [(int(Path(file).stem), body) for file, body in members(real_data / MBTA, part)]
        for name, part in FEEDS.items()
    }
    at = BEGAN + every
    while at <= BEGAN + timedelta(hours=1):
        found = {name: [one for one in many if one[0] <= at.timestamp()][-1] for name, many in told.items()}
        newest = max(second for second, _ in found.values())
        yield datetime.fromtimestamp(newest, UTC), {name: body for name, (_, body) in found.items()}
        at += every


def test_every_added_trip_with_calls_ahead_is_on_their_boards(real_data: Path) -> None:
    agency = Agency(None, BEGAN, zone="America/New_York", form="pb")
    trips: set[str] = set()
    shown = 0
    for at, bodies in snapshots(real_data, timedelta(minutes=15)):
        agency.until(at)
        for name, body in bodies.items():
            agency.takes(name, body)
        added = agency.trial.table("vehicles").filter(ADDED)["trip_id"].to_list()
        calls = agency.trial.table("predictions").filter(pl.col("trip_id").is_in(added), pl.col("departure") > at)
        trips |= set(calls["trip_id"])
        for (stop,), rows in calls.group_by(["stop_id"]):
            board = agency.board(str(stop), ahead=600)
            for trip_id, leaves in rows.select("trip_id", "departure").iter_rows():
                found = board[trip_id]
                assert (found["plan"], found["basis"], found["planned"]) == ("added", "prediction", None)
                assert datetime.fromisoformat(found["expected"]) == leaves
                shown += 1
    print(f"{len(trips)} added trips, {shown} of their calls on boards")
    assert len(trips) > 30
    assert shown > 500


def test_what_goes_out_comes_in_as_it_was(real_data: Path) -> None:
    here, there = (Agency(None, BEGAN, zone="America/New_York", form="pb") for _ in range(2))
    at, bodies = next(snapshots(real_data, timedelta(minutes=30)))
    here.until(at)
    there.until(at)
    for name, body in bodies.items():
        here.takes(name, body)
    for name, kind in (("x_positions", "vehicle_positions"), ("x_predictions", "trip_updates")):
        there.takes(name, here.body(f"{kind}.pb"))
    said, found = (one.trial.table("predictions").sort("trip_id", "start_date", "call") for one in (here, there))
    # By the rules of producers nothing is told that is older than 90 seconds, or of trips that are over.
    run = ["trip_id", "start_date"]
    ahead = (pl.coalesce("departure", "arrival") >= at).fill_null(False).any().over(run)
    young = pl.col("timestamp").max().over(run) >= at - timedelta(seconds=90)
    expected = said.filter(ahead & young)
    assert expected.height > 1_000
    # The word for a trip is that of its vehicle where its calls have none, and a vehicle is named on its own trip only.
    same = [name for name in KEPT if name not in ("relationship", "trip_relationship", "vehicle_id")]
    assert found.select(same).equals(expected.select(same))
    heard = here.trial.table("vehicles").filter(ADDED)["trip_id"].to_list()
    added = found.filter(pl.col("trip_relationship") == "ADDED")["trip_id"].unique()
    assert set(added) == set(expected["trip_id"]) & set(heard)
    assert len(added) > 10
    named = found.drop_nulls("vehicle_id").select(*run, "vehicle_id").unique()
    running = here.trial.table("vehicles").select(*run, "vehicle_id")
    assert named.join(running, on=[*run, "vehicle_id"], how="anti").is_empty()
    print(f"{expected.height} of {said.height} calls told on, those of {len(added)} added trips among them")
