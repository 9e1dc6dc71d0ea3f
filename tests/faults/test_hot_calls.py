"""Each call to the disk fails once, in every way; and the power is cut at each of them.

Whatever happens, offsets and rows agree, and a transaction that was acknowledged is there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import polars as pl
import pytest

from tests.faults.hot_disk import Disk, PowerCutError
from tests.unit.hot.samples import TABLE, WINDOW, closed, late_rows, row, second, table_rows
from wayside.clock import ManualClock
from wayside.errors import DiskFullError, StorageFailedError, WaysideError
from wayside.hot.sqlite import SqliteStore
from wayside.values import Checkpoint

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

COMMITS = 12
THINGS = [f"thing-{number:03d}" for number in range(40)]


def open_store(folder: Path, vfs: str | None = None) -> SqliteStore:
    store = SqliteStore(folder / "hot.db", clock=ManualClock(), vfs=vfs)
    store.ensure([TABLE], [WINDOW])
    return store


def commit(store: SqliteStore, number: int) -> None:
    """One micro-batch: every part of it carries its number."""
    with store.transaction() as change:
        rows = [row(thing, number, number, value=float(number), note="x" * 100) for thing in THINGS]
        change.upsert("latest", table_rows(*rows))
        change.append_windows("rollup", closed(10 * number, *THINGS, rows=number))
        change.append_late("rollup", late_rows(number))
        state = {"operator": bytes([number]) * 5_000}
        change.save("engine", Checkpoint({("input", 0): number}, number, state=state))


def scenario(store: SqliteStore, done: list[int]) -> None:
    """Commits, a moving of the log into the file, a compaction, an expiry. `done` holds what was acknowledged."""
    assert store._writer is not None
    store._writer.pragma("wal_autocheckpoint", 30)
    for number in range(1, COMMITS + 1):
        commit(store, number)
        done.append(number)
        if number % 9 == 0:
            store.compact()
    store.expire(second(-1) - timedelta(days=3650))


def check(store: SqliteStore, done: list[int]) -> int:
    """The invariants; returns the last commit that is there."""
    found = store.checkpoint("engine")
    last = found.sequence if found else 0
    acknowledged = done[-1] if done else 0
    assert last in (acknowledged, acknowledged + 1), f"acknowledged {acknowledged}, found {last}"
    values = store.table("latest")["value"].unique().to_list()
    assert values == ([float(last)] if last else [])
    windows = store.windows("rollup", second(0), second(100_000))
    assert windows.height == last * len(THINGS)
    assert windows.filter((pl.col("window_start") - second(0)).dt.total_seconds() != 10 * pl.col("rows")).is_empty()
    assert sorted(store.late("rollup")["_offset"].to_list()) == list(range(1, last + 1))
    if found:
        assert found.positions == {("input", 0): last}
        assert found.state == {"operator": bytes([last]) * 5_000}
    return last


def number_of_calls(tmp_path: Path, **how: Any) -> int:
    """How many calls the scenario makes; closing the store makes more, and is not a part of it."""
    folder = tmp_path / "count"
    folder.mkdir()
    disk = Disk(**how)
    store = open_store(folder, disk.vfs)
    scenario(store, [])
    calls = disk.calls
    store.close()
    return calls


@contextmanager
def told_as(expected: type[WaysideError], raised: list[WaysideError]) -> Iterator[None]:
    """Whatever error comes out is of the expected kind."""
    try:
        yield
    except expected as error:
        raised.append(error)


FAILURES = {
    "write error": (apsw.IOError, apsw.SQLITE_IOERR_WRITE, "write", StorageFailedError),
    "disk full": (apsw.FullError, apsw.SQLITE_FULL, "write", DiskFullError),
    "sync error": (apsw.IOError, apsw.SQLITE_IOERR_FSYNC, "sync", StorageFailedError),
    "truncate error": (apsw.IOError, apsw.SQLITE_IOERR_TRUNCATE, "truncate", StorageFailedError),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_each_call_fails_once(tmp_path: Path, failure: str) -> None:
    error, extended, only, expected = FAILURES[failure]
    total = number_of_calls(tmp_path, only=only)
    step = max(1, total // 60)
    raised: list[WaysideError] = []
    for fail_at in range(1 + total % step, total + 1, step):
        folder = tmp_path / str(fail_at)
        folder.mkdir()
        disk = Disk(fail_at=fail_at, error=error, extended=extended, only=only)
        done: list[int] = []
        store: SqliteStore | None = None
        with told_as(expected, raised):
            store = open_store(folder, disk.vfs)
            scenario(store, done)
        if store is not None:
            last = check(store, done)
            if failure in ("write error", "disk full"):
                commit(store, last + 1)  # usable afterwards
                done.append(last + 1)
            store.close()
        again = open_store(folder)
        assert not again.rebuilt
        check(again, done)
        again.close()
    assert raised or failure == "truncate error"


def test_nothing_is_written_after_a_failed_sync(tmp_path: Path) -> None:
    total = number_of_calls(tmp_path, only="sync")
    disk = Disk(fail_at=total // 2, error=apsw.IOError, extended=apsw.SQLITE_IOERR_FSYNC, only="sync")
    store = open_store(tmp_path, disk.vfs)
    done: list[int] = []
    with pytest.raises(StorageFailedError):
        scenario(store, done)
    with pytest.raises(StorageFailedError, match="nothing is written any more"):
        commit(store, done[-1] + 1)
    check(store, done)
    store.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # connections that die with the machine
def test_the_power_is_cut_at_each_call(tmp_path: Path) -> None:
    total = number_of_calls(tmp_path)
    chance = random.Random(20260301)
    cuts = range(1 + total % 3, total + 1, max(1, total // 100))
    reached = set()
    for cut in cuts:
        folder, after = tmp_path / f"{cut}", tmp_path / f"{cut}-after"
        folder.mkdir()
        after.mkdir()
        disk = Disk(fail_at=cut)
        done: list[int] = []
        store: SqliteStore | None = None
        with suppress(PowerCutError, WaysideError):
            store = open_store(folder, disk.vfs)
            scenario(store, done)
        assert disk.off
        if store is not None:
            with suppress(WaysideError, apsw.Error):
                store.close()
        disk.survivors(chance, after)
        store = open_store(after)
        assert not (store.rebuilt and done), f"cut {cut}"
        reached.add(check(store, done))
        commit(store, 1 + max(reached | {COMMITS}))
        store.close()
    assert len(reached) >= COMMITS
