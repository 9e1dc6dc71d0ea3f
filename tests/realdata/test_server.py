"""Recordings sent to a running server by the command line, and read back from it window by window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from e2e.running import Running, up, wait_for
from tests.realdata.test_devices import compare, recomputed, table
from wayside.cli.app import run
from wayside.specs import TIME
from wayside_domains.devices.feeds import BEIJING_COLUMNS, ROOM_COLUMNS

pytestmark = pytest.mark.realdata
ROLLUP = "/v1/windows/device_rollup"


def replay(running: Running, feed: str, files: list[Path], capsys: pytest.CaptureFixture[str]) -> str:
    """The command's last line."""
    assert run(["replay", *map(str, files), "--feed", feed, "--to", running.address]) == 0
    return capsys.readouterr().err.strip().splitlines()[-1]


def ends(running: Running) -> dict[str, int]:
    """Records ever appended, per topic."""
    return {topic["name"]: sum(part["end"] for part in topic["partitions"]) for topic in running.get("/v1/topics")}


def settled(running: Running) -> bool:
    return all(node["lag"] == 0 for node in running.get("/v1/plan")["nodes"])


def windows(running: Running, start: datetime, end: datetime, step: timedelta) -> pl.DataFrame:
    """All windows of a range, asked for in parts that keep within the server's bounds."""
    frames = []
    while start < end:
        path = f"{ROLLUP}?from={start:%Y-%m-%dT%H:%M:%SZ}&to={start + step:%Y-%m-%dT%H:%M:%SZ}&limit=100000"
        rows = running.rows(path)
        assert len(rows) < 100_000
        frames += [pl.DataFrame(rows)] if rows else []
        start += step
    found = pl.concat(frames).with_columns(pl.col("window_start").str.to_datetime(time_zone="UTC").cast(TIME))
    names = ["window_start", "device_id", "sensor", "count", "average", "minimum", "maximum"]
    return found.select(names).sort(names[:3])


def test_the_room_through_the_server(tmp_path: Path, real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((real_data / "room_occupancy").glob("data*.txt"))
    columns = {theirs: ours for theirs, ours in ROOM_COLUMNS.items() if ours != "at"}
    raw = duckdb.connect()
    total = table(raw, files, '"Date"::TIMESTAMP - INTERVAL 1 HOUR', "'room-mons'", columns)
    with up(tmp_path) as running:
        told = replay(running, "room_climate", files, capsys)
        assert f"{total:,} messages, {5 * total:,} records accepted, 0 rejected" in told
        again = replay(running, "room_climate", files, capsys)
        assert f"0 records accepted, 0 rejected, {5 * total:,} known already" in again
        assert ends(running)["processed_messages"] == 5 * total
        wait_for(lambda: settled(running))
        start, end = datetime(2015, 2, 1, tzinfo=UTC), datetime(2015, 3, 1, tzinfo=UTC)
        compare(windows(running, start, end, timedelta(days=2)), recomputed(raw, list(columns.values())))


def test_a_station_of_beijing_through_the_server(
    tmp_path: Path, real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted((real_data / "beijing_air").glob("PRSA_Data_*.csv"))[:1]
    raw = duckdb.connect()
    parts = ", ".join(f"{part}::BIGINT" for part in ("year", "month", "day", "hour"))
    rows = table(raw, files, f"make_timestamp({parts}, 0, 0) - INTERVAL 8 HOUR", "station", BEIJING_COLUMNS)
    wanted = recomputed(raw, list(BEIJING_COLUMNS.values()))
    accepted = int(wanted["count"].sum())
    with up(tmp_path) as running:
        told = replay(running, "beijing_air", files, capsys)
        assert f"{rows:,} messages, {accepted:,} records accepted, {11 * rows - accepted:,} rejected" in told
        assert ends(running)["processed_messages"] == accepted
        kept = running.get("/v1/quarantine?limit=1")
        assert kept["total"] == 11 * rows - accepted
        assert kept["by_rule"] == {"value.required": 11 * rows - accepted}
        wait_for(lambda: settled(running))
        start, end = datetime(2013, 2, 1, tzinfo=UTC), datetime(2017, 4, 1, tzinfo=UTC)
        compare(windows(running, start, end, timedelta(days=100)), wanted)
