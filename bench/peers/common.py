"""What the peers' scripts share: arguments, parsing one message, writing rows and the summary.

Each script runs in its own environment and is started by path, so this module imports nothing of `bench`
and nothing that an environment lacks.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

WINDOW_S = 10
LATENESS_S = 5
MEASURES = ("count", "average", "minimum", "maximum")
COLUMNS = {
    "A": ("window_start", "device_id", "sensor", *MEASURES),
    "B": ("device_id", "sensor", "timestamp", "value"),
    "C": ("window_start", "region", "sensor", *MEASURES),
}


class Job(argparse.Namespace):
    """The arguments of a job, and the places that follow from them."""

    job: str
    input: Path
    out: Path
    summary: Path

    @property
    def parts(self) -> Path:
        """The same lines as the input, 100,000 a file."""
        return self.input.parent / "parts"

    @property
    def devices(self) -> Path:
        """The device table: device_id, region."""
        return self.input.parent / "devices.csv"

    def regions(self) -> dict[str, str]:
        """Device to region."""
        with self.devices.open() as file:
            return {row["device_id"]: row["region"] for row in csv.DictReader(file)}


def arguments(*options: Callable[[argparse.ArgumentParser], Any], jobs: str = "ABC") -> Job:
    """The command line that every peer has; `options` add a peer's own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", choices=list(jobs), default="A")
    for name in ("--input", "--out", "--summary"):
        parser.add_argument(name, type=Path, required=True)
    for add in options:
        add(parser)
    job = parser.parse_args(namespace=Job())
    job.input, job.out = job.input.absolute(), job.out.absolute()
    job.out.mkdir(parents=True, exist_ok=True)
    return job


def write_summary(job: Job, *, began: float, ended: float, rejects: int | None) -> None:
    """Times in seconds. `rejects` counts the malformed lines that were kept; None where they are dropped."""
    summary = {"loop_s": round(ended - began, 4), "rejects": rejects, "late": None}
    job.summary.write_text(json.dumps(summary))


class Parser:
    """Parses and validates one line with orjson; malformed lines go to a file as they are."""

    def __init__(self, job: Job) -> None:
        self.rejects = 0
        self._file: BinaryIO = (job.out / "rejects").open("wb")

    def __call__(self, line: bytes) -> tuple[str, str, float, datetime] | None:
        """Device, sensor, value and time; None for a line that was rejected."""
        import orjson  # here, for the environments of the peers that parse by themselves have none

        try:
            message = orjson.loads(line)
            device, sensor, value = message["device_id"], message["sensor"], message["value"]
            at = datetime.fromisoformat(message["timestamp"])
            if type(device) is str and type(sensor) is str and type(value) in (int, float):
                return device, sensor, value, at
        except (ValueError, KeyError, TypeError):
            pass  # rejected below, as are wrong types
        self.rejects += 1
        self._file.write(line + b"\n")
        return None

    def close(self) -> None:
        """Flush the rejects."""
        self._file.close()


class Rows:
    """The result as CSV, written while the job runs, as a sink would. Times are seconds since 1970."""

    def __init__(self, job: Job) -> None:
        self._file = (job.out / "rows.csv").open("w", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS[job.job])
        self.write = self._writer.writerow

    def close(self) -> None:
        """Flush the rows."""
        self._file.close()


def fold(seen: tuple[int, float, float, float] | None, value: float) -> tuple[int, float, float, float]:
    """Count, sum, minimum and maximum with one more value."""
    if seen is None:
        return 1, value, value, value
    count, total, minimum, maximum = seen
    return count + 1, total + value, min(minimum, value), max(maximum, value)


def merge(
    a: tuple[int, float, float, float] | None, b: tuple[int, float, float, float] | None
) -> tuple[int, float, float, float] | None:
    """Two partial aggregates as one."""
    if a is None or b is None:
        return a or b
    return a[0] + b[0], a[1] + b[1], min(a[2], b[2]), max(a[3], b[3])
