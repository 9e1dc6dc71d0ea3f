"""Starts Wayside as its command does, with small files and short intervals, and lets it die where it is told to.

The environment variable FAULTS holds JSON:

    segment_bytes, snapshot_seconds, small_state, max_rows, wal_pages, lake_upkeep
                what is too large or too long for a test
    marks       a file of one byte per region below: how many threads are inside of it now
    kill        ["before:log.sync", 3]: the third time, kill the whole process group there

Nothing of the product is replaced: every wrapped function is called as it is.
"""

from __future__ import annotations

import functools
import json
import mmap
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

import wayside.broker.log as broker_log
import wayside.dataflow.embedded as embedded
import wayside.hot.sqlite as hot_sqlite
import wayside.lake.delta as lake_delta
import wayside.runtime.service as service
from wayside.broker.commit import GroupCommit
from wayside.broker.embedded import EmbeddedBroker
from wayside.broker.mark import MarkFile
from wayside.broker.segment import Segment
from wayside.dataflow import EmbeddedEngine
from wayside.dataflow.recovery import Recovery
from wayside.hot import compaction
from wayside.hot.sqlite import SqliteStore, SqliteTransaction

REGIONS = ("group", "checkpoint", "compaction", "lake", "walcheckpoint", "recovery")

POINTS: dict[str, tuple[Any, str]] = {
    "log.write": (broker_log.PartitionLog, "write"),
    "log.sync": (broker_log.PartitionLog, "sync"),
    "log.publish": (broker_log.PartitionLog, "publish"),
    "log.segment": (Segment, "create"),
    "log.seal": (broker_log.PartitionLog, "seal"),
    "log.mark": (MarkFile, "write"),
    "log.answer": (GroupCommit, "_answer"),
    "engine.commit": (EmbeddedEngine, "put"),
    "hot.upsert": (SqliteTransaction, "upsert"),
    "hot.windows": (SqliteTransaction, "append_windows"),
    "hot.late": (SqliteTransaction, "append_late"),
    "hot.save": (SqliteTransaction, "save"),
    "hot.exchange": (compaction, "exchange"),
    "hot.walcheckpoint": (sys.modules[__name__], "checkpoint"),
    "lake.append": (lake_delta.DeltaLake, "append"),
    "lake.settle": (lake_delta, "settle"),
    "lake.maintain": (lake_delta.DeltaLake, "maintain"),
}


class Marks:
    """How many threads are inside of each region, where another process can read it after we are dead."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(len(REGIONS)))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), len(REGIONS))
        self._lock = threading.Lock()

    def move(self, region: str, by: int) -> None:
        with self._lock:
            self._bytes[REGIONS.index(region)] += by

    def around(self, owner: Any, name: str, region: str) -> None:
        """Mark the region while a function runs."""
        inner = getattr(owner, name)

        @functools.wraps(inner)
        def call(*given: Any, **named: Any) -> Any:
            self.move(region, 1)
            try:
                return inner(*given, **named)
            finally:
                self.move(region, -1)

        setattr(owner, name, call)


def die() -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)


def dying(inner: Callable[..., Any], *, before: bool, at: int) -> Callable[..., Any]:
    """A function that kills the process group at one of its calls."""
    calls = 0

    @functools.wraps(inner)
    def call(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        mine = calls == at
        if mine and before:
            die()
        answer = inner(*given, **named)
        if mine:
            die()
        return answer

    return call


def checkpoint(connection: apsw.Connection) -> None:
    """What SQLite does by itself when its log has enough pages, here in the open."""
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


def with_pages(inner: Callable[..., apsw.Connection], pages: int) -> Callable[..., apsw.Connection]:
    """Open the store's writer so that its log is carried over after `pages` pages."""

    def hook(connection: apsw.Connection, _name: str, waiting: int) -> int:
        if waiting >= pages:
            checkpoint(connection)
        return apsw.SQLITE_OK

    @functools.wraps(inner)
    def call(*given: Any) -> apsw.Connection:
        connection = inner(*given)
        connection.set_wal_hook(hook)
        return connection

    return call


def prepare(faults: dict[str, Any]) -> None:
    """Apply what FAULTS asks for."""
    if "segment_bytes" in faults:
        EmbeddedBroker.__init__.__kwdefaults__["segment_bytes"] = faults["segment_bytes"]
    for name in ("snapshot_seconds", "max_rows"):
        if name in faults:
            EmbeddedEngine.__init__.__kwdefaults__[name] = faults[name]
    if "small_state" in faults:
        embedded.SMALL_STATE = faults["small_state"]
    if "lake_upkeep" in faults:
        service.LAKE_UPKEEP = faults["lake_upkeep"]
    if "kill" in faults:
        point, at = faults["kill"]
        when, _, name = point.partition(":")
        owner, attribute = POINTS[name]
        setattr(owner, attribute, dying(getattr(owner, attribute), before=when == "before", at=at))
    if "marks" in faults:
        marks = Marks(Path(faults["marks"]))
        marks.around(GroupCommit, "__call__", "group")
        marks.around(EmbeddedEngine, "put", "checkpoint")
        marks.around(SqliteStore, "_merge", "compaction")
        marks.around(EmbeddedBroker, "maintain", "compaction")
        marks.around(lake_delta.DeltaLake, "append", "lake")
        marks.around(lake_delta.DeltaLake, "maintain", "lake")
        marks.around(sys.modules[__name__], "checkpoint", "walcheckpoint")
        marks.around(Recovery, "run", "recovery")
    if "wal_pages" in faults:
        hot_sqlite.open_writer = with_pages(hot_sqlite.open_writer, faults["wal_pages"])


if __name__ == "__main__":
    prepare(json.loads(os.environ.get("FAULTS", "{}")))
    from wayside.cli import main

    sys.exit(main())
