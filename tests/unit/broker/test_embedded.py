"""What the embedded log does with its files: groups, rolls, restarts, evolution, one folder for one process."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from tests.unit.broker.logs import NOON, SPEC, Path, entries, everything, opened, partition, put, rows, segments
from wayside.broker import EmbeddedBroker
from wayside.broker.reader import ReadOnlyBroker
from wayside.clock import ManualClock
from wayside.errors import DataFolderLockedError, OffsetOutOfRangeError, StorageFailedError, WaysideError
from wayside.files import REAL, RealFileSystem
from wayside.values import Appended


class CountingFiles(RealFileSystem):
    """Counts syncs, and can hold them up."""

    def __init__(self) -> None:
        self.syncs = 0
        self.hold = threading.Event()
        self.hold.set()
        self.waiting = threading.Event()

    def open(self, path: Path, *, write: bool = False, create: bool = False):  # type: ignore[no-untyped-def] # a test double of one method
        file = super().open(path, write=write, create=create)
        whole = file.sync

        def sync() -> None:
            if path.suffix == ".log":
                self.syncs += 1
                self.waiting.set()
                assert self.hold.wait(30)
            whole()

        file.sync = sync  # type: ignore[method-assign] # this one file only
        return file


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(replace(SPEC, partitions=2))
    for start in range(0, 500, 50):
        put(broker, rows(start, 50, things=9), ids=[f"id-{number}" for number in range(start, start + 50)])
    broker.commit("group", {("readings", 1): 17})
    before = [everything(broker, number) for number in range(2)]
    infos = broker.partitions("readings")
    broker.close()
    broker = opened(tmp_path)
    for number in range(2):
        assert everything(broker, number).equals(before[number])
    assert broker.partitions("readings") == infos
    assert broker.committed("group") == {("readings", 1): 17}
    assert put(broker, rows(0, 50, things=9), ids=[f"id-{number}" for number in range(50)]).duplicates == 50
    assert broker.damage.entries() == []
    broker.close()


def test_small_appends_of_a_group_become_one_entry_and_one_sync(tmp_path: Path) -> None:
    files = CountingFiles()
    broker = opened(tmp_path, files=files)
    broker.create(SPEC)
    files.hold.clear()
    first = broker.append("readings", rows(0, 1))
    assert files.waiting.wait(30)
    rest = [broker.append("readings", rows(number, 1)) for number in range(1, 20)]
    files.hold.set()
    answers: list[Appended] = [future.result(timeout=30) for future in [first, *rest]]
    assert [answer.offsets.to_list() for answer in answers] == [[number] for number in range(20)]
    assert files.syncs == 2
    broker.close()
    (name,) = segments(tmp_path)
    assert [header.rows for _, header, _ in entries(partition(tmp_path) / name)] == [0, 1, 19]


def test_nobody_sees_rows_before_they_are_durable(tmp_path: Path) -> None:
    files = CountingFiles()
    broker = opened(tmp_path, files=files)
    reader = EmbeddedBroker.reader(tmp_path)
    broker.create(SPEC)
    files.hold.clear()
    future = broker.append("readings", rows(0, 3))
    assert files.waiting.wait(30)
    assert broker.read("readings", 0, 0) is None
    assert reader.read("readings", 0, 0) is None
    assert broker.partitions("readings")[0].end == 0
    assert not future.done()
    files.hold.set()
    future.result(timeout=30)
    assert reader.read("readings", 0, 0) is not None
    broker.close()


def test_a_segment_is_closed_when_it_is_large_and_a_restart_goes_on_with_the_last(tmp_path: Path) -> None:
    broker = opened(tmp_path, segment_bytes=8192)
    broker.create(SPEC)
    for start in range(0, 400, 20):
        put(broker, rows(start, 20))
    broker.close()
    before = segments(tmp_path)
    assert len(before) > 2
    assert all(partition(tmp_path).joinpath(name).stat().st_size < 8192 + 2048 for name in before)
    for number in range(3):
        broker = opened(tmp_path, segment_bytes=1 << 20)
        put(broker, rows(400 + number, 1))
        broker.close()
    assert segments(tmp_path) == before
    broker = opened(tmp_path)
    assert everything(broker).equals(rows(0, 403))
    broker.close()


def test_a_start_does_not_walk_closed_segments(tmp_path: Path) -> None:
    broker = opened(tmp_path, segment_bytes=200_000)
    broker.create(SPEC)
    for start in range(0, 20_000, 1000):
        put(broker, rows(start, 1000))
    broker.close()

    class Reads(RealFileSystem):
        total = 0

        def open(self, path: Path, *, write: bool = False, create: bool = False):  # type: ignore[no-untyped-def] # a test double of one method
            file = super().open(path, write=write, create=create)
            whole = file.read

            def read(size: int, position: int) -> bytes:
                data = whole(size, position)
                Reads.total += len(data) if path.suffix == ".log" else 0
                return data

            file.read = read  # type: ignore[method-assign] # this one file only
            return file

    size = sum(path.stat().st_size for path in partition(tmp_path).glob("*.log"))
    broker = opened(tmp_path, files=Reads())
    assert broker.partitions("readings")[0].end == 20_000
    broker.close()
    assert len(segments(tmp_path)) > 2
    assert Reads.total < size / 5


def test_a_lost_index_is_made_again(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(SPEC)
    for start in range(0, 300, 20):
        put(broker, rows(start, 20))
    broker.close()
    for path in partition(tmp_path).glob("*.idx"):
        path.unlink()
    broker = opened(tmp_path)
    assert everything(broker).equals(rows(0, 300))
    assert broker.seek("readings", 0, NOON + timedelta(seconds=250)) <= 250
    assert broker.damage.entries() == []
    broker.close()
    assert len(list(partition(tmp_path).glob("*.idx"))) == len(segments(tmp_path))


def test_a_large_frame_is_cut_into_entries(tmp_path: Path) -> None:
    broker = opened(tmp_path, segment_bytes=1 << 20)
    broker.create(SPEC)
    frame = pl.concat([rows(0, 1000)] * 150)
    put(broker, frame)
    assert everything(broker).equals(frame)
    broker.close()
    found = [header.rows for name in segments(tmp_path) for _, header, _ in entries(partition(tmp_path) / name)]
    assert max(found) <= 65_536
    assert sum(found) == 150_000
    assert len(segments(tmp_path)) > 1


def test_rows_that_cannot_be_stored_fail_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = CountingFiles()
    broker = opened(tmp_path, files=files)
    broker.create(SPEC)
    monkeypatch.setattr("wayside.broker.entry.LARGEST", 3000)
    files.hold.clear()
    first = broker.append("readings", rows(0, 1))
    assert files.waiting.wait(30)
    bad = broker.append("readings", rows(1000, 500))
    good = broker.append("readings", rows(1, 1))
    files.hold.set()
    first.result(timeout=30)
    with pytest.raises(WaysideError, match="could not be stored"):
        bad.result(timeout=30)
    assert good.result(timeout=30).offsets.to_list() == [1]
    assert everything(broker).equals(rows(0, 2))
    assert broker.failure is None
    broker.close()


def test_one_process_has_the_folder(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    with pytest.raises(DataFolderLockedError, match="process"):
        opened(tmp_path)
    broker.close()
    opened(tmp_path).close()


def test_a_closed_log_says_so(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(SPEC)
    broker.close()
    broker.close()
    with pytest.raises(StorageFailedError, match="closed"):
        broker.append("readings", rows(0, 1))


def test_waiting_ends_with_the_log(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(SPEC)
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(broker.wait({("readings", 0): 0}, timeout=60)))
    thread.start()
    broker.close()
    thread.join(timeout=30)
    assert ended == [False]


def test_offsets_beyond_the_end_are_not_committed(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(SPEC)
    with pytest.raises(OffsetOutOfRangeError, match="ends at 0"):
        broker.commit("group", {("readings", 0): 1})
    assert broker.committed("group") == {}
    broker.close()


def test_a_column_may_be_added_before_the_first_row_and_after_a_restart(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(SPEC)
    wide = replace(SPEC, schema=pl.Schema({**SPEC.schema, "note": pl.String()}))
    broker.create(wide)
    put(broker, rows(0, 2).with_columns(note=pl.lit("a")))
    broker.close()
    broker = opened(tmp_path)
    wider = replace(SPEC, schema=pl.Schema({"kind": pl.Enum(["x"]), **wide.schema}))
    broker.create(wider)
    put(broker, rows(2, 1).with_columns(note=pl.lit("b"), kind=pl.lit("x", pl.Enum(["x"]))))
    batch = broker.read("readings", 0, 0)
    assert batch is not None
    assert batch.frame.select("kind", "note", "value").rows() == [(None, "a", 0.0), (None, "a", 1.0), ("x", "b", 2.0)]
    broker.close()


def test_a_topic_made_in_a_callback_does_not_hang(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(SPEC)
    made = threading.Event()

    def more(_: object) -> None:
        broker.create(replace(SPEC, name="others"))
        made.set()

    broker.append("readings", rows(0, 1)).add_done_callback(more)
    assert made.wait(30)
    assert set(broker.topics()) == {"readings", "others"}
    broker.close()


def test_a_reader_writes_nothing(tmp_path: Path) -> None:
    broker = opened(tmp_path, ManualClock(NOON))
    broker.create(SPEC)
    reader: ReadOnlyBroker = EmbeddedBroker.reader(tmp_path, files=REAL)
    for work in (
        lambda: reader.create(SPEC),
        lambda: reader.append("readings", rows(0, 1)),
        lambda: reader.commit("g", {}),
        reader.maintain,
    ):
        with pytest.raises(WaysideError, match="cannot"):
            work()
    broker.close()
