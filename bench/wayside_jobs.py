"""Jobs A, B and C on Wayside's embedded engine: bytes into the log, parsed, validated, computed, committed.

Nothing here is special to the bench but the declarations: intake, log, engine and store are those of `wayside up`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from wayside.adapters import HttpPush
from wayside.adapters.intake import FeedIntake
from wayside.broker import EmbeddedBroker
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Domain, Plan, Topic, count, maximum, mean, minimum
from wayside.hot.sqlite import SqliteStore
from wayside.quarantine import QUARANTINE
from wayside.quarantine import SPEC as QUARANTINE_SPEC
from wayside.record import Record
from wayside.values import Receipt

FIRST = datetime(2000, 1, 1, tzinfo=UTC)
FIRST_MESSAGE = datetime(2023, 3, 28, 19, 59, tzinfo=UTC)
SPAN = timedelta(seconds=10)
AGGREGATES = {
    "count": count(),
    "average": mean("value"),
    "minimum": minimum("value"),
    "maximum": maximum("value"),
}
BLOCK = 4_000_000
LINE = 4_096
"""Bytes in which the end of a line is looked for."""
AHEAD = 3
"""Blocks that may be on their way into the log at once."""


class Message(Record, key="device_id", time="timestamp"):
    """One reading of one sensor of one device."""

    device_id: str
    timestamp: datetime
    sensor: str
    value: float


class Device(Record, key="device_id", time="since"):
    """Where a device stands."""

    device_id: str
    region: str
    since: datetime


class Placed(Record, key=("region", "sensor"), time="timestamp"):
    """A reading with the region of its device."""

    region: str
    timestamp: datetime
    sensor: str
    value: float


def declare(job: str) -> tuple[Plan, Topic]:
    """The plan of a job, and the topic that the messages go to."""
    messages = Topic("messages", Message)
    messages.feed("push", HttpPush())
    if job == "A":
        node = messages.window("result", by=["device_id", "sensor"], every="10s", lateness="5s", **AGGREGATES)
        return Plan.of([Domain("bench", "Bench", [node])]), messages
    if job == "B":
        return Plan.of([Domain("bench", "Bench", [messages.table("result", by=["device_id", "sensor"])])]), messages
    places = Topic("devices", Device).table("places")
    placed = messages.join("placed", places, on=["device_id"], into=Placed)
    node = placed.window("result", by=["region", "sensor"], every="10s", lateness="5s", **AGGREGATES)
    return Plan.of([Domain("bench", "Bench", [node, places])]), messages


def blocks(path: Path, size: int) -> Iterator[bytes]:
    """The file in pieces that end at a line's end: each is read as it is, so that nothing is copied once more."""
    with path.open("rb", buffering=0) as file:
        start, length = 0, path.stat().st_size
        while start < length:
            end = start + size
            while end < length:
                ahead = os.pread(file.fileno(), LINE, end)
                cut = ahead.find(b"\n") + 1
                end += cut or len(ahead)
                if cut:
                    break
            block = os.pread(file.fileno(), min(end, length) - start, start)
            yield block
            start += len(block)


class Run:
    """One job over one data folder."""

    def __init__(self, job: str, folder: Path) -> None:
        self.job = job
        self.plan, self.topic = declare(job)
        self.broker = EmbeddedBroker(folder / "log")
        self.store = SqliteStore(folder / "hot.db")
        for topic in self.plan.topics.values():
            self.broker.create(topic.spec)
        self.broker.create(QUARANTINE_SPEC)
        self.store.ensure(
            [table.spec for table in self.plan.tables.values()], [w.spec for w in self.plan.windows.values()]
        )
        self.engine = EmbeddedEngine(self.plan, self.broker, self.store)
        self.intake = FeedIntake(self.topic.feeds[0], self.broker)

    def load_devices(self, path: Path) -> None:
        """The device table of job C, known before the first message."""
        if self.job != "C":
            return
        devices = pl.read_csv(path, schema={"device_id": pl.String, "region": pl.String})
        frame = devices.with_columns(pl.lit(FIRST).cast(pl.Datetime("us", "UTC")).alias("since"))
        self.broker.append("devices", frame).result()

    def ingest(self, path: Path, size: int) -> None:
        """Hand the bytes over, a few blocks ahead of the log."""
        flying: deque[Future[Receipt]] = deque()
        for block in blocks(path, size):
            flying.append(self.intake.submit_block(block))
            if len(flying) > AHEAD:
                flying.popleft().result()
        for future in flying:
            future.result()

    def settle(self) -> None:
        """Wait until the engine has committed everything that the log holds."""
        ends = {("messages", info.partition): info.end for info in self.broker.partitions("messages")}
        while True:
            checkpoint = self.store.checkpoint("engine")
            if checkpoint and all(checkpoint.positions.get(place, 0) >= end for place, end in ends.items()):
                return
            if self.engine.failure:
                raise self.engine.failure
            time.sleep(0.002)

    def export(self, path: Path) -> None:
        """The job's rows as the bench compares them, ten seconds at a time to keep memory low."""
        if self.job == "B":
            rows = self.store.table("result", limit=10_000_000)
            rows.select("device_id", "sensor", "timestamp", "value").write_parquet(path)
            return
        spec = self.plan.windows["result"].spec
        empty = pl.DataFrame(schema=spec.schema).select("window_start", *spec.by, *spec.outputs()).to_arrow()
        with pq.ParquetWriter(path, empty.schema) as writer:
            for start in self.starts():
                rows = self.store.windows("result", start, start + SPAN)
                writer.write_table(rows.select("window_start", *spec.by, *spec.outputs()).to_arrow().cast(empty.schema))

    def starts(self) -> Iterator[datetime]:
        """Every span that the messages may lie in."""
        times = [node.last_record for node in self.engine.status() if node.last_record is not None]
        start = FIRST_MESSAGE
        while start <= max(times):
            yield start
            start += SPAN


def main() -> None:
    """Run a job as bench/README.md says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", choices="ABC", required=True)
    for name in ("--input", "--out", "--summary"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--mode", choices=["json", "log"], default="json")
    parser.add_argument("--batch-bytes", type=int, default=BLOCK)
    asked = parser.parse_args()
    folder = asked.out.parent / "wayside-data"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run = Run(asked.job, folder)
    run.load_devices(asked.input.parent / "devices.csv")
    if asked.mode == "log":
        run.ingest(asked.input, asked.batch_bytes)
    begun = time.perf_counter()
    run.engine.start()
    if asked.mode == "json":
        run.ingest(asked.input, asked.batch_bytes)
    run.settle()
    loop = time.perf_counter() - begun
    run.engine.stop()
    run.export(asked.out)
    late = sum(node.late for node in run.engine.status())
    rejects = sum(info.end - info.start for info in run.broker.partitions(QUARANTINE))
    asked.summary.write_text(json.dumps({"loop_s": round(loop, 3), "rejects": rejects, "late": late}))


if __name__ == "__main__":
    main()
