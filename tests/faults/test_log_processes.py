"""Several processes on one log: one writes, any number read, and the writer may be killed at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contracts.broker.rows import rows
from wayside.broker import EmbeddedBroker
from wayside.clock import SYSTEM

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[2]
KILLS = 6


@contextmanager
def writer(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A writing process that is ready; killed at the end, without mercy."""
    command = [sys.executable, "-m", "tests.faults.log_writer", str(folder), *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_second_writer_is_told_who_has_the_folder(tmp_path: Path) -> None:
    with writer(tmp_path, "0", "--hold") as first:
        command = [sys.executable, "-m", "tests.faults.log_writer", str(tmp_path), "0"]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 73
        assert f"process {first.pid}" in second.stderr
    with writer(tmp_path, "0", "--hold"):
        pass  # a lock that a killed process left behind holds nobody up


def test_a_fork_without_the_log_does_not_keep_the_lock(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    broker.close()
    EmbeddedBroker(tmp_path).close()
    child.kill()
    child.wait()


def told(process: subprocess.Popen[str], seconds: float) -> set[int]:
    """What the process says it was acknowledged, until it is killed after so many seconds."""
    assert process.stdout is not None
    threading.Timer(seconds, process.kill).start()
    return {int(line) for line in process.stdout if line.endswith("\n") and line.strip().isdigit()}


def values(broker: object, topic: str) -> list[int]:
    found: list[int] = []
    for info in broker.partitions(topic):  # type: ignore[attr-defined] # any broker
        offset = info.start
        while (batch := broker.read(topic, info.partition, offset)) is not None:  # type: ignore[attr-defined] # any broker
            numbers = [int(value) for value in batch.frame.get_column("value")]
            if topic == "readings" and numbers:
                low = min(numbers)
                known = rows(low, max(numbers) - low + 1, things=50)
                assert batch.frame.equals(known[[number - low for number in numbers]])
            found += numbers
            offset = batch.next
    return found


def test_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(7)
    acknowledged: set[int] = set()
    first = 0
    for round_ in range(KILLS):
        options = ["--maintain"] if round_ % 2 else []
        with writer(tmp_path, str(first), *options) as process:
            acknowledged |= told(process, chance.uniform(0.1, 1.0))
        began = SYSTEM.monotonic()
        broker = EmbeddedBroker(tmp_path)
        took = SYSTEM.monotonic() - began
        found = values(broker, "readings")
        assert len(found) == len(set(found)), "a record is there twice"
        for start in acknowledged:
            assert set(range(start, start + 20)) <= set(found), "an acknowledged record is lost"
        if acknowledged:
            newest = sorted(set(range(max(acknowledged) + 20)), reverse=True)[:3]
            assert set(newest) <= set(values(broker, "latest")) or max(values(broker, "latest")) > max(newest)
        assert broker.damage.entries() == []
        assert took < 5
        broker.close()
        first = max([*found, 0]) // 20 * 20 + 20
    assert len(acknowledged) > 20


def test_readers_in_other_processes_follow_without_gaps_or_false_alarms(tmp_path: Path) -> None:
    """While the writer rolls and compacts, a reader sees every row of one topic, and no damage in the other."""
    with writer(tmp_path, "0", "--maintain") as process:
        threading.Thread(target=lambda: list(process.stdout or []), daemon=True).start()
        reader = EmbeddedBroker.reader(tmp_path)
        positions = {("readings", 0): 0, ("readings", 1): 0, ("latest", 0): 0}
        seen: dict[tuple[str, int], list[int]] = {place: [] for place in positions}
        until = SYSTEM.monotonic() + 4
        while SYSTEM.monotonic() < until:
            assert reader.wait(positions, timeout=30)
            for (topic, partition), offset in positions.items():
                batch = reader.read(topic, partition, offset)
                if batch is not None:
                    assert batch.first >= offset
                    assert topic == "latest" or batch.first == offset
                    seen[topic, partition] += [int(value) for value in batch.frame.get_column("value")]
                    positions[topic, partition] = batch.next
        assert reader.damage.entries() == []
    both = seen["readings", 0] + seen["readings", 1]
    assert len(both) == len(set(both)) > 500
    assert all(numbers == sorted(numbers) for numbers in seen.values())
    again = EmbeddedBroker.reader(tmp_path)
    for topic in ("readings", "latest"):
        values(again, topic)
    assert again.damage.entries() == []
