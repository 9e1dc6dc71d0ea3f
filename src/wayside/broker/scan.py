"""Walking the entries of a file, over damage too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pyarrow as pa

from wayside.broker import entry
from wayside.broker.entry import ALIGN, MAGIC, SIZE, Header
from wayside.files import DataFile

PAYLOADS: Final = 1 << 20
HEADERS: Final = 16 << 10


class Found(NamedTuple):
    """A stretch of a file: an entry, or (header null) bytes in which no entry begins."""

    position: int
    end: int
    header: Header | None
    payload: Any = None
    fault: str = ""


def intact(header: Header, payload: Any) -> bool:
    """Whether a payload is the one that its header was written for."""
    return entry.checksum(payload) == header.payload_crc


class Walk:
    """Entries from `position` to `end`, read in chunks.

    Reads are pread, not mmap: a truncated or unreadable page of a map kills the process, and a copy from the page
    cache still leaves 60 to 80 M records/s. Payloads are slices of the chunk, so nothing is copied again.
    """

    def __init__(self, file: DataFile, position: int, end: int, *, chunk: int = PAYLOADS) -> None:
        self._file = file
        self._position = position
        self._end = end
        self._chunk = chunk
        self._origin = position
        self._data = b""

    def entries(self) -> Iterator[Found]:
        """Headers with the payload where its checksum is right; faults where something is not."""
        while self._position < self._end:
            found = self._next(payload=True)
            self._position = found.end
            yield found

    def headers(self) -> Iterator[Found]:
        """Headers only, without looking at payloads."""
        while self._position < self._end:
            found = self._next(payload=False)
            self._position = found.end
            yield found

    def _next(self, *, payload: bool) -> Found:
        at = self._position
        self._need(at, SIZE)
        header = entry.decode(self._data, at - self._origin)
        if header is None:
            return Found(at, self._resume(at + ALIGN), None, fault="the header is damaged")
        end = at + header.span
        if at + SIZE + header.size > self._end:
            return Found(at, self._end, header, fault="the entry is cut off")
        if not payload:
            return Found(at, end, header)
        self._need(at, SIZE + header.size)
        body = pa.py_buffer(self._data).slice(at + SIZE - self._origin, header.size)
        if len(body) < header.size:
            return Found(at, self._end, header, fault="the entry is cut off")
        if not intact(header, body):
            return Found(at, end, header, fault="the checksum of the rows is wrong")
        return Found(at, end, header, body)

    def _need(self, position: int, size: int) -> None:
        """Have `size` bytes from `position` in memory, as far as the file goes."""
        if self._origin <= position and position + size <= self._origin + len(self._data):
            return
        wanted = min(max(size, self._chunk), self._end - position)
        self._data = self._file.read(wanted, position)
        self._origin = position

    def _resume(self, position: int) -> int:
        """Where the next whole header starts, or the end."""
        while position + SIZE <= self._end:
            self._need(position, SIZE)
            at = self._data.find(MAGIC, position - self._origin)
            while at >= 0 and at + SIZE <= len(self._data):
                if (self._origin + at) % ALIGN == 0 and entry.decode(self._data, at) is not None:
                    return self._origin + at
                at = self._data.find(MAGIC, at + 1)
            known = self._origin + len(self._data)
            if known >= self._end or not self._data:
                break
            position = (at + self._origin if at >= 0 else known - len(MAGIC)) // ALIGN * ALIGN
            position = max(position, self._origin + ALIGN)
            self._need_fresh(position)
        return self._end

    def _need_fresh(self, position: int) -> None:
        self._data = self._file.read(min(self._chunk, self._end - position), position)
        self._origin = position
