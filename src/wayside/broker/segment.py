"""One file of the log: named after its first offset and its generation, closed or still growing.

Compaction never changes a file; it writes one of the next generation that accounts for the offsets of several.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wayside.broker import columns, entry
from wayside.broker.entry import Header
from wayside.broker.index import SegmentIndex
from wayside.broker.scan import HEADERS, Walk
from wayside.files import DataFile, FileSystem

_NAME: Final = re.compile(r"(\d{20})-(\d{4})\.log")


class Segment:
    """A file of entries and what is known about it. `index.end` is the offset after its last entry."""

    def __init__(self, files: FileSystem, folder: Path, base: int, generation: int = 0) -> None:
        self.base = base
        self.generation = generation
        self.path = folder / f"{base:020d}-{generation:04d}.log"
        self.index = SegmentIndex(base)
        self.schema_crc = 0
        self.schema: columns.ArrowSchema = None
        self.sealed = False
        self.indexed = False
        self._files = files
        self._file: DataFile | None = None
        self._writable = False

    @classmethod
    def parse(cls, files: FileSystem, folder: Path, name: str) -> Segment | None:
        """The segment that a file name stands for, or null for other files."""
        match = _NAME.fullmatch(name)
        return cls(files, folder, int(match[1]), int(match[2])) if match else None

    @property
    def index_path(self) -> Path:
        """Where the index of the closed segment is kept."""
        return self.path.with_suffix(".idx")

    @property
    def end(self) -> int:
        """The offset after the last one."""
        return self.index.end

    @property
    def size(self) -> int:
        """Bytes of whole entries."""
        return self.index.position

    def file(self, *, write: bool = False) -> DataFile:
        """The open file. Raises FileNotFoundError when retention or compaction has removed it."""
        file = self._file
        if file is None or (write and not self._writable):
            file = self._files.open(self.path, write=write)
            self._file, self._writable = file, write
        return file

    def create(
        self, layout: columns.Layout, *, path: Path | None = None, covers: int | None = None, acked: int = 0
    ) -> list[Any]:
        """Make the file; returns the buffers of its first entry, which the caller writes at position 0.

        `covers` is the end of the offsets that a compacted segment accounts for; it is written under another `path`.
        """
        file = self._files.open(path or self.path, write=True, create=True)
        self._file, self._writable = file, True
        if file.size():
            file.truncate(0)
        header = schema_header(self.base, covers or self.base, layout, acked)
        self.adopt(header, layout.arrow)
        return entry.parts(header, layout.message)

    def adopt(self, header: Header, schema: columns.ArrowSchema) -> None:
        """Take over what the first entry says."""
        self.schema_crc, self.schema = header.schema_crc, schema
        self.index.position = header.span
        self.index.end = header.next

    def release(self) -> None:
        """Forget the open file; readers in the middle of it keep it until they are done."""
        self._file = None

    def load_schema(self, known: Mapping[int, columns.ArrowSchema]) -> str:
        """Read the first entry. Returns what is wrong with it, or nothing.

        A damaged first entry is replaced by a schema that the rows after it name, when that is among the known ones.
        """
        file = self.file()
        size = file.size()
        first = next(Walk(file, 0, size, chunk=HEADERS).entries(), None)
        if first is not None and first.payload is not None and first.header and first.header.kind == entry.SCHEMA:
            self.adopt(first.header, columns.arrow_schema(first.payload))
            return ""
        for found in Walk(file, 0, size, chunk=HEADERS).headers():
            if found.header is not None and found.header.schema_crc in known:
                self.schema_crc = found.header.schema_crc
                self.schema = known[self.schema_crc]
                break
        return (first.fault or "the first entry is not a schema") if first is not None else "the file is empty"


def schema_header(base: int, covers: int, layout: columns.Layout, acked: int) -> Header:
    """The header of a segment's first entry."""
    return Header(
        kind=entry.SCHEMA,
        flags=0,
        size=len(layout.message),
        rows=0,
        payload_crc=entry.checksum(layout.message),
        schema_crc=layout.crc,
        first=base,
        next=covers,
        acked=acked,
        appended=0,
        min_event=entry.NO_EVENT_MIN,
        max_event=entry.NO_EVENT_MAX,
    )
