"""`wayside up` as a process of its own: started, asked, killed, started again."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from tests.faults.launch import REGIONS

LAUNCH = Path(__file__).with_name("launch.py")
READY = "Wayside is ready at"
PATIENCE = 60.0
"""Seconds after which a start counts as failed, whatever the machine is busy with."""


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Reply:
    """Status, headers and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def frame(self) -> pl.DataFrame:
        """The body of an answer that was asked for as Arrow."""
        assert self.status == 200, self.body[:500]
        return pl.read_ipc_stream(io.BytesIO(self.body))


@dataclass
class Wayside:
    """One data folder and the process that runs on it. `faults` is what `launch` is told, `aside` where its logs go."""

    folder: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = (sys.executable, str(LAUNCH))
    wrapper: tuple[str, ...] = ()
    aside: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    began: float = 0.0
    ready_seconds: list[float] = field(default_factory=list)
    ready_cpu: list[float] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """What all processes so far have written to stderr."""
        return (self.aside or self.folder.parent) / f"{self.folder.name}.log"

    @property
    def out(self) -> Path:
        return (self.aside or self.folder.parent) / f"{self.folder.name}.out"

    @property
    def marks(self) -> Path:
        return (self.aside or self.folder.parent) / f"{self.folder.name}.marks"

    def spawn(self, *, kill: tuple[str, int] | None = None) -> None:
        """Start a process, in a group of its own, and do not wait for it."""
        faults = {**self.faults, "marks": str(self.marks), **({"kill": kill} if kill else {})}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WAYSIDE_")}
        environment |= {f"WAYSIDE_{name.upper()}": value for name, value in self.settings.items()}
        environment |= {"FAULTS": json.dumps(faults), "PYTHONUNBUFFERED": "1"}
        place = ["--data-dir", str(self.folder), "--port", str(self.port), "--domains", "devices"]
        self.starts += 1
        self.began = time.monotonic()
        with self.out.open("wb") as out, self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, *self.command, "up", *place],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )

    def wait_ready(self, patience: float = PATIENCE) -> float | None:
        """Seconds from the start to the line that says it is ready; null when the process died before."""
        until = self.began + patience
        while time.monotonic() < until:
            if READY in self.out.read_text(errors="replace"):
                self.ready_seconds.append(time.monotonic() - self.began)
                self.ready_cpu.append(self.cpu())
                return self.ready_seconds[-1]
            if not self.alive():
                return None
            time.sleep(0.01)
        raise AssertionError(f"not ready after {patience} s; its log ends: {self.tail()}")

    def start(self) -> float:
        """Start, and wait until it is ready."""
        self.spawn()
        seconds = self.wait_ready()
        assert seconds is not None, f"it ended with {self.code()}: {self.tail()}"
        return seconds

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def code(self) -> int | None:
        """The exit code, once it has ended."""
        return None if self.process is None else self.process.poll()

    def cpu(self) -> float:
        """Seconds of processor that the process has used: what a start costs on a machine that others use, too."""
        assert self.process is not None
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def kill(self) -> dict[str, int]:
        """`kill -9` of the whole group; returns how many threads were inside of each region."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return self.regions()

    def regions(self) -> dict[str, int]:
        """Where the dead process was."""
        found = self.marks.read_bytes() if self.marks.exists() else b""
        return {region: number for region, number in zip(REGIONS, found, strict=False) if number}

    def stop(self, patience: float = 30.0) -> tuple[int, float]:
        """SIGTERM; returns the exit code and how many seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(patience)
        return code, time.monotonic() - began

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def events(self, word: str) -> list[dict[str, Any]]:
        """Lines of the log whose event contains a word."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if word in str(entry.get("event", "")):
                    found.append(entry)
        return found

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def post(self, rows: Any, *, topic: str = "processed_messages", key: str | None = None) -> Reply:
        """Post records as JSON."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        return self.ask("POST", f"/v1/topics/{topic}/records", json.dumps(rows).encode(), headers)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry the labels."""
        total = 0.0
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(name) and all(f'{label}="{value}"' in line for label, value in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total


@contextlib.contextmanager
def running(folder: Path, **named: Any) -> Iterator[Wayside]:
    """A process that is ready, and dead when the block ends."""
    wayside = Wayside(folder, **named)
    try:
        wayside.start()
        yield wayside
    finally:
        if wayside.process is not None:
            wayside.kill()
