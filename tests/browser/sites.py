"""Wayside as a process of its own, as a person starts it, and what tests need to talk to it and to look at it."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "test-results" / "browser"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
MOMENT = r"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d"
"""A moment as the page writes it: with its day where that is not today, as of what was before midnight."""


@dataclass
class Site:
    """A running `wayside demo` or `wayside up` with a data folder of its own."""

    folder: Path
    command: tuple[str, ...]
    port: int = 0
    url: str = ""
    started_in: float = 0.0
    process: subprocess.Popen[str] | None = None
    output: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Start, and wait for the line with the address."""
        began = time.monotonic()
        known = {name: value for name, value in os.environ.items() if not name.startswith("WAYSIDE_")}
        environment = {**known, "XDG_DATA_HOME": str(self.folder), "PYTHONUNBUFFERED": "1"}
        program = Path(sys.executable).with_name("wayside")
        self.process = subprocess.Popen(
            [program, *self.command, "--port", str(self.port)],
            cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        found = threading.Event()
        threading.Thread(target=self._listen, args=(self.process, found), daemon=True).start()
        if not found.wait(40) or not self.url:
            self.kill()
            raise AssertionError("wayside did not start:\n" + "".join(self.output[-40:]))
        self.port = int(self.url.rsplit(":", 1)[1])
        self.started_in = time.monotonic() - began

    def _listen(self, process: subprocess.Popen[str], found: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)
            if match := ADDRESS.search(line):
                self.url = match[0]
                found.set()
        found.set()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def get(self, path: str, **parameters: Any) -> Any:
        """A JSON answer."""
        answer = httpx2.get(self.url + path, params=parameters, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def post(self, readings: list[dict[str, Any]]) -> None:
        """Readings into the log, and wait until the table has them all."""
        answer = httpx2.post(f"{self.url}/v1/topics/processed_messages/records", json=readings, timeout=20)
        assert answer.status_code == 202, answer.text
        accepted = answer.json()
        assert accepted["accepted"] == len(readings), accepted
        last = readings[-1]
        wait_for(lambda: self._has(last), "the reading reaches the table")

    def _has(self, reading: dict[str, Any]) -> bool:
        keys = {name: reading[name] for name in ("device_id", "sensor")}
        frame = self.get("/v1/tables/device_latest", **keys)
        at = [column["name"] for column in frame["columns"]].index("timestamp")
        return any(row[at] >= reading["timestamp"][:23] for row in frame["rows"])


def reading(
    device: str, value: float, *, ago: float = 0.0, sensor: str = "temperature", unit: str = "Cel"
) -> dict[str, Any]:
    """A reading that was measured so many seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    text = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
    return {"device_id": device, "timestamp": text, "sensor": sensor, "value": value, "unit": unit}


def clock_of(at: datetime, zone: str) -> str:
    """What a clock of a zone shows at an instant."""
    return f"{at.astimezone(ZoneInfo(zone)):%H:%M:%S}"


def readings(at: datetime, zone: str, *, before: float = 0, after: float = 0) -> set[str]:
    """What a clock of a zone shows from so many seconds before an instant until so many after it.

    With seconds and without. Who looks a reading up here need not know of midnight, nor of clocks that are changed.
    """
    begin, span = at - timedelta(seconds=before), math.ceil(before + after)
    shown = {clock_of(begin + timedelta(seconds=second), zone) for second in range(span + 1)}
    return shown | {reading[:5] for reading in shown}


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 15.0) -> Any:
    """The first true answer of a condition."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds:g} s")


def serious_findings(page: Page) -> list[str]:
    """What axe-core finds on the page, in words, apart from what it calls minor. The page must bypass its policy."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical", "moderate")
    ]


@contextmanager
def running(folder: Path, *command: str) -> Iterator[Site]:
    """A site for the length of a block."""
    site = Site(folder, command)
    site.start()
    try:
        yield site
    finally:
        site.stop()


@dataclass
class Watched:
    """A page, and everything that went wrong in it."""

    page: Page
    context: BrowserContext
    troubles: list[str] = field(default_factory=list)

    def hear(self, said: ConsoleMessage) -> None:
        """Errors of the console count, with the address that they are about."""
        if said.type == "error":
            self.troubles.append(f"console: {said.text} {said.location.get('url', '')}")

    def forgive(self, *texts: str) -> None:
        """Troubles that a test has made on purpose."""
        self.troubles = [line for line in self.troubles if not any(text in line for text in texts)]


VIOLATIONS = """
addEventListener('securitypolicyviolation', (event) => {
  console.error('CSP violation: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample);
});
"""


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Watched]:
    """A page in a context of its own. At the end, nothing may have gone wrong in it unless the test says so."""
    options.setdefault("viewport", DESKTOP)
    context = browser.new_context(**options)
    context.add_init_script(VIOLATIONS)
    page = context.new_page()
    watched = Watched(page, context)
    page.on("pageerror", lambda error: watched.troubles.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (watched.troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("console", watched.hear)
    try:
        page.goto(url)
        yield watched
    finally:
        context.close()
    assert not watched.troubles, watched.troubles


def shot(page: Page, name: str) -> None:
    """A picture for human eyes, in a folder that git ignores."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def rows_shown(page: Page) -> list[list[str]]:
    """The cells of the windows' table, as they are read."""
    script = "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    return page.locator("article table tbody tr:not([aria-hidden])").evaluate_all(script)
