"""Kill, restart, check, again and again, under load that never stops."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from tests.faults.checks import (
    Journal,
    LogCheck,
    check_lake,
    check_oracle,
    check_quarantine,
    check_results,
    eventually,
)
from tests.faults.clients import Client, EventClock
from tests.faults.process import Wayside

CLIENTS = 4
SPEED = 30.0
"""Seconds of event time in one of ours: a window closes every third of a second."""
UNREACHED = 10.0
"""Seconds after being ready in which a kill point may come; then the process is killed from outside."""
FIRST = 150.0
"""The same for the first call of something: everything comes to that, however busy the machine is."""
BUSY = {"lake_every": "300ms", "maintain_every": "200ms", "log_format": "json"}
OPTIONS: dict[str, list[Any]] = {
    "segment_bytes": [12 << 10, 48 << 10, 64 << 20],
    "max_rows": [40, 400, 400_000],
    "small_state": [0, 20_000],
    "snapshot_seconds": [0.3, 2.0],
    "wal_pages": [5, 40],
    "lake_upkeep": [1.0, 5.0],
}
"""Small files and short intervals, so that a kill often hits what is rare otherwise; drawn anew at each start."""


@dataclass
class Report:
    """What a storm has done and found."""

    seed: int
    kills: int = 0
    points: Counter[str] = field(default_factory=Counter)
    unreached: Counter[str] = field(default_factory=Counter)
    inside: Counter[str] = field(default_factory=Counter)
    early: int = 0
    hit: int = 0
    ready: list[float] = field(default_factory=list)
    ready_cpu: list[float] = field(default_factory=list)
    stop: float = 0.0
    lake: int = 0
    acknowledged: int = 0
    records: int = 0
    repeated: int = 0
    windows: int = 0
    replayed: int = 0
    seconds: float = 0.0

    def lines(self) -> str:
        """For people."""
        ready = sorted(self.ready)
        lines = [
            f"seed {self.seed}: {self.kills} kills in {self.seconds:.0f} s, {sum(self.points.values())} of them at "
            f"chosen points, {self.early} before it was ready, {self.hit} inside of checkpoint, compaction or lake "
            f"writing {dict(self.inside)}",
            f"{self.acknowledged:,} records acknowledged, {self.records:,} in the log, 0 lost, 0 twice, "
            f"{self.repeated:,} repetitions recognised",
            f"{self.windows:,} window rows, all as recomputed; {self.lake:,} rows in the lake, each once",
            f"ready after {ready[len(ready) // 2]:.2f} s (median), {ready[-1]:.2f} s (longest); processor time "
            f"{max(self.ready_cpu):.2f} s at most; at most {self.replayed:,} records run again; "
            f"clean stop in {self.stop:.1f} s",
            f"points {dict(self.points)}, not reached {dict(self.unreached)}",
        ]
        return "\n".join(lines)


class Storm:
    """One data folder, its clients, and a row of kills; `points` are kills at chosen places, the others random."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.report = Report(seed)
        self.wayside = Wayside(folder / "data", settings=dict(BUSY))
        clock = EventClock(SPEED)
        self.journals = [folder / f"client-{number}.jsonl" for number in range(CLIENTS)]
        self.clients = [
            Client(number, self.wayside.port, clock, self.journals[number], seed=seed, pause=0.04)
            for number in range(CLIENTS)
        ]
        self.log = LogCheck()

    def run(self, kills: int, points: Sequence[tuple[str, int]] = ()) -> Report:
        """Do it all. Raises AssertionError at the first thing that does not hold."""
        print(f"seed {self.report.seed}")
        began = time.monotonic()
        waiting = list(points)
        self.random.shuffle(waiting)
        try:
            self.wayside_up()
            for client in self.clients:
                client.start()
            for number in range(1, kills + 1):
                if self.report.kills >= kills:
                    break
                self.some_kills(kills - self.report.kills, waiting)
                self.wayside_up()
                eventually(lambda number=number: self.check(whole=number % 10 == 0))
            for client in self.clients:
                client.stop()
            eventually(lambda: self.check(whole=True, oracle=True))
            self.report.lake = eventually(lambda: check_lake(self.wayside, self.log.seen), 30)
            code, self.report.stop = self.wayside.stop()
            assert code == 0
            self.report.seconds = time.monotonic() - began
            self.report.ready, self.report.ready_cpu = self.wayside.ready_seconds, self.wayside.ready_cpu
        finally:
            for client in self.clients:
                client.stopping.set()
            self.wayside.kill()
        return self.report

    def stops(self, number: int) -> list[float]:
        """SIGTERM under load, again and again; returns the seconds that each took. No start has anything to redo."""
        seconds = []
        try:
            self.wayside_up()
            for client in self.clients:
                client.start()
            for _ in range(number):
                time.sleep(self.random.uniform(0.3, 1.5))
                code, took = self.wayside.stop()
                assert code == 0, self.wayside.tail()
                seconds.append(took)
                self.wayside_up()
                assert self.wayside.events("engine recovered")[-1]["replayed"] == 0
                eventually(lambda: self.check(whole=False))
            for client in self.clients:
                client.stop()
        finally:
            for client in self.clients:
                client.stopping.set()
            self.wayside.kill()
        return seconds

    def some_kills(self, left: int, waiting: list[tuple[str, int]]) -> None:
        """Kill the running process at a random moment; often its successor, too, before anything is checked."""
        time.sleep(self.random.uniform(0.05, 1.5))
        self.note(None, self.wayside.kill())
        if left < 2:
            return
        if waiting and (2 * len(waiting) >= left - 1 or self.random.random() < 0.5):
            self.wayside.faults = {name: values[0] for name, values in OPTIONS.items()}  # where all comes soonest
            point = waiting.pop()
            self.wayside.spawn(kill=point)
            self.await_death(FIRST if point[1] == 1 else UNREACHED)
            reached = not self.wayside.alive()
            self.note(point, self.wayside.kill(), reached=reached)
        elif self.random.random() < 0.3:
            self.draw_options()
            self.wayside.spawn()
            time.sleep(self.random.uniform(0.0, 3.0))
            self.report.early += 1
            self.note(None, self.wayside.kill())

    def await_death(self, seconds: float) -> None:
        """Wait until a kill point was reached, for so long after being ready."""
        if self.wayside.wait_ready() is None:
            return
        until = time.monotonic() + seconds
        while self.wayside.alive() and time.monotonic() < until:
            time.sleep(0.01)

    def note(self, point: tuple[str, int] | None, inside: dict[str, int], *, reached: bool = True) -> None:
        report = self.report
        report.kills += 1
        if point is not None:
            (report.points if reached else report.unreached)[f"{point[0]}:{point[1]}"] += 1
        report.inside.update(inside.keys())
        report.hit += bool(inside.keys() & {"checkpoint", "compaction", "lake", "walcheckpoint"})

    def wayside_up(self) -> None:
        self.draw_options()
        self.wayside.start()

    def draw_options(self) -> None:
        self.wayside.faults = {name: self.random.choice(values) for name, values in OPTIONS.items()}

    def check(self, *, whole: bool, oracle: bool = False) -> None:
        """The clients go on meanwhile, so they are held while the answers are compared."""
        for client in self.clients:
            client.hold.acquire()
        try:
            journal = Journal.read(self.journals)
            rows = self.log.run(self.wayside, journal, whole=whole)
            windows = eventually(lambda: check_results(self.wayside, rows), 5)
            check_quarantine(self.wayside, journal)
            if oracle:
                check_oracle(rows, windows)
            self.count(journal, rows, windows)
        finally:
            for client in self.clients:
                client.hold.release()

    def count(self, journal: Journal, rows: pl.DataFrame, windows: pl.DataFrame) -> None:
        report = self.report
        report.acknowledged, report.records = len(journal.acknowledged), rows.height
        report.repeated, report.windows = journal.repeated, windows.height
        recovered = self.wayside.events("engine recovered")
        report.replayed = max((entry["replayed"] for entry in recovered), default=0)
