"""The harness bites: each of these mistakes, planted in the log, is found by it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import structlog

from tests.faults.disk import Fault, FaultKind, SimulatedDisk, SimulatedFile
from tests.faults.log_story import Promised, tell, verify
from wayside.broker import groups, recovery, scan
from wayside.broker.dedup import SeenIds
from wayside.broker.log import PartitionLog
from wayside.broker.topic import Topic
from wayside.files import FileSystem, write_all

pytestmark = pytest.mark.faults

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def found(
    pattern: str = "$^", kind: FaultKind = "crash", seeds: Iterable[int] = range(4), disks: Any = SimulatedDisk
) -> bool:
    """Whether the harness notices: at the end of the story, or with a fault at a call that matches the pattern."""
    disk, promised = disks(), Promised()
    try:
        tell(disk, promised)
        for seed in seeds:
            verify(disk.after_crash(seed), promised)
        places = [at for at, name in enumerate(disk.calls, 1) if re.match(pattern, name)]
        for at in places:
            struck, promised = disks(Fault(at, kind)), Promised()
            tell(struck, promised)
            for seed in seeds:
                verify(struck.after_crash(seed), promised)
    except Exception:
        return True  # whatever goes wrong is noticed; the first test shows that nothing does without a mistake
    return False


def test_without_a_mistake_it_is_quiet() -> None:
    assert not found("(sync|rename) .*-0001.log")


def test_a_sync_that_is_skipped(monkeypatch: Patch) -> None:
    monkeypatch.setattr(PartitionLog, "sync", lambda self: None)
    assert found()


def test_a_sync_that_is_tried_again(monkeypatch: Patch) -> None:
    """The kernel drops the pages of a failed sync: a second one succeeds and saves nothing."""
    once = PartitionLog.sync

    def twice(self: PartitionLog) -> None:
        try:
            once(self)
        except OSError:
            once(self)

    monkeypatch.setattr(PartitionLog, "sync", twice)
    assert found(r"sync 0.*-0000.log$", "EIO", seeds=(0,))


def test_a_torn_tail_that_is_accepted(monkeypatch: Patch) -> None:
    monkeypatch.setattr(recovery, "_whole", lambda found: found.header is not None)
    assert found(r"write 0.*-0000.log$", seeds=range(8))


def test_a_checksum_that_is_not_checked(monkeypatch: Patch) -> None:
    monkeypatch.setattr(scan, "intact", lambda header, payload: True)
    assert found(r"write 0.*-0000.log$", seeds=range(12))


def test_a_duplicate_that_is_not_dropped(monkeypatch: Patch) -> None:
    monkeypatch.setattr(SeenIds, "duplicates", lambda self, ids, now: np.zeros(len(ids), dtype=np.bool_))
    assert found()


def test_ids_that_are_forgotten_with_the_process(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Topic, "recall", lambda self, now: None)
    assert found()


def test_a_duplicate_within_one_append(monkeypatch: Patch) -> None:
    monkeypatch.setattr(pl.Series, "is_first_distinct", lambda self: pl.repeat(True, len(self), eager=True))
    seen = SeenIds(10**9)
    assert not seen.duplicates(pl.Series(["a", "a"]), 10**16).any()  # the unit tests of dedup find this one


def test_offsets_that_are_not_synced(monkeypatch: Patch) -> None:
    def replace_lazily(files: FileSystem, path: Path, content: bytes, *, keep: Path | None = None) -> None:
        file = files.open(path, write=True, create=True)
        file.truncate(0)
        write_all(file, [content], 0)

    monkeypatch.setattr(groups, "replace_whole", replace_lazily)
    assert found()


def test_a_folder_that_is_not_synced() -> None:
    class Lazy(SimulatedDisk):
        def sync_folder(self, folder: Path) -> None:
            if folder.name != "0":
                super().sync_folder(folder)

    assert found(disks=Lazy)


def test_a_compacted_file_that_is_not_synced(monkeypatch: Patch) -> None:
    whole = SimulatedFile.sync

    def sync(self: SimulatedFile) -> None:
        if not self._name.endswith("-0001.log.tmp"):
            whole(self)

    monkeypatch.setattr(SimulatedFile, "sync", sync)
    assert found()


def test_files_that_are_removed_before_the_start_is_durable(monkeypatch: Patch) -> None:
    def drop(self: PartitionLog, count: int) -> None:
        gone, self.segments = self.segments[:count], self.segments[count:]
        self.start = gone[-1].end
        self._remove(gone)
        self.mark.write(self.start, self.end)
        self.mark.sync()

    monkeypatch.setattr(PartitionLog, "drop", drop)
    assert found(r"remove 0.*-0000.log|write mark", seeds=range(3))


def test_refused_rows_that_stay(monkeypatch: Patch) -> None:
    def forget(self: PartitionLog) -> None:
        self._touched.clear()
        self._full.clear()
        self._next = self.end

    monkeypatch.setattr(PartitionLog, "undo", forget)
    assert found(r"write 0.*-0000.log$|sync_folder 0", "ENOSPC")
