"""Run a command and measure its whole process tree: wall time, CPU time, peak memory.

`python -m bench.measure -- COMMAND...` prints the measurement as JSON. Linux only: it reads /proc, and it
makes itself the parent of orphans, so that the CPU time of a JVM whose launcher has gone is counted too.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

SAMPLE_S = 0.02
TREE_EVERY = 5
PAGE = resource.getpagesize()
PR_SET_CHILD_SUBREAPER = 36


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a command cost. Times in seconds, memory in MB of 10^6 bytes (resident, summed over processes)."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    returncode: int
    timed_out: bool
    other_cpu_s: float  # CPU time that everything else on the machine used meanwhile


def measure(
    command: list[str], *, log: Path, timeout_s: float = 900, environment: dict[str, str] | None = None
) -> Measurement:
    """Run `command` with its output going to `log`, in a process group that is killed after `timeout_s`."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    busy, own, children = _machine_cpu_s(), time.process_time(), _reaped_cpu_s()
    began = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        sampler = _Sampler(process.pid)
        sampler.start()
        try:
            returncode, timed_out = process.wait(timeout_s), False
        except subprocess.TimeoutExpired:
            returncode, timed_out = -signal.SIGKILL, True
        finally:  # also when this program is told to stop
            wall = time.perf_counter() - began
            sampler.stop()
            _end_group(process.pid)
    cpu = _reaped_cpu_s() - children
    other = _machine_cpu_s() - busy - cpu - (time.process_time() - own)
    return Measurement(
        wall_s=round(wall, 3),
        cpu_s=round(cpu, 2),
        peak_mb=round(sampler.peak / 1e6, 1),
        returncode=returncode,
        timed_out=timed_out,
        other_cpu_s=round(max(0.0, other), 2),
    )


class _Sampler(threading.Thread):
    """Samples the resident memory of a process and all its descendants."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.peak = 0
        self._done = threading.Event()

    def run(self) -> None:
        turn, tree = 0, [self.root]
        while not self._done.wait(SAMPLE_S):
            if turn % TREE_EVERY == 0:
                tree = process_tree(self.root)
            self.peak = max(self.peak, sum(map(_resident, tree)))
            turn += 1

    def stop(self) -> None:
        """Stop sampling and wait for the thread."""
        self._done.set()
        self.join()


def process_tree(root: int) -> list[int]:
    """The ids of a process and of all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree, todo = [], [root]
    while todo:
        pid = todo.pop()
        tree.append(pid)
        todo.extend(children.get(pid, ()))
    return tree


def tree_cpu_s(root: int) -> float:
    """CPU seconds that the living processes of a tree have used."""
    ticks = sum(int(f[11]) + int(f[12]) for f in map(_stat, process_tree(root)) if f)
    return ticks / os.sysconf("SC_CLK_TCK")


def tree_resident_mb(root: int) -> float:
    """Resident memory of a tree, now, in MB of 10^6 bytes."""
    return sum(map(_resident, process_tree(root))) / 1e6


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None for a process that has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _reaped_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _machine_cpu_s() -> float:
    """CPU seconds that the whole machine has been busy since it started."""
    fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _end_group(group: int) -> None:
    """Kill what is left of a process group that we started, and collect every child that has ended."""
    with contextlib.suppress(ProcessLookupError):  # the usual case: nothing is left
        os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            return


if __name__ == "__main__":
    words = sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:]
    print(json.dumps(dataclasses.asdict(measure(words, log=Path("/dev/stderr")))))
