"""A `wayside` process that a test starts, asks, kills and starts again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

READY = "Wayside is ready at "
PATIENCE = 30.0


def command(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `wayside` to its end."""
    return subprocess.run(
        [sys.executable, "-c", "from wayside.cli import main; main()", *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


class Running:
    """A server in a process of its own; its output is collected line by line."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None, ready: str = READY) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from wayside.cli import main; main()", *arguments],
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for stream, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.errors)):
            threading.Thread(target=collect, args=(stream, lines), daemon=True).start()
        line = wait_for(lambda: next((line for line in self.lines if ready in line), None) or self.ended())
        assert isinstance(line, str), f"ended with {self.process.returncode}: {''.join(self.errors)}"
        self.address = next(word for word in line.split() if word.startswith("http://")).rstrip("/,")

    def ended(self) -> bool:
        return self.process.poll() is not None

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(self.address + path, data, {"content-type": kind})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def rows(self, path: str) -> list[dict[str, Any]]:
        """A frame's rows as objects."""
        frame = self.get(path)
        names = [column["name"] for column in frame["columns"]]
        return [dict(zip(names, row, strict=True)) for row in frame["rows"]]

    def kill(self) -> None:
        """As a power cut would end it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask for a clean end, and return the exit code."""
        if not self.ended():
            self.process.send_signal(number)
        return self.process.wait(15)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.ended():
            self.kill()


def collect(stream: Any, lines: list[str]) -> None:
    lines.extend(stream)  # one by one, as they come


def wait_for(found: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """The first truthy answer; fails after `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def events(address: str, path: str) -> Iterator[tuple[str, Any]]:
    """Server-sent events as (name, data)."""
    request = urllib.request.Request(address + path, headers={"accept": "text/event-stream"})
    with urllib.request.urlopen(request, timeout=15) as answer:
        name, data = "message", ""
        for raw in answer:
            line = raw.decode().rstrip("\n")
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data += line[5:].strip()
            elif not line and data:
                yield name, json.loads(data)
                name, data = "message", ""


def up(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Running:
    """`wayside up` on a free port, over a folder of the test's own."""
    return Running("up", "--port", "0", "--data-dir", str(folder / "data"), *arguments, env=env)
