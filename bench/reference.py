"""The expected answers of jobs A, B and C, in plain Python that shares nothing with any engine.

`python reference.py FOLDER` reads `messages.ndjson` and `devices.csv` there and writes `expected/A.csv`,
`B.csv`, `C.csv`, `B_ties.csv` (every value at the latest instant of a key) and `counts.json`. Times in
these files are whole seconds since 1970, UTC.
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
import json
import sys
from collections.abc import Iterable
from pathlib import Path

WINDOW_S = 10
LATENESS_S = 5


@functools.cache
def seconds(text: str) -> int:
    """Seconds since 1970 of `2023-03-28T20:00:00Z`; ValueError for anything else."""
    return int(dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC).timestamp())


def parse(line: bytes) -> tuple[str, str, float, int] | None:
    """Device, sensor, value and time of a valid line; None for a malformed one."""
    try:
        message = json.loads(line)
        device, sensor, value = message["device_id"], message["sensor"], message["value"]
        time = seconds(message["timestamp"])
    except (ValueError, KeyError, TypeError):
        return None
    if type(device) is not str or type(sensor) is not str or type(value) not in (int, float):
        return None
    return device, sensor, value, time


class Windows:
    """Count, sum, minimum and maximum per key and window."""

    def __init__(self) -> None:
        self.of: dict[tuple[int, str, str], list[float]] = {}

    def add(self, key: tuple[int, str, str], value: float) -> None:
        """Add a value to a window."""
        seen = self.of.get(key)
        if seen is None:
            self.of[key] = [1, value, value, value]
            return
        seen[0] += 1
        seen[1] += value
        if value < seen[2]:
            seen[2] = value
        if value > seen[3]:
            seen[3] = value

    def rows(self) -> Iterable[tuple[object, ...]]:
        """The rows of a result: window start, the two keys, count, average, minimum, maximum."""
        for key, (count, total, minimum, maximum) in self.of.items():
            yield (*key, count, total / count, minimum, maximum)


class Latest:
    """The value with the greatest event time per key; among equals the one that came last."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, str], tuple[int, list[float]]] = {}

    def add(self, key: tuple[str, str], value: float, time: int) -> None:
        """Take a value into account."""
        seen = self.of.get(key)
        if seen is None or time > seen[0]:
            self.of[key] = (time, [value])
        elif time == seen[0]:
            seen[1].append(value)

    def rows(self) -> Iterable[tuple[object, ...]]:
        """Device, sensor, time, value."""
        for key, (time, values) in self.of.items():
            yield (*key, time, values[-1])

    def ties(self) -> Iterable[tuple[object, ...]]:
        """As `rows`, with every value of the latest instant."""
        for key, (time, values) in self.of.items():
            yield from ((*key, time, value) for value in values)


def write(path: Path, names: str, rows: Iterable[tuple[object, ...]]) -> None:
    """One CSV file with a header."""
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(names.split())
        out.writerows(rows)


def reference(folder: Path) -> None:
    """Compute and write the expected answers for the input in `folder`."""
    with (folder / "devices.csv").open() as file:
        region = {row["device_id"]: row["region"] for row in csv.DictReader(file)}
    per_device, latest, per_region = Windows(), Latest(), Windows()
    accepted = rejected = greatest = 0
    with (folder / "messages.ndjson").open("rb") as lines:
        for line in lines:
            message = parse(line)
            if message is None:
                rejected += 1
                continue
            device, sensor, value, time = message
            accepted += 1
            greatest = max(greatest, time)
            start = time - time % WINDOW_S
            per_device.add((start, device, sensor), value)
            latest.add((device, sensor), value, time)
            per_region.add((start, region[device], sensor), value)
    out = folder / "expected"
    out.mkdir(exist_ok=True)
    measures = "count average minimum maximum"
    write(out / "A.csv", f"window_start device_id sensor {measures}", per_device.rows())
    write(out / "B.csv", "device_id sensor timestamp value", latest.rows())
    write(out / "B_ties.csv", "device_id sensor timestamp value", latest.ties())
    write(out / "C.csv", f"window_start region sensor {measures}", per_region.rows())
    counts = {"accepted": accepted, "rejects": rejected, "watermark": greatest - LATENESS_S}
    (out / "counts.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    reference(Path(sys.argv[1]))
