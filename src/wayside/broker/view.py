"""Reading one partition: what the writing process and every other reader have in common."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from wayside.broker import columns, entry
from wayside.broker.collect import Collected, instant, microseconds
from wayside.broker.damage import Damage
from wayside.broker.entry import Header
from wayside.broker.errors import expired, unreadable
from wayside.broker.scan import PAYLOADS, Found, Walk
from wayside.broker.segment import Segment
from wayside.files import FileSystem
from wayside.values import Batch, PartitionInfo

_LARGEST_CHUNK: Final = 16 << 20
_SMALLEST_CHUNK: Final = 64 << 10
_OPEN_FILES: Final = 8
_TRIES: Final = 5
_GONE: Final = "the file that held them is missing"


class PartitionView:
    """Segments in order, the first kept offset `start`, and `end`, up to which everything is durable.

    Bytes before `end` never change; what lies behind is not looked at. Segments are replaced as a whole list under
    `lock`, so a read works on the list that it began with.
    """

    def __init__(
        self, files: FileSystem, folder: Path, position: tuple[str, int], report: Callable[[Damage], None]
    ) -> None:
        self.files = files
        self.folder = folder
        self.topic, self.partition = position
        self.report = report
        self.lock = threading.Lock()
        self.segments: list[Segment] = []
        self.start = 0
        self.end = 0
        self._opened: deque[Segment] = deque()

    def read(self, offset: int, max_rows: int, layout: columns.Layout) -> Batch | None:
        """See `Broker.read`. Raises StorageFailedError when the disk cannot be read."""
        for attempt in range(_TRIES):
            try:
                return self._read(offset, max_rows, layout)
            except FileNotFoundError as error:
                # Retention or compaction removed a file between the look at the list and the opening.
                if attempt == _TRIES - 1:
                    raise unreadable(self.topic, self.partition, offset, error) from error
                self.refresh()
            except OSError as error:
                raise unreadable(self.topic, self.partition, offset, error) from error
        return None

    def seek(self, time: datetime, by: Literal["append", "event"]) -> int:
        """See `Broker.seek`. Raises StorageFailedError when the disk cannot be read."""
        for attempt in range(_TRIES):
            try:
                return self._seek(microseconds(time), by)
            except OSError as error:
                if attempt == _TRIES - 1 or not isinstance(error, FileNotFoundError):
                    raise unreadable(self.topic, self.partition, self.start, error) from error
                self.refresh()
        return self.end

    def info(self) -> PartitionInfo:
        """See `Broker.partitions`."""
        segments, start, end = self.snapshot()
        kept = [s.index for s in segments if s.index.newest != entry.NO_EVENT_MAX]
        return PartitionInfo(
            partition=self.partition,
            start=start,
            end=end,
            bytes=sum(segment.size for segment in segments),
            oldest=instant(min(index.oldest for index in kept)) if kept else None,
            newest=instant(max(index.newest for index in kept)) if kept else None,
        )

    def refresh(self) -> None:
        """Look again at what there is; the writing process always knows."""

    def snapshot(self) -> tuple[list[Segment], int, int]:
        """Segments, start and end as of one moment."""
        with self.lock:
            return self.segments, self.start, self.end

    def _seek(self, wanted: int, by: Literal["append", "event"]) -> int:
        segments, start, end = self.snapshot()
        for segment in segments:
            latest = segment.index.max_event if by == "event" else segment.index.newest
            if latest < wanted or segment.end <= start:
                continue
            position = segment.index.find(wanted, by) or 0
            for header in _headers(segment, position):
                if header.first >= end:
                    return end
                time = header.max_event if by == "event" else header.appended
                if time >= wanted and header.next > start:
                    return max(header.first, start)
        return end

    def _read(self, offset: int, max_rows: int, layout: columns.Layout) -> Batch | None:
        segments, start, end = self.snapshot()
        if offset < start:
            raise expired(self.topic, self.partition, offset, start)
        if offset >= end:
            return None
        collected = Collected(offset, max(max_rows, 1))
        at = max(bisect_right(segments, offset, key=lambda segment: segment.base) - 1, 0)
        for segment in segments[at:]:
            if collected.next >= end or not self._gather(segment, collected, end):
                break
        else:
            self._missing(collected, end, Damage(self.topic, self.partition, 0, 0, str(self.folder), _GONE))
        return collected.batch(self.topic, self.partition, offset, layout)

    def _gather(self, segment: Segment, collected: Collected, end: int) -> bool:
        """Take what fits from one segment; false when there is no room for more."""
        path = str(segment.path)
        self._missing(collected, min(segment.base, end), Damage(self.topic, self.partition, 0, 0, path, _GONE))
        position = segment.index.locate(collected.next)
        ahead = segment.index.locate(min(collected.next + collected.max_rows - collected.rows, end))
        chunk = min(max(ahead - position, _SMALLEST_CHUNK), _LARGEST_CHUNK)
        bad = Found(position, position, None, fault="the entries are missing")
        self._use(segment)
        for found in Walk(segment.file(), position, segment.size, chunk=chunk).entries():
            header = found.header
            if header is None or found.fault:
                bad = found
            if header is None or header.kind != entry.ROWS or header.next <= collected.next:
                continue
            if header.first >= end:
                break
            self._missing(collected, header.first, self._damage(path, bad))
            if found.payload is None or header.schema_crc != segment.schema_crc or segment.schema is None:
                fault = found.fault or "the schema of these rows is lost"
                self._missing(collected, header.next, self._damage(path, found._replace(fault=fault)))
            elif not collected.wants(header):
                return False
            else:
                schema = columns.with_extras(segment.schema, header.flags)
                collected.take(header, columns.read_batch(found.payload, schema))
            if collected.next >= end or collected.rows >= collected.max_rows:
                return False
        self._missing(collected, min(segment.end, end), self._damage(path, bad))
        return True

    def _damage(self, path: str, found: Found) -> Damage:
        length = found.end - found.position
        return Damage(self.topic, self.partition, 0, 0, path, found.fault, found.position, length)

    def _missing(self, collected: Collected, to: int, damage: Damage) -> None:
        """Go over offsets that should be here and are not, loudly."""
        if to > collected.next:
            self.report(damage.of(collected.next, to))
            collected.next = to

    def _use(self, segment: Segment) -> None:
        """Keep few files open: a log may have thousands. The growing one stays."""
        if segment in self._opened:
            return
        self._opened.append(segment)
        if len(self._opened) > _OPEN_FILES:
            oldest = self._opened.popleft()
            if oldest.sealed:
                oldest.release()


def _headers(segment: Segment, position: int) -> Iterator[Header]:
    walk = Walk(segment.file(), position, segment.size, chunk=PAYLOADS)
    return (f.header for f in walk.headers() if f.header is not None and f.header.kind == entry.ROWS)
