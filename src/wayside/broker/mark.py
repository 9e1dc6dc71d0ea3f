"""The mark of a partition: from where to where it is durable.

Written after each group without a sync of its own, so it survives `kill -9` but may be old after a power cut; synced
when the log falls idle, at a roll and at close. It can therefore say too little and never too much. Two slots are
written in turn, so a torn write leaves the one before.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final, NamedTuple

from wayside.broker.entry import checksum
from wayside.files import DataFile, FileSystem, write_all

NAME: Final = "mark"
_SLOT: Final = 512
_FIELDS = struct.Struct("<4sIqqq")
_MAGIC: Final = b"WSM1"


class Mark(NamedTuple):
    """Offsets from `start` to `end` (exclusive) are acknowledged; the higher `sequence` counts."""

    sequence: int
    start: int
    end: int


class MarkFile:
    """The mark of one partition, opened for writing by one process and read by any."""

    def __init__(self, files: FileSystem, folder: Path) -> None:
        self._files = files
        self._path = folder / NAME
        self._file: DataFile | None = None
        self._writable = False
        self._sequence = 0
        self._dirty = False

    def load(self) -> Mark | None:
        """The newest whole mark, or null when there is none."""
        try:
            data = self._open().read(2 * _SLOT, 0)
        except FileNotFoundError:
            return None
        marks = [mark for at in (0, _SLOT) if (mark := _decode(data[at : at + _FIELDS.size])) is not None]
        newest = max(marks, default=None)
        if newest is not None:
            self._sequence = newest.sequence
        return newest

    def create(self) -> None:
        """Make the file when it is missing; the caller syncs the folder."""
        self._file, self._writable = self._files.open(self._path, write=True, create=True), True

    def write(self, start: int, end: int) -> None:
        """Note the offsets. Raises OSError."""
        self._sequence += 1
        body = struct.pack("<qqq", self._sequence, start, end)
        data = _MAGIC + struct.pack("<I", checksum(body)) + body
        write_all(self._open(write=True), [data], self._sequence % 2 * _SLOT)
        self._dirty = True

    def sync(self) -> None:
        """Make the last mark durable, when it is not. Raises OSError."""
        if self._dirty:
            self._open(write=True).sync()
            self._dirty = False

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, *, write: bool = False) -> DataFile:
        file = self._file
        if file is None or (write and not self._writable):
            file = self._files.open(self._path, write=write)
            self._file, self._writable = file, write
        return file


def _decode(data: bytes) -> Mark | None:
    if len(data) < _FIELDS.size:
        return None
    magic, crc, sequence, start, end = _FIELDS.unpack(data)
    if magic != _MAGIC or crc != checksum(data[8:]):
        return None
    return Mark(sequence, start, end)
