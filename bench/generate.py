"""The input of jobs A, B and C: device messages as NDJSON, the same bytes for the same count, always.

10,000 devices, 4 sensors, 10,000 messages per second of event time; 2 % are 1 to 5 s older than their
place in the file; 0.5 % are malformed in one of six ways. Needs numpy, so `bench` runs it in its `tools`
environment: `python generate.py COUNT FOLDER`.

Files in FOLDER: `messages.ndjson`; `parts/part-00000.json` and on, the same lines 100,000 a file, for
engines that read folders; `devices.csv` and `devices.json`, the device table of job C.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

DEVICES = 10_000
SENSORS = ("temperature", "humidity", "pressure", "vibration")
REGIONS = 20
START = int(dt.datetime(2023, 3, 28, 20, tzinfo=dt.UTC).timestamp())
MESSAGES_PER_SECOND = 10_000
CHUNK = 100_000
MALFORMED_SHARE = 0.005
OUT_OF_ORDER_SHARE = 0.02


@functools.cache
def instant(second: int) -> str:
    """RFC 3339 text of a second after the start."""
    return dt.datetime.fromtimestamp(START + second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def malformed(kind: int, device: int, second: int, sensor: str, value: float) -> str:
    """One broken line: cut off, value missing, value of a wrong type, impossible time, no JSON, null device."""
    head = f'{{"device_id":"{device}","timestamp":"{instant(second)}","sensor":"{sensor}"'
    match kind:
        case 0:
            return head + ',"va\n'
        case 1:
            return head + "}\n"
        case 2:
            return head + ',"value":"n/a"}\n'
        case 3:
            return (
                f'{{"device_id":"{device}","timestamp":"2023-99-99T20:04:22Z","sensor":"{sensor}","value":{value}}}\n'
            )
        case 4:
            return f"#garbage {device} not json\n"
    return f'{{"device_id":null,"timestamp":"{instant(second)}","sensor":"{sensor}","value":{value}}}\n'


def chunk(first: int, end: int) -> Iterator[str]:
    """Lines `first` to `end`. Seeded per chunk, so that a small input is the beginning of a large one."""
    random = np.random.default_rng(1000 + first // CHUNK)
    count = end - first
    device = random.integers(0, DEVICES, count)
    sensor = random.integers(0, len(SENSORS), count)
    tenths = random.integers(-200, 1200, count)
    out_of_order = random.random(count) < OUT_OF_ORDER_SHARE
    lag = random.integers(1, 6, count)
    broken = random.random(count) < MALFORMED_SHARE
    kind = random.integers(0, 6, count)
    second = np.arange(first, end) // MESSAGES_PER_SECOND - np.where(out_of_order, lag, 0)
    columns = (device, second, sensor, tenths, broken, kind)
    for d, t, s, v, bad, how in zip(*(column.tolist() for column in columns), strict=True):
        if bad:
            yield malformed(how, d, t, SENSORS[s], v / 10)
        else:
            yield (f'{{"device_id":"{d}","timestamp":"{instant(t)}","sensor":"{SENSORS[s]}","value":{v / 10}}}\n')


def write_devices(folder: Path) -> None:
    """The device table, as CSV and as NDJSON."""
    rows = [(str(device), f"region-{device * 7919 % REGIONS:02d}") for device in range(DEVICES)]
    with (folder / "devices.csv").open("w") as file:
        file.write("device_id,region\n")
        file.writelines(f"{device},{region}\n" for device, region in rows)
    with (folder / "devices.json").open("w") as file:
        file.writelines(json.dumps({"device_id": d, "region": r}) + "\n" for d, r in rows)


def generate(count: int, folder: Path) -> None:
    """Write `count` messages and the device table into `folder`. `messages.ndjson` appears last, whole."""
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    write_devices(folder)
    unfinished = folder / "messages.unfinished"
    with unfinished.open("w") as whole:
        for first in range(0, count, CHUNK):
            text = "".join(chunk(first, min(count, first + CHUNK)))
            whole.write(text)
            (parts / f"part-{first // CHUNK:05d}.json").write_text(text)
    unfinished.rename(folder / "messages.ndjson")


if __name__ == "__main__":
    generate(int(sys.argv[1]), Path(sys.argv[2]))
