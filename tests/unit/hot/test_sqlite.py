"""What only the store in a file has: its file, its readers, its errors."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.unit.hot.samples import TABLE, WINDOW, close_windows, closed, row, save, second, table_rows, upsert
from wayside.clock import ManualClock
from wayside.errors import DiskFullError, NotFoundError, OverloadedError, StorageFailedError
from wayside.hot import repair
from wayside.hot.connection import Readers, default_vfs, require_sound_library
from wayside.hot.sqlite import SqliteStore
from wayside.values import Checkpoint


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "data" / "hot.db")
    opened.ensure([TABLE], [WINDOW])
    yield opened
    opened.close()


def raw(store: SqliteStore) -> apsw.Connection:
    assert store._writer is not None
    return store._writer


class TestFile:
    def test_durable_settings(self, store: SqliteStore) -> None:
        connection = raw(store)
        assert connection.pragma("journal_mode") == "wal"
        assert connection.pragma("synchronous") == 2
        assert connection.pragma("mmap_size") == 0
        assert connection.reserve_bytes("main") == 8
        assert "cksmvfs" in apsw.vfs_names()

    def test_everything_is_there_after_opening_again(self, store: SqliteStore, tmp_path: Path) -> None:
        upsert(store, row("a", 1, 1))
        close_windows(store, closed(0, "a"))
        save(store, Checkpoint({("t", 0): 1}, 1, state={"s": b"x"}))
        store.close()
        again = SqliteStore(tmp_path / "data" / "hot.db")
        again.ensure([TABLE], [WINDOW])
        assert not again.rebuilt
        assert again.count("latest") == again.windows("rollup", second(0), second(10)).height == 1
        assert again.checkpoint("engine") == Checkpoint({("t", 0): 1}, 1, {}, {"s": b"x"}, {})
        again.close()

    @pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.0"])
    def test_libraries_that_corrupt_files_are_refused(self, version: str) -> None:
        with pytest.raises(StorageFailedError, match=version):
            require_sound_library(version)
        require_sound_library("3.51.3")
        require_sound_library("4.0")

    def test_a_database_of_another_program_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "other.db"
        other = apsw.Connection(str(path))
        other.execute("CREATE TABLE theirs (x)")
        other.close()
        before = path.read_bytes()
        with pytest.raises(StorageFailedError, match="another program"):
            SqliteStore(path)
        assert path.read_bytes() == before

    def test_a_newer_layout_is_refused(self, store: SqliteStore, tmp_path: Path) -> None:
        raw(store).pragma("user_version", repair.FORMAT + 1)
        store.close()
        with pytest.raises(StorageFailedError, match="newer Wayside"):
            SqliteStore(tmp_path / "data" / "hot.db")

    def test_a_folder_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "hot.db").mkdir()
        with pytest.raises(StorageFailedError, match="cannot be read or written"):
            SqliteStore(tmp_path / "hot.db")

    def test_setting_aside_keeps_every_part(self, store: SqliteStore, tmp_path: Path) -> None:
        path = tmp_path / "data" / "hot.db"
        kept = repair.set_aside(path, clock=ManualClock())
        assert kept is not None
        assert kept.exists()
        assert not path.exists()
        assert repair.set_aside(path) is None
        assert SqliteStore(path).checkpoint("engine") is None


class TestReading:
    def test_another_process_may_read_while_this_one_writes(self, store: SqliteStore, tmp_path: Path) -> None:
        upsert(store, row("a", 1, 1))
        reader = SqliteStore(tmp_path / "data" / "hot.db", read_only=True)
        reader.ensure([TABLE], [WINDOW])
        assert reader.count("latest") == 1
        upsert(store, row("b", 1, 1))
        assert reader.count("latest") == 2
        with pytest.raises(StorageFailedError, match="reading only"), reader.transaction():
            pass
        reader.close()

    def test_reading_what_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match="no hot store"):
            SqliteStore(tmp_path / "none.db", read_only=True)
        assert not (tmp_path / "none.db").exists()

    def test_a_reading_that_takes_too_long_is_stopped(self, store: SqliteStore, tmp_path: Path) -> None:
        clock = ManualClock()
        readers = Readers(tmp_path / "data" / "hot.db", default_vfs(), clock=clock, number=1, timeout=1.0)
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
        threading.Timer(0.05, clock.advance, [2.0]).start()
        with pytest.raises(OverloadedError, match="took too long"), readers.snapshot() as connection:
            connection.execute(endless).fetchall()
        with readers.snapshot() as connection:
            assert connection.execute("SELECT 1").get == 1
        readers.close()

    def test_waiting_for_a_connection_ends(self, store: SqliteStore, tmp_path: Path) -> None:
        readers = Readers(tmp_path / "data" / "hot.db", default_vfs(), clock=ManualClock(), number=1, timeout=0.05)
        with readers.snapshot(), pytest.raises(OverloadedError, match="busy"), readers.snapshot():
            pass
        readers.close()

    def test_readers_cannot_write(self, store: SqliteStore, tmp_path: Path) -> None:
        readers = Readers(tmp_path / "data" / "hot.db", default_vfs(), clock=ManualClock(), number=1, timeout=1.0)
        with pytest.raises(StorageFailedError), readers.snapshot() as connection:
            connection.execute("DELETE FROM sequence")
        readers.close()


class TestDamageInside:
    """Page checksums aside: each block and state has its own, and a wrong one is passed by, loudly."""

    def test_a_damaged_block_is_passed_by(self, store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
        close_windows(store, *(closed(10 * number, "a") for number in range(20)))
        raw(store).execute(
            "UPDATE window_blocks SET crc = crc + 1 WHERE min_start = (SELECT min(min_start) FROM window_blocks)"
        )
        assert store.windows("rollup", second(0), second(1000)).height == 19
        assert "fails its checksum" in caplog.text
        store.compact()
        assert store.compact() == 0
        assert store.windows("rollup", second(0), second(1000)).height == 19
        assert store.windows_after("rollup", -1)[1].height == 19
        kept = raw(store).execute("SELECT count(*) FROM window_blocks WHERE level = -1").get
        assert kept == 1, "what is damaged is kept"

    @pytest.mark.parametrize("part", ["", "part a", "part b"])
    def test_a_damaged_state_is_left_out(self, store: SqliteStore, part: str, caplog: pytest.LogCaptureFixture) -> None:
        save(store, Checkpoint({("t", 0): 9}, 4, {"w": 1}, {"a": b"1", "b": b"2"}, {("t", 0): 9}))
        raw(store).execute("UPDATE states SET body = x'00' WHERE name = ?", (part,))
        assert store.checkpoint("engine") == Checkpoint({("t", 0): 9}, 4, {"w": 1})
        assert "damaged" in caplog.text

    def test_a_lost_part_of_the_state_is_noticed(self, store: SqliteStore) -> None:
        save(store, Checkpoint({}, 4, {}, {"a": b"1", "b": b"2"}))
        raw(store).execute("DELETE FROM states WHERE name = 'part b'")
        assert store.checkpoint("engine") == Checkpoint({}, 4)

    def test_damaged_positions_are_no_positions(self, store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
        save(store, Checkpoint({("t", 0): 9}, 4, {}, {"a": b"1"}))
        raw(store).execute("UPDATE checkpoints SET body = x'7b7d'")
        assert store.checkpoint("engine") is None
        assert "damaged" in caplog.text


class TestFullDisk:
    def test_writing_is_refused_and_resumes(self, store: SqliteStore) -> None:
        upsert(store, row("a", 1, 1))
        pages = raw(store).pragma("page_count")
        raw(store).pragma("max_page_count", pages + 2)
        many = [row(f"t{number}", 1, number, note="x" * 500) for number in range(300)]
        with pytest.raises(DiskFullError, match="Free some space"):
            upsert(store, *many)
        assert store.count("latest") == 1
        upsert(store, row("a", 2, 2, value=2.0))
        raw(store).pragma("max_page_count", 100_000)
        upsert(store, *many)
        assert store.count("latest") == 301

    def test_a_limit_of_the_system(self, tmp_path: Path) -> None:
        script = LIMITED.format(path=str(tmp_path / "hot.db"))
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
        assert json.loads(done.stdout) == {"error": "DiskFullError", "before": 1, "after": 1, "later": 2001}


LIMITED = """
import json, resource
from pathlib import Path
from tests.unit.hot.samples import TABLE, row, table_rows, upsert
from wayside.errors import WaysideError
from wayside.hot.sqlite import SqliteStore

store = SqliteStore(Path({path!r}))
store.ensure([TABLE], [])
upsert(store, row("a", 1, 1))
before = store.count("latest")
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
rows = [row(f"t{{n}}", 1, n, note="x" * 500) for n in range(2000)]
error = ""
try:
    upsert(store, *rows)
except WaysideError as raised:
    error = type(raised).__name__
after = store.count("latest")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
upsert(store, *rows)
print(json.dumps(dict(error=error, before=before, after=after, later=store.count("latest"))))
"""


def test_transactions_of_several_threads_follow_each_other(store: SqliteStore) -> None:
    def work(name: str) -> None:
        for number in range(10):
            with store.transaction() as change:
                change.upsert("latest", table_rows(row(name, number, number)))

    threads = [threading.Thread(target=work, args=[f"t{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.count("latest") == 4


def test_expiry_beside_a_compaction(store: SqliteStore, tmp_path: Path) -> None:
    """A block that expires while it is being merged does not come back."""
    from wayside.hot import compaction

    close_windows(store, *(closed(10 * number, "a") for number in range(20)))
    run = store._worth_merging(WINDOW)
    with store._read() as connection:
        merge = compaction.read(connection, WINDOW, run)
    store.expire(second(10**9))
    with pytest.raises(compaction.GoneError), store._write() as connection:
        compaction.exchange(connection, WINDOW, merge)
    assert store.windows("rollup", second(0), second(1000)).is_empty()
