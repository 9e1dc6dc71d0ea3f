"""A process that writes a log until it is killed, and tells on stdout what was acknowledged.

`python -m tests.faults.log_writer FOLDER FIRST [--maintain] [--hold]`
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import polars as pl

from tests.contracts.broker.rows import SPEC, rows
from wayside.broker import EmbeddedBroker
from wayside.errors import DataFolderLockedError


def main(folder: Path, first: int, options: list[str]) -> int:
    try:
        broker = EmbeddedBroker(folder, segment_bytes=20_000)
    except DataFolderLockedError as error:
        print(error, file=sys.stderr)
        return 73
    broker.create(replace(SPEC, retention_age=None, partitions=2))
    broker.create(replace(SPEC, name="latest", compact=True))
    print("ready", flush=True)
    if "--hold" in options:
        sys.stdin.read()
    start = first
    while True:
        waiting = []
        for _ in range(5):
            names = pl.Series([f"id-{number}" for number in range(start, start + 20)])
            into_readings = broker.append("readings", rows(start, 20, things=50), ids=names)
            waiting.append((start, into_readings, broker.append("latest", rows(start, 20))))
            start += 20
        for value, *futures in waiting:
            for future in futures:  # what is told counts for both topics
                future.result()
            print(value, flush=True)
        if "--maintain" in options:
            broker.maintain()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
