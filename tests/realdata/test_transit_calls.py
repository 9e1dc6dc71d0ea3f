"""An hour of MBTA's positions, document by document through the running plan: the calls that it infers as they come."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.realdata.recordings import agency, mbta
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial

pytest.importorskip("google.transit.gtfs_realtime_pb2", reason="the extra `transit` is not installed")
pytestmark = [pytest.mark.realdata, pytest.mark.timeout(300)]
CALL = ["vehicle_id", "trip_id", "stop_id"]


@pytest.fixture(scope="module")
def hour(real_data: Path) -> tuple[Trial, datetime, datetime]:
    """Half an hour is enough; the clock goes as it went then."""
    recorded = list(mbta(real_data))[:60]
    begin, end = recorded[0][0], recorded[-1][0]
    trial = Trial(agency().domain(), clock=ManualClock(begin))
    for now, lines in recorded:
        assert isinstance(trial.clock, ManualClock)
        trial.clock.advance((now - trial.clock.now()).total_seconds())
        assert trial.push("x_positions", lines).rejected == 0
    trial.finish()
    return trial, begin, end


def reported(real_data: Path, begin: datetime, end: datetime) -> pl.DataFrame:
    """When each vehicle was first said to stand at a stop, in MBTA's own recording of every two seconds."""
    path = real_data / "mbta_lamp_rt/RT_VEHICLE_POSITIONS_year=2023_month=5_day=8_hour=12.parquet"
    dense = pl.scan_parquet(path).filter(pl.col("vehicle.current_status") == "STOPPED_AT")
    names = ("vehicle.vehicle.id", "vehicle.trip.trip_id", "vehicle.stop_id", "vehicle.timestamp")
    stood = dense.select(pl.col(name).alias(short) for name, short in zip(names, (*CALL, "at"), strict=True))
    edge = timedelta(minutes=2)
    inner = pl.col("at").is_between((begin + edge).timestamp(), (end - edge).timestamp())
    return stood.group_by(CALL).agg(pl.col("at").min()).filter(inner).collect()


def test_live_arrivals_agree_with_what_the_full_recording_implies(
    real_data: Path, hour: tuple[Trial, datetime, datetime]
) -> None:
    trial, begin, end = hour
    real = reported(real_data, begin, end)
    live = trial.windows("stop_times").filter(event="arrival").select(*CALL, "moment")
    assert live.select(CALL).is_duplicated().sum() == 0
    both = real.join(live, on=CALL)
    error = (both["moment"] - both["at"]).abs()
    share = both.height / real.height
    print(
        f"{real.height} arrivals, {share:.1%} found, median error {error.median():.0f} s, "
        f"p90 {error.quantile(0.9):.0f} s; late for their minute: {trial.late('stop_times').height}"
    )
    assert real.height > 250
    assert share > 0.9
    median = error.median()
    assert isinstance(median, float)
    assert median < 20


def test_headways_are_the_time_between_arrivals(hour: tuple[Trial, datetime, datetime]) -> None:
    trial, _, _ = hour
    rows = trial.windows("stop_times").filter(event="arrival").drop_nulls("moment").sort("moment")
    apart: dict[Any, list[tuple[float, float | None]]] = {}
    for row in rows.to_dicts():
        place = (row["route_id"], row["direction_id"], row["stop_id"])
        apart.setdefault(place, []).append((row["moment"], row["headway"]))
    told = [
        (b, gap - (b[0] - a[0])) for calls in apart.values() for a, b in pairwise(calls) if (gap := b[1]) is not None
    ]
    assert len(told) > 150
    assert sum(abs(off) < 0.01 for _, off in told) > 0.95 * len(told)


@pytest.mark.parametrize("times", [600, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(400)])])
def test_replayed_faster_while_the_engine_runs_the_calls_are_the_same(
    real_data: Path, hour: tuple[Trial, datetime, datetime], times: int
) -> None:
    trial = Trial(agency().domain())
    trial.engine.start()
    try:
        for _, lines in list(mbta(real_data))[:60]:
            assert trial.intakes["x_positions"].submit(lines).result().rejected == 0
            time.sleep(30 / times)
        until = time.monotonic() + 60
        while sum(node.lag for node in trial.engine.status()):
            assert time.monotonic() < until, "the engine does not get through"
            time.sleep(0.1)
    finally:
        trial.engine.stop()
    trial.engine.finish()
    assert trial.engine.sequence > 10
    for name in ("stop_times", "trip_runs", "vehicle_delay"):
        assert trial.windows(name).equals(hour[0].windows(name)), name
    columns = [name for name in trial.table("stop_headways").columns if not name.startswith("_")]
    assert trial.table("stop_headways").select(columns).equals(hour[0].table("stop_headways").select(columns))
