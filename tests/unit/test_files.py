"""The one module that touches data files, against the real file system."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from wayside.errors import DataFolderLockedError
from wayside.files import REAL, DataFile, FolderLock, Part, read_whole, replace_whole, write_all


def test_what_is_written_is_read_at_its_place(tmp_path: Path) -> None:
    file = REAL.open(tmp_path / "f", write=True, create=True)
    assert write_all(file, [b"abc", b"", b"def"], 2) == 6
    file.sync()
    assert file.size() == 8
    assert file.read(100, 0) == b"\0\0abcdef"
    assert file.read(3, 4) == b"cde"
    assert file.read(10, 8) == b""
    file.truncate(4)
    assert file.read(100, 0) == b"\0\0ab"
    file.close()


def test_a_missing_file_is_an_error_unless_it_is_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        REAL.open(tmp_path / "f")
    REAL.open(tmp_path / "f", write=True, create=True).close()
    assert REAL.names(tmp_path) == ["f"]
    assert REAL.names(tmp_path / "nothing") == []


def test_an_open_file_outlives_its_name(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    file = REAL.open(tmp_path / "f")
    REAL.remove(tmp_path / "f")
    REAL.remove(tmp_path / "f")
    assert file.read(3, 0) == b"abc"


def test_a_file_that_nobody_holds_is_closed(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    for number in range(50):
        REAL.open(tmp_path / str(number), write=True, create=True)
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    assert after <= before + 2


class Short:
    """A file that takes three bytes at a time, or none."""

    def __init__(self, file: DataFile, takes: int) -> None:
        self.file, self.takes = file, takes

    def write(self, parts: Sequence[Part], position: int) -> int:
        return self.file.write([b"".join(parts)[: self.takes]], position)


def test_short_writes_are_finished(tmp_path: Path) -> None:
    file = REAL.open(tmp_path / "f", write=True, create=True)
    assert write_all(Short(file, 3), [b"abcd", b"efgh"], 1) == 8  # type: ignore[arg-type] # only `write` is called
    assert file.read(100, 0) == b"\0abcdefgh"
    with pytest.raises(OSError, match="no more bytes") as told:
        write_all(Short(file, 0), [b"abc"], 0)  # type: ignore[arg-type] # only `write` is called
    assert told.value.errno == errno.EIO


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path, old = tmp_path / "f", tmp_path / "f.old"
    assert read_whole(REAL, path) is None
    replace_whole(REAL, path, b"one", keep=old)
    replace_whole(REAL, path, b"2", keep=old)
    assert (read_whole(REAL, path), read_whole(REAL, old)) == (b"2", b"one")
    (tmp_path / "f.tmp").write_bytes(b"longer than what comes, left by a crash")
    replace_whole(REAL, path, b"three")
    assert path.read_bytes() == b"three"
    assert REAL.names(tmp_path) == ["f", "f.old"]


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    REAL.make_folder(tmp_path / "a" / "b" / "c")
    REAL.make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert REAL.free(tmp_path) > 0


def test_space_can_be_taken_ahead(tmp_path: Path) -> None:
    file = REAL.open(tmp_path / "f", write=True, create=True)
    file.allocate(100_000)
    assert file.size() == 100_000


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(DataFolderLockedError, match=f"process {os.getpid()}"):
        FolderLock(tmp_path)
    lock.release()
    lock.release()
    (tmp_path / "lock").write_text("process 1 on elsewhere, long ago")
    FolderLock(tmp_path).release()


def test_a_refused_lock_closes_nobody_elses_file(tmp_path: Path) -> None:
    """Its descriptor's number may belong to another file by the time that it is thrown away."""
    lock = FolderLock(tmp_path)
    try:
        FolderLock(tmp_path)
    except DataFolderLockedError as error:
        file = REAL.open(tmp_path / "f", write=True, create=True)
        error.__traceback__ = None
        del error
    file.write([b"x"], 0)
    assert file.size() == 1
    lock.release()
