"""The made city as a running server: everything moves, and its past is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from browser.sites import ROOT
from made_city import calls, fixes, plan, routes
from server_site import Site
from wayside.server.background import PLAIN, Background

PAGES = ROOT / "src" / "wayside" / "web" / "dist"


class City:
    """A server with so many things on so many lines, each of which speaks every few seconds until it is told not to."""

    def __init__(self, site: Site, things: int, lines: int, every: float) -> None:
        self.site = site
        self.things = things
        self.every = every
        self.routes = routes(lines)
        self.url = site.base
        self._ended = threading.Event()
        self._silent = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)

    def start(self, past: timedelta) -> None:
        """Fill the past, then speak on."""
        now = datetime.now(UTC)
        step = timedelta(seconds=20)
        at = now - past
        while at < now:
            self.say(at)
            at += step
        self.say(datetime.now(UTC))
        self._thread.start()

    def say(self, at: datetime, **changes: Any) -> None:
        """Every thing says where it is at an instant."""
        rows = [{**row, **changes} for row in fixes(self.routes, self.things, at)]
        self.post("spots", rows)

    def post(self, topic: str, rows: list[dict[str, Any]]) -> None:
        """Records into a topic, in parts that the server takes."""
        for start in range(0, len(rows), 2_500):
            answer = self.site.post(rows[start : start + 2_500], f"/v1/topics/{topic}/records")
            assert answer.status_code == 202, answer.text

    def hush(self) -> None:
        """Nothing is said from now on."""
        self._silent.set()
        time.sleep(0.2)

    def _speak(self) -> None:
        turn = 0
        while not self._ended.wait(self.every if turn else 0):
            if self._silent.is_set():
                continue
            now = datetime.now(UTC)
            self.say(now)
            if turn % 5 == 0 and self.things <= 500:
                self.post("due", calls(self.routes, self.things, now))
            turn += 1

    def stop(self) -> None:
        """End the talking."""
        self._ended.set()
        self._thread.join(20)


@contextmanager
def moving_city(
    things: int = 24,
    lines: int = 4,
    every: float = 5.0,
    past: timedelta = timedelta(minutes=20),
    *,
    pages: Path = PAGES,
    background: Background = PLAIN,
    **options: str,
) -> Iterator[City]:
    """A city for the length of a block."""
    with Site(pages=pages, plan=plan(lines, **options), background=background) as site:
        city = City(site, things, lines, every)
        city.start(past)
        try:
            yield city
        finally:
            city.stop()


if __name__ == "__main__":
    with moving_city() as shown:
        print(shown.url, flush=True)
        time.sleep(3600)
