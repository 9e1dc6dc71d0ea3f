"""Wayside's embedded log beside its yardstick: append with fdatasync, and read back into frames.

`python bench/wayside_log.py [--records N] [--batch N] [--folder F] [--summary JSON] [--profile]` runs both in turn,
several times, so that a disk that is slow for a while is slow for both, and prints medians and their ratios. Each
append waits for its acknowledgement before the next; reading checks every checksum and sums up a column. The figure
for reading is the median of several passes of one process; `read_first_records_s` is its first, which also pays for
the memory that the later ones use again.

What won, and what did not: text as string views (5 times as fast into Polars as large strings, for 48 instead of 45
bytes per record); pread instead of a map (a map is faster still, but a page that cannot be read or was cut off kills
the process); reads of 100,000 rows (a million rows at once run at a third, because malloc gives such blocks back and
every page is faulted in anew). lz4 does not pay: a fifth of the bytes, for 8 times the time of writing and reading.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import log_limit
from wayside.broker import EmbeddedBroker
from wayside.specs import TIME, TopicSpec

ROUNDS = 5
PASSES = 5
SCHEMA = pl.Schema({"device_id": pl.String(), "timestamp": TIME, "sensor": pl.String(), "value": pl.Float64()})
SPEC = TopicSpec("readings", SCHEMA, key=("device_id",), time="timestamp", retention_age=None)
Figures = dict[str, float]


def measure(folder: Path, frames: list[pl.DataFrame], *, writes: int) -> Figures:
    """Append the frames in turn, `writes` times one, and read all back. Rates in records per second."""
    took = []
    broker = EmbeddedBroker(folder)
    broker.create(SPEC)
    began = time.perf_counter()
    for number in range(writes):
        before = time.perf_counter()
        broker.append("readings", frames[number % len(frames)]).result()
        took.append(time.perf_counter() - before)
    written = time.perf_counter()
    broker.close()
    rows = sum(frames[number % len(frames)].height for number in range(writes))
    passes = read_back(folder, rows)
    size = sum(path.stat().st_size for path in folder.rglob("*.log"))
    return {
        "append_records_s": round(rows / (written - began)),
        "read_records_s": round(rows / statistics.median(passes)),
        "read_first_records_s": round(rows / passes[0]),
        "append_p50_ms": round(statistics.median(took) * 1e3, 3),
        "append_max_ms": round(max(took) * 1e3, 3),
        "bytes_per_record": round(size / rows, 1),
    }


def read_back(folder: Path, expected: int) -> list[float]:
    """Seconds for reading everything in frames of up to 100,000 rows, pass by pass."""
    broker = EmbeddedBroker(folder)
    took = []
    for _ in range(PASSES):
        began = time.perf_counter()
        offset, rows, total = 0, 0, 0.0
        while (batch := broker.read("readings", 0, offset)) is not None:
            rows += batch.frame.height
            total += batch.frame.get_column("value").sum()
            offset = batch.next
        took.append(time.perf_counter() - began)
        if rows != expected or not total:
            raise RuntimeError(f"{rows} records read, {expected} written")
    broker.close()
    return took


def median(figures: list[Figures]) -> Figures:
    """The middle of each figure."""
    return {name: statistics.median(one[name] for one in figures) for name in figures[0]}


def compare(folder: Path, *, records: int, batch: int) -> tuple[Figures, Figures]:
    """Yardstick and Wayside, one after the other, several times."""
    batches = [log_limit.records(first, batch) for first in range(0, 10 * batch, batch)]
    frames = [pl.DataFrame(pl.from_arrow(one)).cast(dict(SCHEMA)) for one in batches]
    writes = max(1, records // batch // ROUNDS)
    limits, ours = [], []
    for number in range(ROUNDS):
        for name, kept, run in (
            ("limit", limits, lambda place: log_limit.measure(place, batches, writes=writes)),
            ("wayside", ours, lambda place: measure(place, frames, writes=writes)),
        ):
            kept.append(in_fresh(folder / f"{name}-{number}", run))
    return median(limits), median(ours)


def in_fresh(place: Path, run: Callable[[Path], Figures]) -> Figures:
    """Run in a folder that is made for it and removed afterwards."""
    place.mkdir(parents=True)
    try:
        return run(place)
    finally:
        shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--batch", type=int, default=10_000, help="records per append and fdatasync")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure; a temporary one unless said")
    parser.add_argument("--summary", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--profile", action="store_true", help="show where the time of this thread goes")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=told.folder) as folder, cProfile.Profile() as profile:
        if not told.profile:
            profile.disable()
        limit, ours = compare(Path(folder), records=told.records, batch=told.batch)
    if told.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    print(json.dumps(ours | {"limit": limit}))
    append, read = (ours[name] / limit[name] for name in ("append_records_s", "read_records_s"))
    print(f"append {append:.2f} of the file, read back {read:.2f} of the map", file=sys.stderr)
    if told.summary:
        told.summary.write_text(json.dumps(ours | {"limit": limit}))


if __name__ == "__main__":
    main()
