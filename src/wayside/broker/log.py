"""Writing one partition. Only the writer thread calls what changes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from wayside.broker import columns, entry
from wayside.broker.damage import Damage
from wayside.broker.entry import Header
from wayside.broker.mark import MarkFile
from wayside.broker.segment import Segment
from wayside.broker.view import PartitionView
from wayside.files import FileSystem, replace_whole, write_all

_LOG = structlog.get_logger(__name__)


class Rows(NamedTuple):
    """Encoded rows of one entry and what its header will say about them; times in microseconds."""

    payload: Any
    flags: int
    rows: int
    appended: int
    min_event: int
    max_event: int


class _Touched(NamedTuple):
    """A segment that the current group writes to, and what it was before."""

    segment: Segment
    size: int
    before: tuple[int, ...]


class PartitionLog(PartitionView):
    """A partition that this process writes.

    A group is `write` any number of times, `sync`, then `publish`; or `undo`, which leaves no trace of it.
    """

    segment_bytes = 64 << 20

    def __init__(
        self, files: FileSystem, folder: Path, position: tuple[str, int], report: Callable[[Damage], None]
    ) -> None:
        super().__init__(files, folder, position, report)
        self.mark = MarkFile(files, folder)
        self._next = 0
        self._touched: list[_Touched] = []
        self._full: list[Segment] = []
        self._changed = False

    def begin(self, segments: list[Segment], start: int, end: int) -> None:
        """Take over what recovery found. Raises OSError."""
        self.segments, self.start, self.end, self._next = segments, start, end, end
        self._changed = bool(segments) and not segments[-1].indexed
        for segment in segments:
            segment.release()
            if segment is not segments[-1] and not segment.sealed:
                self.seal(segment)
        self.mark.write(start, end)
        self.mark.sync()

    @property
    def touched(self) -> bool:
        """Whether the current group has written to this partition."""
        return bool(self._touched)

    @property
    def upcoming(self) -> int:
        """The offset that the next row gets."""
        return self._next

    def write(self, rows: Rows, layout: columns.Layout) -> int:
        """Write one entry without making it durable, and return its first offset. Raises OSError."""
        segment = self._active(layout)
        header = Header(
            kind=entry.ROWS,
            flags=rows.flags,
            size=len(rows.payload),
            rows=rows.rows,
            payload_crc=entry.checksum(rows.payload),
            schema_crc=layout.crc,
            first=self._next,
            next=self._next + rows.rows,
            acked=self.end,
            appended=rows.appended,
            min_event=rows.min_event,
            max_event=rows.max_event,
        )
        position = segment.size
        self._touch(segment)
        write_all(segment.file(write=True), entry.parts(header, rows.payload), position)
        segment.index.add(position, header)
        self._next = header.next
        return header.first

    def sync(self) -> None:
        """Make the group durable. Raises OSError, after which nothing may be acknowledged any more."""
        for touched in self._touched:
            touched.segment.file(write=True).sync()

    def publish(self) -> None:
        """Let readers see the group, in this process and in others. Raises OSError."""
        full, self._full = self._full, []
        self._touched.clear()
        with self.lock:
            self.end = self._next
        self._changed = True
        self.mark.write(self.start, self.end)
        for segment in full:
            self.seal(segment)

    def undo(self) -> None:
        """Take the group back, for good: not even a crash brings refused rows to light. Raises OSError."""
        for segment, size, before in reversed(self._touched):
            if size == 0:
                with self.lock:
                    self.segments = [s for s in self.segments if s is not segment]
                self.files.remove(segment.path)
                self.files.sync_folder(self.folder)
            else:
                file = segment.file(write=True)
                file.truncate(size)
                file.sync()
                segment.index.restore(before)
        self._touched.clear()
        self._full.clear()
        self._next = self.end

    def seal(self, segment: Segment) -> None:
        """Let a segment grow no more, and save its index; a failure costs only time at the next start."""
        segment.sealed = True
        try:
            replace_whole(self.files, segment.index_path, segment.index.encode())
        except OSError as error:
            _LOG.warning("an index was not saved", file=str(segment.index_path), error=str(error))

    def drop(self, count: int) -> None:
        """Forget the oldest segments. Raises OSError."""
        gone = self.segments[:count]
        with self.lock:
            self.start = max(self.start, gone[-1].end)
            self.segments = self.segments[count:]
        self.mark.write(self.start, self.end)
        self.mark.sync()
        self._remove(gone)

    def swap(self, old: Sequence[Segment], new: Segment) -> None:
        """Put a compacted segment, which is durable, in the place of those it was made from. Raises OSError."""
        at = self.segments.index(old[0])
        with self.lock:
            self.segments = [*self.segments[:at], new, *self.segments[at + len(old) :]]
        self._remove(old)

    def settle(self) -> None:
        """Make the mark durable while there is nothing else to do. Raises OSError."""
        self.mark.sync()

    def close(self) -> None:
        """Leave everything durable and described. Raises OSError."""
        self.mark.sync()
        if self.segments and self._changed:
            self.seal(self.segments[-1])
        for segment in self.segments:
            segment.release()
        self.mark.close()

    def _active(self, layout: columns.Layout) -> Segment:
        """The segment to write to, which is a new one when the last is full, sealed or of another schema."""
        last = self.segments[-1] if self.segments else None
        if last is not None:
            fits = last.schema_crc == layout.crc and last.end == self._next and last.size < self.segment_bytes
            if fits and not last.sealed:
                return last
            self._full.append(last)
        segment = Segment(self.files, self.folder, self._next)
        self._touched.append(_Touched(segment, 0, ()))
        parts = segment.create(layout, acked=self.end)
        write_all(segment.file(write=True), parts, 0)
        self.files.sync_folder(self.folder)
        with self.lock:
            # An empty one with the same first offset, and so the same name, has just been overwritten.
            self.segments = [*(s for s in self.segments if s.base != segment.base), segment]
        return segment

    def _remove(self, segments: Sequence[Segment]) -> None:
        self._changed = bool(segments) and not segments[-1].indexed
        for segment in segments:
            segment.release()
            self.files.remove(segment.index_path)
            self.files.remove(segment.path)

    def _touch(self, segment: Segment) -> None:
        if not any(touched.segment is segment for touched in self._touched):
            self._touched.append(_Touched(segment, segment.size, segment.index.state()))
