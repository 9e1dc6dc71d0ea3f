"""The sparse index of a segment: which offset lies where, and the latest times in between.

One point per 64 KiB. It is only ever a hint: built from the headers, saved beside a closed segment so that a start
need not walk it, and thrown away when it does not fit the file.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from typing import Final, Literal

from wayside.broker.entry import NO_EVENT_MAX, WITH_IDS, Header, checksum

STRIDE: Final = 64 << 10
_MAGIC: Final = b"WSI1"
_FIELDS = struct.Struct("<4sIqqqqqqI")
_CHECK = struct.Struct("<I")


class SegmentIndex:
    """Points of one segment, and its totals. `position` is the end of what has been indexed, `end` its next offset.

    `oldest` and `newest` are times of appending; `ids` tells whether any entry carries record ids.
    """

    def __init__(self, base: int) -> None:
        self.end = base
        self.position = 0
        self.oldest = NO_OLDEST
        self.newest = NO_EVENT_MAX
        self.max_event = NO_EVENT_MAX
        self.ids = False
        self._positions = array("q")
        self._events = array("q")
        self._appends = array("q")
        self._firsts = array("q")

    def add(self, position: int, header: Header) -> None:
        """Note an entry; they come in the order of the file."""
        if not self._firsts or position - self._positions[-1] >= STRIDE:
            self._positions.append(position)
            self._events.append(header.max_event)
            self._appends.append(header.appended)
            # Last of all, because readers look here first and other threads read while this one writes.
            self._firsts.append(header.first)
        else:
            self._events[-1] = max(self._events[-1], header.max_event)
            self._appends[-1] = max(self._appends[-1], header.appended)
        if header.rows:
            self.oldest = min(self.oldest, header.appended)
            self.newest = max(self.newest, header.appended)
        self.max_event = max(self.max_event, header.max_event)
        self.ids = self.ids or bool(header.flags & WITH_IDS)
        self.end = header.next
        self.position = position + header.span

    def state(self) -> tuple[int, ...]:
        """What `restore` needs to forget the entries that were added since."""
        return (self.end, self.position, self.oldest, self.newest, self.max_event, len(self._firsts))

    def restore(self, state: tuple[int, ...]) -> None:
        """Go back to an earlier state; the times of its last point may stay too late, which only costs a look."""
        self.end, self.position, self.oldest, self.newest, self.max_event, points = state
        for column in (self._firsts, self._positions, self._events, self._appends):
            del column[points:]

    def locate(self, offset: int) -> int:
        """The position of an entry at or before the one that holds `offset`."""
        point = bisect_right(self._firsts, offset) - 1
        return self._positions[point] if point >= 0 else 0

    def find(self, time: int, by: Literal["append", "event"]) -> int | None:
        """The position of the first stretch of entries that reaches `time`, or null."""
        times = self._events if by == "event" else self._appends
        return next((p for p, latest in zip(self._positions, times, strict=False) if latest >= time), None)

    def encode(self) -> bytes:
        """The content of an index file."""
        body = b"".join(a.tobytes() for a in (self._firsts, self._positions, self._events, self._appends))
        totals = (self.end, self.position, self.oldest, self.newest, self.max_event)
        fields = _FIELDS.pack(_MAGIC, checksum(body), len(self._firsts), *totals, self.ids)
        return fields + _CHECK.pack(checksum(fields)) + body

    @classmethod
    def decode(cls, data: bytes, size: int) -> SegmentIndex | None:
        """The index in an index file, or null when it is damaged or not that of a segment of `size` bytes."""
        start = _FIELDS.size + _CHECK.size
        if len(data) < start or _CHECK.unpack_from(data, _FIELDS.size)[0] != checksum(data[: _FIELDS.size]):
            return None
        magic, body_crc, count, end, position, oldest, newest, max_event, ids = _FIELDS.unpack_from(data)
        body = data[start:]
        if magic != _MAGIC or len(body) != 32 * count:
            return None
        if body_crc != checksum(body) or position != size:
            return None
        index = cls(end)
        index.position, index.oldest, index.newest, index.max_event = position, oldest, newest, max_event
        index.ids = bool(ids)
        arrays = (index._firsts, index._positions, index._events, index._appends)
        for number, column in enumerate(arrays):
            column.frombytes(body[8 * count * number : 8 * count * (number + 1)])
        return index


NO_OLDEST: Final = (1 << 63) - 1
