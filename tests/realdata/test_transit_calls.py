"""An hour of MBTA's positions, document by document through the running plan: the calls that it infers as they come."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.realdata.recordings import IRISH, agency, mbta, members
from wayside.adapters.entities import Entities
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit

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


def test_the_calls_of_irish_rail_are_those_that_its_sentences_tell(real_data: Path) -> None:
    """Two hours: a train whose sentence becomes "Arrived" at a station has arrived there, counted without our reader.

    A sentence of a train that is said to be at 0/0 is not used, like all of such a train.
    """
    stations = real_data / "irish_rail_live/stations.xml"
    codes = {
        name: code
        for part in re.findall(r"<objStation>(.*?)</objStation>", stations.read_text(encoding="utf-8"), re.DOTALL)
        for code in re.findall(r"<StationCode>\s*(.*?)\s*</StationCode>", part)
        for name in re.findall(r"<StationDesc>\s*(.*?)\s*</StationDesc>", part)
    }
    transit = Transit("feed", "Feed", Network("x", "X"), zone="Europe/Dublin")
    feed: Any = transit.irish("x", "http://127.0.0.1:9/xml", stations=stations)
    documents = members(real_data / IRISH, ".xml")
    first = datetime.strptime(Path(documents[0][0]).stem.split("_")[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    trial, entities = Trial(transit.domain(), clock=ManualClock(first)), Entities(feed.source.identity, "timestamp")
    wanted: set[tuple[str, str]] = set()
    before: dict[str, tuple[datetime, str]] = {}
    for name, body in documents:
        now = datetime.strptime(Path(name).stem.split("_")[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert isinstance(trial.clock, ManualClock)
        trial.clock.advance((now - trial.clock.now()).total_seconds())
        trial.push("x_trains", entities.apply(feed.source.read.read(body, now), now))
        for latitude, code, said in re.findall(
            r"<TrainLatitude>(.*?)</.*?<TrainCode>(.*?)</.*?<PublicMessage>(.*?)</", body.decode(), re.DOTALL
        ):
            if latitude == "0":
                continue
            told = re.search(r"Arrived (.+?) next stop", said)
            at, old = before.get(code, (now - timedelta(hours=1), ""))
            if told and told[1] in codes and f"Arrived {told[1]}" not in old and now - at < timedelta(minutes=3):
                wanted.add((code.strip(), codes[told[1]]))
            before[code] = (now, said)
    trial.finish()
    calls = trial.windows("stop_times")
    arrived = calls.filter(event="arrival").select(pl.col("trip_id"), "stop_id")
    found = wanted & set(arrived.iter_rows())
    share = len(found) / len(wanted)
    late = calls["delay"].count()
    print(f"{len(wanted)} arrivals told, {share:.1%} found; {calls.height} calls, {late} with a delay")
    assert len(wanted) > 500
    assert share > 0.98
    assert late > 0.9 * calls.height
