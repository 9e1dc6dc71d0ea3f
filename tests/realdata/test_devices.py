"""Recordings of real instruments, replayed: counts add up, and windows equal a recomputation from the raw files."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.domains.devices.farm import Farm
from wayside.adapters.replay import FileReplay
from wayside.adapters.running import SourceStatus
from wayside.domain import Feed
from wayside.specs import TIME
from wayside_domains.devices.feeds import BEIJING_COLUMNS, ROOM_COLUMNS, beijing_air, room_climate

pytestmark = pytest.mark.realdata
START, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
KEYS = ["window_start", "device_id", "sensor"]


def replayed(farm: Farm, feed: Feed, files: list[Path]) -> SourceStatus:
    return FileReplay(feed, files, farm.intakes[feed.name]).run()


def windows(farm: Farm) -> pl.DataFrame:
    """All windows, closed and open, as people see them."""
    farm.settle()
    spec = farm.plan.windows["device_rollup"].spec
    parts = [farm.store.windows(spec.name, START, END), farm.engine.open_windows(spec.name).select(list(spec.schema))]
    merged = pl.concat(parts).group_by("window_start", "window_end", *spec.by).agg(spec.combine())
    return merged.select(*KEYS, *spec.outputs()).sort(KEYS)


def compare(found: pl.DataFrame, wanted: pl.DataFrame) -> None:
    """Keys and counts equal; sums and extremes to the last bits."""
    wanted = wanted.select(found.columns).cast(dict(found.schema)).sort(KEYS)  # type: ignore[arg-type]  # names to types
    assert found.select(*KEYS, "count").equals(wanted.select(*KEYS, "count"))
    for name in ("minimum", "maximum"):
        assert found[name].equals(wanted[name])
    assert ((found["average"] - wanted["average"]).abs() <= 1e-9 * wanted["average"].abs()).all()


def recomputed(raw: duckdb.DuckDBPyConnection, sensors: list[str]) -> pl.DataFrame:
    """10 s windows of the table `cells` (moment in UTC, device_id, one column of text per sensor)."""
    one = "SELECT moment, device_id, '{0}' AS sensor, {0}::DOUBLE AS value FROM cells WHERE {0} IS NOT NULL"
    readings = " UNION ALL ".join(one.format(sensor) for sensor in sensors)
    rows: Any = raw.sql(
        f"""SELECT to_timestamp(floor(epoch(moment) / 10) * 10)::TIMESTAMP AS window_start, device_id, sensor,
                   count(*) AS count, avg(value) AS average, min(value) AS minimum, max(value) AS maximum
            FROM ({readings}) GROUP BY ALL"""
    ).to_arrow_table()
    return pl.DataFrame(rows).with_columns(pl.col("window_start").dt.replace_time_zone("UTC").cast(TIME))


def table(raw: duckdb.DuckDBPyConnection, files: list[Path], moment: str, device: str, columns: dict[str, str]) -> int:
    """The raw files as `cells`; returns the number of rows."""
    raw.execute("SET TimeZone = 'UTC'")
    cells = ", ".join(f"nullif(nullif(trim(\"{theirs}\"), 'NA'), '') AS {ours}" for theirs, ours in columns.items())
    read = f"read_csv({[str(file) for file in files]}, header = true, all_varchar = true)"
    raw.execute(f"CREATE TABLE cells AS SELECT {moment} AS moment, {device} AS device_id, {cells} FROM {read}")
    return int(raw.execute("SELECT count(*) FROM cells").fetchall()[0][0])


def test_the_room_of_mons(real_data: Path) -> None:
    files = sorted((real_data / "room_occupancy").glob("data*.txt"))
    columns = {theirs: ours for theirs, ours in ROOM_COLUMNS.items() if ours != "at"}
    raw = duckdb.connect()
    # Belgian winter time, and the recording lies in February 2015.
    total = table(raw, files, '"Date"::TIMESTAMP - INTERVAL 1 HOUR', "'room-mons'", columns)
    with Farm() as farm:
        done = replayed(farm, room_climate, files)
        assert (done.messages, done.accepted, done.rejected) == (total, 5 * total, 0)
        compare(windows(farm), recomputed(raw, list(columns.values())))
        again = replayed(farm, room_climate, files)
        assert (again.accepted, again.duplicates) == (0, 5 * total)
        assert not farm.store.late("device_rollup").height


@pytest.mark.parametrize("stations", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_the_air_of_beijing(real_data: Path, stations: int) -> None:
    files = sorted((real_data / "beijing_air").glob("PRSA_Data_*.csv"))[:stations]
    raw = duckdb.connect()
    parts = ", ".join(f"{part}::BIGINT" for part in ("year", "month", "day", "hour"))
    rows = table(raw, files, f"make_timestamp({parts}, 0, 0) - INTERVAL 8 HOUR", "station", BEIJING_COLUMNS)
    missing = sum(
        raw.execute(f"SELECT count(*) FROM cells WHERE {sensor} IS NULL").fetchall()[0][0]
        for sensor in BEIJING_COLUMNS.values()
    )
    with Farm() as farm:
        begun = time.perf_counter()
        done = replayed(farm, beijing_air, files)
        assert done.messages == rows
        assert done.accepted + done.rejected == 11 * rows
        assert done.rejected == missing
        assert farm.refused().group_by("rule").len().rows() == [("value.required", missing)]
        compare(windows(farm), recomputed(raw, list(BEIJING_COLUMNS.values())))
        assert not farm.store.late("device_rollup").height
        print(f"{11 * rows} readings of {stations} stations in {time.perf_counter() - begun:.1f} s, {missing} missing")
