"""A small world for the tests of the runtime."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from wayside.adapters import HttpPush
from wayside.domain import Domain, Topic, count, mean
from wayside.record import Record, field
from wayside.settings import Settings


class Reading(Record, key="station", time="at"):
    """One reading of one station."""

    station: str = field(max_length=16)
    at: datetime = field()
    level: float = field(unit="m", ge=-10, le=100)


def above_two(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col("level") > 2)


def world(name: str = "wells") -> Domain:
    """A domain of one topic with a feed, a stream, a table and a window."""
    readings = Topic(f"{name}_readings", Reading)
    readings.feed(f"{name}_push", HttpPush())
    high = readings.stream(f"{name}_high", into=Reading, transform=above_two)
    return Domain(
        name,
        name.title(),
        flow=(
            readings.table(f"{name}_latest"),
            readings.window(f"{name}_rollup", by=["station"], every="10s", count=count(), average=mean("level")),
            high.table(f"{name}_high_latest"),
        ),
    )


def reading(second: int, level: float, station: str = "north") -> dict[str, Any]:
    return {"station": station, "at": f"2026-01-05T12:{second // 60:02}:{second % 60:02}Z", "level": level}


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(**{"data_dir": folder / "data", "lake": False, **given})
