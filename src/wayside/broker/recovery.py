"""What a crash may leave behind, and what is made of it.

Entries are acknowledged in order, so one number per partition, `acked`, divides a log: everything before it was
promised, nothing behind it was. It is the largest of what is known:

* the mark (may be old after a power cut, never too high);
* the `acked` field of every whole entry in the files that were still growing;
* the end of a segment whose index file is whole, because indexes are saved after the acknowledgement;
* the offsets that consumer groups have committed.

Before `acked`, whatever is wrong is damage: it is reported and kept, and the walk goes on behind it. From `acked` on,
whole entries that continue the row are taken (they were written and not yet promised), and the first that is torn
ends the log: the file is cut there, and segments behind it are removed. When there is no mark, the bytes that are cut
are first copied aside, because they might have been promised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from wayside.broker import columns, entry
from wayside.broker.damage import Damage
from wayside.broker.index import SegmentIndex
from wayside.broker.mark import Mark
from wayside.broker.scan import Found, Walk
from wayside.broker.segment import Segment
from wayside.files import FileSystem, read_whole

_LOG = structlog.get_logger(__name__)


@dataclass
class Recovery:
    """One partition being recovered. `keep` copies bytes aside under a name."""

    files: FileSystem
    folder: Path
    position: tuple[str, int]
    schemas: Mapping[int, columns.ArrowSchema]
    report: Callable[[Damage], None]
    keep: Callable[[str, bytes], str]
    segments: list[Segment] = field(default_factory=list)
    start: int = 0
    end: int = 0
    _garbage: list[Segment] = field(default_factory=list)

    def run(self, mark: Mark | None, committed: int) -> None:
        """Fill `segments`, `start` and `end`. Raises OSError."""
        names = self.files.names(self.folder)
        found = [s for name in names if (s := self._parse(name, names)) is not None]
        found = self._without_superseded(found)
        scans = {segment.path: self._scan(segment) for segment in found if not self._indexed(segment)}
        closed = [segment.end for segment in found if segment.path not in scans]
        proofs = [f.header.acked for scan in scans.values() for f in scan if _whole(f) and f.header]
        acked = max([committed, mark.end if mark else 0, *closed, *proofs])
        self.start = mark.start if mark else min((s.base for s in found), default=0)
        self._assemble(found, scans, acked, certain=mark is not None)
        self._lost(acked, self.folder, "the end of the log is missing")
        for segment in self.segments:
            if segment.path in scans:
                # What is served from now on must not vanish in a later power cut.
                segment.file(write=True).sync()
        if self.segments and self.segments[-1].generation == 0 and self.segments[-1].path not in scans:
            self.segments[-1].sealed = False  # it was closed with the process, and may grow on

    def clean(self) -> None:
        """Remove files that are accounted for elsewhere; only once the mark and the names that say so are durable."""
        for segment in self._garbage:
            self._remove(segment)

    def _parse(self, name: str, names: Sequence[str]) -> Segment | None:
        orphan = name.endswith(".idx") and f"{name.removesuffix('.idx')}.log" not in names
        if orphan or name.endswith(".tmp"):
            self.files.remove(self.folder / name)
        return Segment.parse(self.files, self.folder, name)

    def _without_superseded(self, found: list[Segment]) -> list[Segment]:
        """Segments without those that a later generation accounts for: a crash came before their removal."""
        kept: list[Segment] = []
        for segment in sorted(found, key=lambda s: (s.base, -s.generation)):
            self._load_schema(segment)
            if kept and kept[-1].generation > segment.generation and segment.base < kept[-1].end:
                self._garbage.append(segment)
            else:
                kept.append(segment)
        return kept

    def _load_schema(self, segment: Segment) -> None:
        fault = segment.load_schema(self.schemas)
        if fault and segment.schema is not None:
            _LOG.warning("a segment's schema was taken from the topic", file=str(segment.path), reason=fault)

    def _indexed(self, segment: Segment) -> bool:
        """Take over the saved index when it fits the file."""
        data = read_whole(self.files, segment.index_path)
        index = SegmentIndex.decode(data, segment.file().size()) if data is not None else None
        if index is None:
            return False
        segment.index = index
        segment.sealed = segment.indexed = True
        return True

    def _scan(self, segment: Segment) -> list[Found]:
        """All stretches of a file, checked but without their rows."""
        file = segment.file()
        return [f._replace(payload=f.payload is not None or None) for f in Walk(file, 0, file.size()).entries()]

    def _assemble(self, found: list[Segment], scans: Mapping[Path, list[Found]], acked: int, *, certain: bool) -> None:
        self.end = self.start
        torn = False
        for segment in found:
            if torn or (segment.base > self.end >= acked):
                torn = True
                self._drop(segment, 0, certain=certain)
                continue
            scan = scans.get(segment.path)
            end = segment.end if scan is None else _end(segment, scan)
            if segment.base < end <= self.start:
                self._garbage.append(segment)  # retention had moved the start and not yet removed the file
                continue
            self._lost(segment.base, self.folder, "a file is missing before this one")
            if scan is None:
                self.end = max(self.end, segment.end)
            else:
                torn = self._replay(segment, scan, acked, certain=certain)
                if torn and segment.size == 0:
                    continue
            self.segments.append(segment)

    def _replay(self, segment: Segment, scan: list[Found], acked: int, *, certain: bool) -> bool:
        """Index a file that was still growing; true when it was cut, so that nothing may follow it."""
        segment.index = SegmentIndex(segment.base)
        position = 0
        bad = Found(0, 0, None, fault="entries are missing here")
        for found in scan:
            header = found.header
            if header is not None and header.kind == entry.SCHEMA and _whole(found):
                segment.index.position = position = found.end
                segment.index.end = max(segment.index.end, header.next)
                self.end = max(self.end, header.next)
                continue
            if self.end >= acked and not (_whole(found) and header is not None and header.first == self.end):
                self._drop(segment, position, certain=certain)
                return True
            position = found.end
            if found.fault:
                bad = found
            if header is not None and header.first >= self.end and found.end - found.position == header.span:
                self._lost(header.first, segment.path, bad.fault, bad)
                segment.index.add(found.position, header)
                if not _whole(found):
                    self._lost(header.next, segment.path, found.fault, found)
                self.end = header.next
        segment.index.position = position
        segment.sealed = bool(scan) and bool(scan[-1].fault)
        return False

    def _drop(self, segment: Segment, size: int, *, certain: bool) -> None:
        """Cut a file at `size`; without a file header it goes altogether."""
        file = segment.file(write=True)
        rest = file.size() - size
        if rest and not certain:
            self.keep(f"{self.position[0]}-{self.position[1]}-{segment.path.name}-{size}", file.read(rest, size))
        if rest:
            _LOG.warning("unacknowledged bytes were cut off", file=str(segment.path), position=size, bytes=rest)
        if size:
            file.truncate(size)
            file.sync()
            segment.index.position = size
        else:
            self._remove(segment)
            segment.index.position = 0

    def _remove(self, segment: Segment) -> None:
        segment.release()
        self.files.remove(segment.index_path)
        self.files.remove(segment.path)

    def _lost(self, to: int, path: Path, reason: str, at: Found | None = None) -> None:
        """Note that acknowledged offsets up to `to` are not there, and go on behind them."""
        if to > self.end:
            place = (at.position, at.end - at.position) if at is not None else (0, 0)
            self.report(Damage(*self.position, self.end, to, str(path), reason, *place))
            self.end = to


def _whole(found: Found) -> bool:
    return found.header is not None and found.payload is not None


def _end(segment: Segment, scan: Sequence[Found]) -> int:
    """The highest offset that a file names."""
    return max([segment.base, *(found.header.next for found in scan if found.header is not None)])
