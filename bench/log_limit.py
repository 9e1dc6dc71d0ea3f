"""The yardstick of the log: the same Arrow IPC bytes written to a plain file with fdatasync, and read back.

`python bench/log_limit.py [--records N] [--batch N]` prints JSON: records per second for append (one
fdatasync per batch) and for reading back from the page cache into Arrow batches. Needs pyarrow.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

DEVICES = 10_000
SENSORS = ("temperature", "humidity", "pressure", "vibration")
START_US = 1_680_033_600_000_000


def records(first: int, count: int) -> pa.RecordBatch:
    """Readings number `first` and on: device, time, sensor, value. The same for the same numbers, always."""
    numbers = range(first, first + count)
    return pa.record_batch(
        {
            "device_id": pa.array([str(i * 7919 % DEVICES) for i in numbers]),
            "timestamp": pa.array([START_US + i * 100 for i in numbers], pa.timestamp("us", "UTC")),
            "sensor": pa.array([SENSORS[i % 4] for i in numbers]),
            "value": pa.array([(i * 31 % 1400 - 200) / 10 for i in numbers], pa.float64()),
        }
    )


def measure(folder: Path, batches: list[pa.RecordBatch], *, writes: int) -> dict[str, float]:
    """Write the batches in turn, `writes` times one, and read all back. Rates in records per second."""
    path = folder / "limit.arrows"
    took = []
    began = time.perf_counter()
    with path.open("wb", buffering=0) as file, pa.ipc.new_stream(file, batches[0].schema) as writer:
        for i in range(writes):
            before = time.perf_counter()
            writer.write_batch(batches[i % len(batches)])
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - before)
    written = time.perf_counter()
    rows = 0
    for read in pa.ipc.open_stream(pa.memory_map(str(path))):
        rows += read.num_rows
        for column in read.columns:  # touches the numbers: mapping them alone reads nothing
            if pa.types.is_primitive(column.type):
                pc.min_max(column)
    ended = time.perf_counter()
    expected = sum(batches[i % len(batches)].num_rows for i in range(writes))
    if rows != expected:
        raise RuntimeError(f"{rows} records read, {expected} written")
    return {
        "append_records_s": round(rows / (written - began)),
        "read_records_s": round(rows / (ended - written)),
        "append_p50_ms": round(statistics.median(took) * 1e3, 3),
        "append_max_ms": round(max(took) * 1e3, 3),
        "bytes_per_record": round(path.stat().st_size / rows, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--batch", type=int, default=10_000, help="records per write and fdatasync")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure; a temporary one unless said")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=told.folder) as folder:
        batches = [records(first, told.batch) for first in range(0, 10 * told.batch, told.batch)]
        print(json.dumps(measure(Path(folder), batches, writes=max(1, told.records // told.batch))))


if __name__ == "__main__":
    main()
