"""Reading a log that another process writes: no locks, no writes, a look at the marks every 20 ms."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import polars as pl

from wayside.broker import columns, entry
from wayside.broker.damage import Damage, DamageLedger
from wayside.broker.errors import no_partition, no_topic
from wayside.broker.groups import GroupOffsets
from wayside.broker.index import SegmentIndex
from wayside.broker.mark import MarkFile
from wayside.broker.scan import HEADERS, Walk
from wayside.broker.segment import Segment
from wayside.broker.store import read_schemas, read_spec, topic_folder
from wayside.broker.view import PartitionView
from wayside.clock import SYSTEM, Clock
from wayside.errors import WaysideError
from wayside.files import REAL, FileSystem, read_whole
from wayside.specs import TopicSpec
from wayside.values import Appended, Batch, PartitionInfo, Position

_POLL: Final = 0.02


class Follower(PartitionView):
    """A partition as another process writes it. Not for use by several threads at once."""

    def __init__(
        self, files: FileSystem, folder: Path, position: tuple[str, int], report: Callable[[Damage], None]
    ) -> None:
        super().__init__(files, folder, position, self._doubt)
        self._tell = report
        self._doubts: list[Damage] = []
        self._mark = MarkFile(files, folder)
        self._known: dict[Path, Segment] = {}

    def poll(self) -> int:
        """The end as the writer last noted it."""
        mark = self._mark.load()
        return mark.end if mark is not None else 0

    def read(self, offset: int, max_rows: int, layout: columns.Layout) -> Batch | None:
        """See `Broker.read`; what looks damaged is looked at again, because files may just have been replaced."""
        if offset >= self.end:
            self.refresh()
        batch = super().read(offset, max_rows, layout)
        if self._doubts:
            self.refresh()
            self._doubts.clear()
            batch = super().read(offset, max_rows, layout)
            for damage in self._doubts:
                self._tell(damage)
            self._doubts.clear()
        return batch

    def refresh(self) -> None:
        """Look again at the mark and the files. Raises OSError."""
        mark = self._mark.load()
        end = mark.end if mark is not None else 0
        found = [s for name in self.files.names(self.folder) if (s := self._segment(name)) is not None]
        found.sort(key=lambda segment: (segment.base, -segment.generation))
        kept: list[Segment] = []
        for segment in found:
            if not kept or segment.generation >= kept[-1].generation or segment.base >= kept[-1].end:
                kept.append(segment)
        self._known = {segment.path: segment for segment in kept}
        for segment in kept:
            if not segment.sealed:
                self._extend(segment, end)
                segment.sealed = segment is not kept[-1]
        mark = self._mark.load()  # retention moves the start before it removes files
        with self.lock:
            self.segments = kept
            self.start = mark.start if mark is not None else 0
            self.end = end

    def _segment(self, name: str) -> Segment | None:
        segment = Segment.parse(self.files, self.folder, name)
        if segment is None or segment.path in self._known:
            return self._known.get(segment.path) if segment is not None else None
        try:
            segment.load_schema(read_schemas(self.files, self.folder.parent))
            data = read_whole(self.files, segment.index_path)
            size = segment.file().size()
        except FileNotFoundError:
            return None
        index = SegmentIndex.decode(data, size) if data is not None else None
        if index is not None:
            segment.index = index
            segment.sealed = True
        elif segment.generation:  # compacted: it has its name since it was whole, and says what it accounts for
            covers, segment.index.end = segment.end, segment.base
            self._extend(segment, covers)
            segment.index.end = covers
            segment.sealed = True
        return segment

    def _extend(self, segment: Segment, end: int) -> None:
        """Index what the writer has added and acknowledged."""
        if segment.end >= end:
            return
        file = segment.file()
        for found in Walk(file, segment.size, file.size(), chunk=HEADERS).headers():
            header = found.header
            if header is not None and header.first >= end:
                break
            if header is not None and not found.fault and header.kind == entry.ROWS and header.first >= segment.end:
                segment.index.add(found.position, header)

    def _doubt(self, damage: Damage) -> None:
        self._doubts.append(damage)


@dataclass
class _Followed:
    """A topic as this process knows it."""

    spec: TopicSpec
    layout: columns.Layout
    partitions: list[Follower]


class ReadOnlyBroker:
    """The log in another process's folder; see `wayside.ports.Broker`. What would write raises WaysideError."""

    def __init__(self, folder: Path, *, clock: Clock = SYSTEM, files: FileSystem = REAL) -> None:
        self.damage = DamageLedger(files, None)
        self._folder = folder
        self._clock = clock
        self._files = files
        self._groups = GroupOffsets(files, folder / "groups", self.damage.report)
        self._lock = threading.RLock()
        self._known: dict[str, _Followed] = {}

    def create(self, spec: TopicSpec) -> None:
        """Raises WaysideError."""
        raise _read_only(f"create topic {spec.name}")

    def delete(self, topic: str) -> None:
        """Raises WaysideError."""
        raise _read_only(f"delete topic {topic}")

    def topics(self) -> dict[str, TopicSpec]:
        """See `Broker.topics`."""
        folder = self._folder / "topics"
        found = [read_spec(self._files, folder / name) for name in self._files.names(folder)]
        specs = {spec.name: spec for spec in sorted((s for s in found if s is not None), key=lambda s: s.name)}
        with self._lock:  # a topic that was deleted may come again with other files
            self._known = {name: known for name, known in self._known.items() if name in specs}
        return specs

    def append(
        self, topic: str, frame: pl.DataFrame, *, ids: pl.Series | None = None, partition: int | None = None
    ) -> Future[Appended]:
        """Raises WaysideError."""
        raise _read_only(f"append to topic {topic}")

    def read(self, topic: str, partition: int, offset: int, *, max_rows: int = 100_000) -> Batch | None:
        """See `Broker.read`."""
        with self._lock:
            follower = self._partition(topic, partition)
            batch = follower.read(offset, max_rows, self._known[topic].layout)
            if follower.segments and follower.segments[-1].schema_crc != self._known[topic].layout.crc:
                del self._known[topic]  # columns were added: read again with the new spec
                batch = self._partition(topic, partition).read(offset, max_rows, self._known[topic].layout)
            return batch

    def partitions(self, topic: str) -> list[PartitionInfo]:
        """See `Broker.partitions`."""
        with self._lock:
            count = len(self._topic(topic).partitions)
            return [self._partition(topic, number, fresh=True).info() for number in range(count)]

    def seek(self, topic: str, partition: int, time: datetime, *, by: Literal["append", "event"] = "event") -> int:
        """See `Broker.seek`."""
        with self._lock:
            by = by if self._topic(topic).spec.time else "append"
            return self._partition(topic, partition, fresh=True).seek(time, by)

    def commit(self, group: str, positions: Mapping[Position, int]) -> None:
        """Raises WaysideError."""
        raise _read_only(f"commit offsets of group {group}")

    def committed(self, group: str) -> dict[Position, int]:
        """See `Broker.committed`."""
        return self._groups.reread(group)

    def wait(self, positions: Mapping[Position, int], timeout: float) -> bool:
        """See `Broker.wait`; looks every 20 ms."""
        until = self._clock.monotonic() + timeout
        while True:
            with self._lock:
                if any(self._partition(*place).poll() > offset for place, offset in positions.items()):
                    return True
            left = until - self._clock.monotonic()
            if left <= 0:
                return False
            self._clock.sleep(min(_POLL, left))

    def maintain(self) -> None:
        """Raises WaysideError."""
        raise _read_only("maintain the log")

    def close(self) -> None:
        """Nothing to give back."""

    def _topic(self, name: str) -> _Followed:
        if name not in self._known:
            folder = topic_folder(self._folder, name)
            spec = read_spec(self._files, folder)
            if spec is None:
                raise no_topic(name, self.topics())
            followers = [
                Follower(self._files, folder / str(number), (name, number), self.damage.report)
                for number in range(spec.partitions)
            ]
            self._known[name] = _Followed(spec, columns.Layout(spec.schema), followers)
        return self._known[name]

    def _partition(self, topic: str, partition: int, *, fresh: bool = False) -> Follower:
        partitions = self._topic(topic).partitions
        if not 0 <= partition < len(partitions):
            raise no_partition(topic, partition, len(partitions))
        if fresh:
            partitions[partition].refresh()
        return partitions[partition]


def _read_only(what: str) -> WaysideError:
    return WaysideError(
        f"This process cannot {what}.",
        why="It reads a log that another process writes.",
        next="Send the request to the process that holds the data folder.",
    )
