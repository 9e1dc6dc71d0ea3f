"""A process that appends numbered batches to a lake until it is killed, maintaining it now and then."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from wayside.lake.delta import DeltaLake

ROWS = 500


def batch(number: int) -> pl.DataFrame:
    """The rows of one version: each carries its number."""
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=number % 48)
    return pl.DataFrame({"number": [number] * ROWS, "row": range(ROWS)}).with_columns(at=pl.lit(at))


def main(root: Path) -> None:
    """Begin where the lake says that we are; say each version that is durable."""
    lake = DeltaLake(root)
    number = lake.version("silver", "numbers", "writer")
    print("ready", number, flush=True)
    while True:
        number += 1
        lake.append("silver", "numbers", batch(number), app="writer", version=number)
        print(number, flush=True)
        if number % 15 == 0:
            lake.maintain(keep=timedelta(days=36_500))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
