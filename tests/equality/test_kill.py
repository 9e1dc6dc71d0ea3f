"""The driver of Spark is killed in the middle of micro-batches, again and again: no row is lost, none comes twice.

How long a new driver took until its first micro-batch had ended is printed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from tests.equality import driver
from tests.equality.job_a import plan_of, recorded
from tests.equality.worlds import BareKafka, copied, differences, embedded, prepared, rows_of
from wayside.dataflow.steps import WindowStep, unpacked
from wayside.hot.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.servers, pytest.mark.timeout(1500)]


class Driver:
    """A running driver and what it says."""

    def __init__(self, servers: str, topic: str, partitions: int, folder: Path) -> None:
        command = [sys.executable, "-m", driver.__name__, servers, topic, str(partitions), str(folder)]
        paths = os.pathsep.join([str(ROOT), str(ROOT / "scripts")])
        self.errors = (folder / "driver.log").open("ab")
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,
        )
        self.said: list[str] = []
        self.began = time.monotonic()
        self.first: float | None = None
        self.children: list[psutil.Process] = []
        self.reader = threading.Thread(target=self._listen, daemon=True)
        self.reader.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.strip())
            if self.first is None and line.startswith("end"):
                self.first = time.monotonic() - self.began

    def wait_for_batches(self, number: int) -> bool:
        """Wait until so many micro-batches have begun; false when the driver came to its end before."""
        until = time.monotonic() + 180
        while time.monotonic() < until:
            if sum(line.startswith("begin") for line in list(self.said)) >= number:
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.01)
        raise AssertionError(f"no micro-batch began; the driver said {self.said}")

    def kill(self) -> None:
        """Kill the driver alone; what it started has to end by itself."""
        self.children = psutil.Process(self.process.pid).children(recursive=True)
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        _, left = psutil.wait_procs(self.children, timeout=60)
        for process in left:
            process.kill()
        assert not left, f"left behind: {left}"

    def end(self) -> None:
        """Wait for the end of the topic."""
        try:
            assert self.process.wait(300) == 0
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.reader.join(10)
            self.errors.close()
        assert self.said[-1] == "done"


def killed(kafka: Any, folder: Path, topic: str, *, kills: int, number: int, seed: int) -> None:
    """Kill drivers at random moments of random micro-batches, let the last one finish, and compare."""
    dice = random.Random(seed)
    plan = plan_of(topic, 2)
    broker, store, engine = embedded(plan, recorded(topic, 2, number), folder / "embedded")
    expected = rows_of(plan, broker, store, engine)
    log = BareKafka(kafka.servers, plan)
    log.produce(copied(broker, plan))
    place = folder / "cluster"
    place.mkdir()
    struck, took = 0, []
    for _ in range(kills):
        running = Driver(kafka.servers, topic, 2, place)
        if not running.wait_for_batches(dice.choice([1, 2, 2, 3])):
            break
        time.sleep(dice.random() * 0.6)
        files = {path.name.partition("-")[0] for path in (place / "scratch" / str(running.process.pid)).iterdir()}
        assert files >= {"blockmgr", "spark"}, "what Spark puts down lies elsewhere"
        running.kill()
        struck += 1
        took += [running.first] if running.first is not None else []
    last = Driver(kafka.servers, topic, 2, place)
    last.end()
    assert [path.name for path in (place / "scratch").iterdir()] == [str(last.process.pid)]
    print("seconds from start to the end of the first micro-batch: " + ", ".join(f"{one:.1f}" for one in took))
    assert struck == kills, "the topic is too short for so many kills"
    found = prepared(SqliteStore(place / "hot.sqlite"), plan)
    rows = rows_of(plan, log, found, Stored(found, plan))
    expected.pop("quarantine")
    rows.pop("quarantine")
    assert differences(expected, rows) == []
    for name in plan.windows:
        _, ever = found.windows_after(name, -1, max_rows=10_000_000)
        assert ever.height == expected[f"closed {name}"].height, "a window was stored twice"


class Stored:
    """Open windows as the last checkpoint holds them."""

    def __init__(self, store: SqliteStore, plan: Any) -> None:
        self.store, self.plan = store, plan

    def open_windows(self, name: str) -> pl.DataFrame:
        checkpoint = self.store.checkpoint("engine")
        assert checkpoint is not None
        assert checkpoint.state is not None
        assert checkpoint.state_positions == checkpoint.positions
        step = WindowStep(self.plan.windows[name])
        step.operator.load(unpacked(checkpoint.state[f"window:{name}"]))
        return step.operator.peek(step.operator.frames())


def test_two_kills(kafka: Any, tmp_path: Path) -> None:
    killed(kafka, tmp_path, "twokills", kills=2, number=24_000, seed=1)


@pytest.mark.slow
def test_twenty_kills(kafka: Any, tmp_path: Path) -> None:
    killed(kafka, tmp_path, "twentykills", kills=20, number=400_000, seed=2)
