"""Recorded feeds of three agencies: everything that they held is taken or kept apart with a reason."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from wayside.adapters import UnusableBodyError
from wayside.adapters.entities import Entities
from wayside.adapters.polling import Documents
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.arrivals import inferred
from wayside_domains.transit.matching import enriched
from wayside_domains.transit.realtime import enhanced, notices, positions, predictions, protobuf, reader
from wayside_domains.transit.records import VehiclePosition

pytest.importorskip("google.transit.gtfs_realtime_pb2", reason="the extra `transit` is not installed")
pytestmark = pytest.mark.realdata
KINDS = {"positions": positions, "predictions": predictions, "notices": notices}

MBTA, NYCT = "mbta_gtfsrt_raw", "nyct_gtfsrt"
CDN, BUSES = "https_cdn.mbta.com_realtime", "https_mbta_busloc_s3.s3.amazonaws.com_prod"
# What each recording holds, counted without our reader (entities of the JSON and of the bindings), and which rules its
# rows break. Six vehicles of 2018 have a bearing of -1, which stands for none.
RECORDED = [
    (f"{MBTA}/concentrate_vehiclepositions.pb", "positions", 48, {}),
    (f"{MBTA}/concentrate_tripupdates.pb", "predictions", 523, {}),
    (f"{MBTA}/concentrate_alerts.pb", "notices", 51, {}),
    (f"{MBTA}/concentrate_VehiclePositions_enhanced.json", "positions", 550, {}),
    (f"{MBTA}/concentrate_TripUpdates_enhanced.json", "predictions", 47, {}),
    (f"{MBTA}/concentrate_alerts_enhanced.json", "notices", 6, {}),
    (f"{MBTA}/2022-01-01T00_00_03Z_{CDN}_VehiclePositions_enhanced.json.gz", "positions", 426, {}),
    (f"{MBTA}/2022-07-05T12_35_16Z_{CDN}_VehiclePositions_enhanced.json.gz", "positions", 683, {}),
    (f"{MBTA}/2022-05-08T06_04_57Z_{CDN}_TripUpdates_enhanced.json.gz", "predictions", 1273, {}),
    (f"{MBTA}/2022-06-28T10_03_18Z_{BUSES}_TripUpdates_enhanced.json.gz", "predictions", 4354, {}),
    (f"{MBTA}/empty.json.gz", "positions", 0, {}),
    (f"{MBTA}/one_blank_record.json.gz", "positions", 1, {"vehicle_id.required": 1}),
    (f"{NYCT}/a_division.nyct.gtfsrt", "positions", 174, {}),
    (f"{NYCT}/b_division.nyct.gtfsrt", "predictions", 2737, {}),
    (f"{NYCT}/2_delay.nyct.gtfsrt", "notices", 1, {}),
]


def domain() -> Transit:
    found = Transit("feed", "Feed", Network("x", "X"), zone="UTC")
    base = "http://127.0.0.1:9"
    found.poll("x", positions=f"{base}/p", predictions=f"{base}/u", notices=f"{base}/a")
    return found


@pytest.mark.parametrize(("name", "kind", "count", "broken"), RECORDED, ids=[f"{n[-40:]}-{k}" for n, k, *_ in RECORDED])
def test_a_recording_is_taken_whole(real_data: Path, name: str, kind: str, count: int, broken: dict[str, int]) -> None:
    body = (real_data / name).read_bytes()
    body = gzip.decompress(body) if name.endswith(".gz") else body
    change = reader("x", KINDS[kind], enhanced if ".json" in name else protobuf)(body)
    assert len(change.messages) == count
    assert change.at is not None
    trial = Trial(domain().domain(), clock=ManualClock(change.at))
    source = trial.plan.feeds[f"x_{kind}"].source
    lines = Entities(source.identity, "timestamp").apply(change, change.at)
    receipt = trial.push(f"x_{kind}", lines)
    assert Counter(trial.quarantine()["rule"]) == broken
    assert len(receipt.appended.offsets) + receipt.rejected == len(lines)


@pytest.mark.parametrize("name", ["large_page_obj_response.json", "skate_swiftly_realtime_vehicles.json"])
def test_another_document_is_no_feed(real_data: Path, name: str) -> None:
    with pytest.raises(UnusableBodyError):
        reader("x", positions, enhanced)((real_data / "mbta_gtfsrt_raw" / name).read_bytes())


def members(path: Path, part: str) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        found = [member for member in archive if member.isfile() and part in member.name]
        return sorted((member.name, archive.extractfile(member).read()) for member in found)  # type: ignore[union-attr]  # files all


def test_an_hour_of_positions_at_its_own_pace(real_data: Path) -> None:
    """Every vehicle of the last document is in the table with its newest word, and nobody else is."""
    recorded = members(real_data / "mbta_gtfsrt_sequence/mbta_rail_20230508_1200-1300Z_pb.tar.gz", "VehiclePositions/")
    assert len(recorded) > 100
    clock = ManualClock(datetime.fromtimestamp(int(Path(recorded[0][0]).stem), UTC))
    trial = Trial(domain().domain(), clock=clock)
    documents = Documents(trial.plan.feeds["x_positions"].source, "timestamp")
    sent = gone = 0
    for name, body in recorded:
        now = datetime.fromtimestamp(int(Path(name).stem), UTC)
        clock.advance((now - clock.now()).total_seconds())
        lines = documents.messages(body, now)
        gone += sum(b'"removed":true' in line for line in lines)
        receipt = trial.push("x_positions", lines)
        assert receipt.rejected == 0
        sent += len(lines)
    last = reader("x", positions)(recorded[-1][1])
    held = {message["vehicle_id"]: message["timestamp"] for message in last.messages}
    rows = {row["vehicle_id"]: row["timestamp"] for row in trial.table("vehicles").to_dicts()}
    assert rows == held
    assert gone > 0
    total = sum(len(reader("x", positions)(body).messages) for _, body in recorded)
    assert sent < total, "what was said again is not sent again"


def test_arrivals_from_positions_every_30_s_agree_with_those_of_every_2_s(real_data: Path) -> None:
    """MBTA's own recording says every two seconds where a vehicle stands: that is when it really arrived."""
    recorded = members(real_data / "mbta_gtfsrt_sequence/mbta_rail_20230508_1200-1300Z_pb.tar.gz", "VehiclePositions/")
    told = [dict(message) for _, body in recorded for message in reader("x", positions)(body).messages]
    rows = pl.DataFrame([{**m, "removed": False} for m in told], schema=VehiclePosition.schema())
    states = enriched(rows.unique(["vehicle_id", "timestamp"], maintain_order=True), lambda _: None)
    call = ["vehicle_id", "trip_id", "stop_id"]
    found = inferred(states, lambda _: None).filter(pl.col("event") == "arrival").select(*call, "timestamp")

    path = real_data / "mbta_lamp_rt/RT_VEHICLE_POSITIONS_year=2023_month=5_day=8_hour=12.parquet"
    dense = pl.scan_parquet(path).filter(pl.col("vehicle.current_status") == "STOPPED_AT")
    names = ("vehicle.vehicle.id", "vehicle.trip.trip_id", "vehicle.stop_id", "vehicle.timestamp")
    stood = dense.select(pl.col(name).alias(short) for name, short in zip(names, (*call, "at"), strict=True))
    real = stood.group_by(call).agg(at=pl.from_epoch(pl.col("at").min(), time_unit="s").dt.replace_time_zone("UTC"))
    begin, end = states["timestamp"].min(), states["timestamp"].max()
    assert isinstance(begin, datetime)
    assert isinstance(end, datetime)
    edge = timedelta(minutes=2)
    inner = real.filter(pl.col("at").is_between(begin + edge, end - edge)).collect()
    both = inner.join(found, on=call)
    error = (both["timestamp"] - both["at"]).dt.total_seconds().abs()
    share = both.height / inner.height
    said = f"median error {error.median():.0f} s, p90 {error.quantile(0.9):.0f} s"
    print(f"{inner.height} arrivals, {share:.1%} found, {said}")
    assert inner.height > 500
    assert share > 0.9
    assert error.median() < 20
