"""A process with sources is killed, things vanish while it is away, and after the restart they are gone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.adapters.strangers import Handler, Stranger, until

pytestmark = pytest.mark.faults
SCRIPT = Path(__file__).parent / "source_life.py"


class World:
    """What two strangers hold: one is polled for GTFS-Realtime as JSON, one tells events of MBTA's V3 API."""

    def __init__(self) -> None:
        self.polled: list[str] = []
        self.streamed: list[str] = []

    def document(self, handler: Handler) -> None:
        now = int(time.time())
        entities: list[dict[str, Any]] = [
            {
                "id": name,
                "vehicle": {"vehicle": {"id": name}, "position": {"latitude": 1, "longitude": 2}, "timestamp": now},
            }
            for name in self.polled
        ]
        header = {"gtfs_realtime_version": "2.0", "incrementality": 0, "timestamp": now}
        handler.give(200, json.dumps({"header": header, "entity": entities}).encode())

    def events(self, handler: Handler) -> None:
        told = {"updated_at": datetime.now(UTC).isoformat(), "latitude": 1.0, "longitude": 2.0}
        objects = [{"id": name, "type": "vehicle", "attributes": told} for name in self.streamed]
        handler.stream(b"event: reset\ndata: " + json.dumps(objects).encode() + b"\n\n", hold=60)


class Life:
    """The process, until it is killed."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.told() == "ready"

    def told(self) -> str:
        """The next line that is no log."""
        assert self.process.stdout is not None
        line = next(line for line in self.process.stdout if line.startswith("told "))
        return line.removeprefix("told ").strip()

    def table(self) -> list[list[str]]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: list[list[str]] = json.loads(self.told())
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def test_what_vanished_while_it_was_away_is_gone(tmp_path: Path) -> None:
    world = World()
    world.polled, world.streamed = ["a", "b", "c"], ["k", "l", "m"]
    with Stranger(world.document) as polled, Stranger(world.events) as streamed:
        arguments = (str(tmp_path / "data"), polled.url, streamed.url)
        life = Life(*arguments)
        all_six = [["p", name] for name in "abc"] + [["s", name] for name in "klm"]
        until(lambda: life.table() == all_six, 60)
        life.kill()
        world.polled, world.streamed = ["b", "d"], ["m", "n"]
        life = Life(*arguments)
        left = [["p", "b"], ["p", "d"], ["s", "m"], ["s", "n"]]
        until(lambda: life.table() == left, 60)
        life.kill()
        world.polled, world.streamed = [], []
        life = Life(*arguments)
        until(lambda: life.table() == [], 60)
        life.kill()
