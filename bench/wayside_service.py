"""What a user feels: how long the command line and the server take to answer, post to live, memory of the demo.

`python bench/wayside_service.py [--seconds N]` prints a table of goal and measured, and with `--write` puts it into
docs/performance.md. Goals are those of the design; latencies are wall time on loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import report
from bench.ingest.servers import free_port

WAYSIDE = [str(Path(sys.executable).with_name("wayside"))]
RATE = 50
THING = "bench-live"


@contextlib.contextmanager
def running(arguments: list[str]) -> Iterator[tuple[str, float, int]]:
    """A command of Wayside in a folder of its own: address, seconds until it answered that it is ready, process id."""
    folder, port = tempfile.mkdtemp(prefix="wayside-bench-"), free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {"WAYSIDE_DATA_DIR": folder, "WAYSIDE_PORT": str(port), "XDG_DATA_HOME": folder}
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [*WAYSIDE, *arguments], env=environment, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        while time.perf_counter() - began < 60:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=5):
                break
            time.sleep(0.01)
        yield url, time.perf_counter() - began, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def help_seconds(runs: int = 5) -> float:
    """Median wall time of `wayside --help`."""
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run([*WAYSIDE, "--help"], stdout=subprocess.DEVNULL, check=True)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def memory_mb(group: int) -> float:
    """Resident memory of every process of a group, in MB of 10^6 bytes."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                total += int(stat.with_name("statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return total / 1e6


class Listener(threading.Thread):
    """Reads the live stream and notes when each value of one thing arrived."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.stream = urllib.request.urlopen(f"{url}/v1/live?tables=device_latest", timeout=60)
        self.seen: dict[float, float] = {}

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self.stream:
                now = time.perf_counter()
                if line.startswith(b"data:") and THING.encode() in line:
                    self.note(json.loads(line[5:]), now)

    def note(self, event: dict, now: float) -> None:
        """Remember the first sight of each value."""
        frame = event["tables"]["device_latest"]
        names = [column["name"] for column in frame["columns"]]
        for row in frame["rows"]:
            values = dict(zip(names, row, strict=True))
            if values["device_id"] == THING:
                self.seen.setdefault(values["value"], now)


def live_seconds(url: str, seconds: float) -> list[float]:
    """Post at a constant rate over one connection; seconds from each post to its sight on the live stream."""
    listener = Listener(url)
    listener.start()
    time.sleep(1.0)
    host, _, port = url.removeprefix("http://").partition(":")
    sent: dict[float, float] = {}
    begin = time.perf_counter()
    with socket.create_connection((host, int(port))) as connection:
        for number in range(int(seconds * RATE)):
            time.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
            value = number / 100
            body = json.dumps({"tag": "Thermostat", "device_id": THING, "temperature": value, "timestamp": stamp()})
            head = f"POST /api/v1/device HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            sent[value] = time.perf_counter()
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            answer = connection.recv(65536)
            if b" 200 " not in answer[:16]:
                raise SystemExit(f"bench: a post was refused: {answer[:200]!r}")
    time.sleep(2.0)
    # A value that a newer one overtook within one commit was never shown by itself; the newer one shows it.
    shown = sorted((value, at) for value, at in listener.seen.items() if value in sent)
    return [
        min(at for later, at in shown if later >= value) - sent[value]
        for value in sent
        if shown and value <= shown[-1][0]
    ]


def stamp() -> str:
    """This moment as ISO 8601."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def rows(seconds: float) -> list[tuple[str, str, str, bool]]:
    """Work, goal, measured, kept."""
    found = []
    took = help_seconds()
    found.append(("`wayside --help`, median of 5", "≤ 0.5 s", f"{took:.2f} s", took <= 0.5))
    with running(["up"]) as (url, start, _):
        found.append(("`wayside up` until /readyz says ready", "≤ 3 s", f"{start:.2f} s", start <= 3))
        delays = live_seconds(url, seconds)
        median, tail = percentile(delays, 0.5) * 1e3, percentile(delays, 0.99) * 1e3
        text = f"p50 {median:.0f} ms, p99 {tail:.0f} ms ({len(delays)} posts)"
        found.append((f"posted to visible on the live stream, {RATE} posts/s", "p99 ≤ 150 ms", text, tail <= 150))
    with running(["demo"]) as (_, start, pid):
        time.sleep(max(20.0, seconds))
        used = memory_mb(pid)
        found.append(("memory of `wayside demo`, all processes", "≤ 500 MB", f"{used:.0f} MB", used <= 500))
    return found


def main() -> None:
    """Measure, print, and write when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    lines = ["| work | goal | measured | |", "|---|---|---|---|"]
    lines += [
        f"| {work} | {goal} | {text} | {'kept' if ok else 'missed'} |" for work, goal, text, ok in rows(asked.seconds)
    ]
    text = "\n".join(lines)
    print(text)
    if asked.write:
        report.write_section("service", text)


if __name__ == "__main__":
    main()
