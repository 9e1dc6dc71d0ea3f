"""Flipped bits, cut files and random bytes: never a wrong answer, never an empty start without a word, never a loop."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.faults.test_hot_calls import check, commit, open_store
from tests.unit.hot.samples import second
from wayside.errors import CorruptDataError
from wayside.hot.sqlite import SqliteStore

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

COMMITS = 6


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A folder with a store that was closed well."""
    folder = tmp_path / "good"
    store = open_store(folder)
    for number in range(1, COMMITS + 1):
        commit(store, number)
    store.close()
    return folder


def copy(good: Path, number: int) -> Path:
    folder = good.parent / f"copy-{number}"
    shutil.copytree(good, folder)
    return folder / "hot.db"


def examine(path: Path) -> bool:
    """Open what is there: either all of it is right, or it was set aside. Returns whether it was set aside."""
    store = open_store(path.parent)
    try:
        if store.rebuilt:
            assert store.checkpoint("engine") is None, "the engine starts again at the beginning of the log"
            assert store.table("latest").is_empty()
            kept = [name for name in os.listdir(path.parent) if ".corrupt." in name]
            assert kept, "the damaged file is kept"
        else:
            check(store, [COMMITS])
    finally:
        store.close()
    again = open_store(path.parent)
    assert not again.rebuilt
    again.close()
    return store.rebuilt


def test_single_bits(good: Path) -> None:
    size = (good / "hot.db").stat().st_size
    chance = random.Random(1)
    places = [*range(0, 100, 7), *(chance.randrange(size) for _ in range(110))]
    found = 0
    for number, place in enumerate(places):
        path = copy(good, number)
        content = bytearray(path.read_bytes())
        content[place] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        found += examine(path)
        shutil.rmtree(path.parent)
    assert found >= 0.9 * len(places), "almost every bit is covered by a checksum"


def test_cut_files(good: Path) -> None:
    size = (good / "hot.db").stat().st_size
    for number, length in enumerate(
        [1, 16, 99, 100, 4096, 8191, 8192, 8193, 5 * 8192, size // 2, size - 8192, size - 1]
    ):
        path = copy(good, number)
        os.truncate(path, length)
        assert examine(path)


def test_random_bytes_and_foreign_files(good: Path) -> None:
    chance = random.Random(2)
    for number, (start, length) in enumerate([(0, 500 * 512), (0, 16), (8192, 8192), (100, 1)]):
        path = copy(good, number)
        content = bytearray(path.read_bytes())
        content[start : start + length] = chance.randbytes(min(length, len(content) - start))
        path.write_bytes(content)
        assert examine(path)
    path = copy(good, 9)
    path.write_bytes(b"this is no database at all\n" * 1000)
    assert examine(path)


def test_a_lost_file_beside_its_log_is_no_silent_empty_start(good: Path) -> None:
    path = copy(good, 1)
    path.with_name("hot.db-wal").write_bytes(b"\0" * 4096)
    path.unlink()
    assert examine(path)


def test_an_emptied_file_is_a_new_store(good: Path) -> None:
    path = copy(good, 1)
    os.truncate(path, 0)
    store = open_store(path.parent)
    assert store.checkpoint("engine") is None
    store.close()


def test_bits_of_the_write_ahead_log(tmp_path: Path) -> None:
    """A damaged log of SQLite ends at the damage: an older commit, whole."""
    folder = tmp_path / "live"
    store = open_store(folder)
    for number in range(1, COMMITS + 1):
        commit(store, number)
    log = (folder / "hot.db-wal").read_bytes()
    assert len(log) > 8192
    chance = random.Random(3)
    seen = set()
    for number in range(40):
        copied = tmp_path / str(number)
        copied.mkdir()
        shutil.copy(folder / "hot.db", copied)
        content = bytearray(log)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        (copied / "hot.db-wal").write_bytes(content)
        found = open_store(copied)
        if not found.rebuilt:
            last = found.checkpoint("engine")
            number_found = last.sequence if last else 0
            seen.add(number_found)
            check(found, [number_found] if number_found else [])
        found.close()
    store.close()
    assert len(seen) > 1


def test_damage_that_is_met_while_running(good: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = good / "hot.db"
    store = open_store(good)
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 8192):
        content[page * 8192 + 5000] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    with pytest.raises(CorruptDataError, match="Restart"):
        store.windows("rollup", second(0), second(1000))
    store.close()
    with caplog.at_level("ERROR"):
        again = SqliteStore(path)
    assert again.rebuilt
    assert "kept as" in caplog.text
    again.close()
