"""The log in files of this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from wayside.broker.commit import GroupCommit
from wayside.broker.damage import DamageLedger
from wayside.broker.declared import chosen, conform
from wayside.broker.errors import FULL, beyond_end, no_partition, no_topic, not_written
from wayside.broker.log import PartitionLog
from wayside.broker.reader import ReadOnlyBroker
from wayside.broker.reserve import Reserve
from wayside.broker.store import Store
from wayside.broker.topic import Topic
from wayside.broker.upkeep import Upkeep
from wayside.broker.writer import AppendQueue, Job, Pending, Writer
from wayside.clock import SYSTEM, Clock
from wayside.errors import WaysideError
from wayside.files import REAL, FileSystem
from wayside.specs import TopicSpec
from wayside.values import Appended, Batch, PartitionInfo, Position


class EmbeddedBroker:
    """The durable ordered log of one process, in a folder that it locks; see `wayside.ports.Broker`.

    An append is acknowledged after an fdatasync. `gather` seconds bound how long appends wait for each other,
    `segment_bytes` is the size at which a file is closed, `queue_bytes` what may wait to be written. `damage` lists
    what was acknowledged and cannot be served any more. Raises DataFolderLockedError.
    """

    reader = ReadOnlyBroker
    """The log of another process, for reading; it takes no lock and may come and go at any time."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock = SYSTEM,
        files: FileSystem = REAL,
        gather: float = 0.005,
        segment_bytes: int = 64 << 20,
        queue_bytes: int = 64 << 20,
    ) -> None:
        with _storage("the log could not be opened"):
            files.make_folder(folder)
            self._lock = files.lock(folder)
        try:
            with _storage("the log could not be opened"):
                self.damage = DamageLedger(files, folder / "quarantine")
                self._store = Store(files, folder, self.damage, clock=clock, segment_bytes=segment_bytes)
                self._topics: dict[str, Topic] = self._store.load()
        except BaseException:
            self._lock.release()
            raise
        self._changed = threading.Condition()
        self._closed = False
        self._reserve = Reserve(files, folder)
        self._reserve.take()
        self._upkeep = Upkeep(self._topics, clock, self._reserve, self._ask)
        self._commit = GroupCommit(self._topics, clock, published=self._wake, make_room=self._upkeep.expire)
        self._queue = AppendQueue(capacity=queue_bytes, gather=gather, clock=clock)
        self._writer = Writer(self._queue, self._commit, self._settle)

    @property
    def failure(self) -> WaysideError | None:
        """Why nothing is written any more, or null. The process should exit and recover."""
        return self._writer.failure

    @property
    def disk_full(self) -> bool:
        """Whether the last group was refused for want of space."""
        return self._commit.disk_full

    def create(self, spec: TopicSpec) -> None:
        """See `Broker.create`. Raises DeclarationError when the topic exists with another schema."""
        with _storage(f"topic {spec.name} was not created"):
            self._ask(lambda: self._create(spec))

    def delete(self, topic: str) -> None:
        """See `Broker.delete`. What is queued for the topic fails. Raises StorageFailedError."""
        with self._upkeep.paused(), _storage(f"topic {topic} was not deleted"):
            self._ask(lambda: self._delete(topic))

    def topics(self) -> dict[str, TopicSpec]:
        """See `Broker.topics`."""
        return {name: topic.spec for name, topic in sorted(self._topics.items())}

    def append(
        self, topic: str, frame: pl.DataFrame, *, ids: pl.Series | None = None, partition: int | None = None
    ) -> Future[Appended]:
        """See `Broker.append`. A failed or full disk is told by the future."""
        spec = self._topic(topic).spec
        frame = conform(spec, frame)
        where = chosen(spec, frame, partition)
        size = frame.estimated_size() + 32 * frame.height
        pending = Pending(topic, frame, None if ids is None else ids.cast(pl.String), where, int(size))
        pending.future.set_running_or_notify_cancel()
        if frame.is_empty():
            nothing = pl.Series([], dtype=pl.Int64)
            pending.future.set_result(Appended(nothing.alias("partition"), nothing.alias("offset")))
        elif self._writer.failure is not None:
            pending.future.set_exception(self._writer.failure)
        else:
            self._queue.put(pending)
        return pending.future

    def read(self, topic: str, partition: int, offset: int, *, max_rows: int = 100_000) -> Batch | None:
        """See `Broker.read`. A batch without rows leads over damage: go on at its `next`."""
        found = self._topic(topic)
        return self._partition(topic, partition).read(offset, max_rows, found.layout)

    def partitions(self, topic: str) -> list[PartitionInfo]:
        """See `Broker.partitions`."""
        return [log.info() for log in self._topic(topic).logs]

    def seek(self, topic: str, partition: int, time: datetime, *, by: Literal["append", "event"] = "event") -> int:
        """See `Broker.seek`. Without an event time in the topic, the time of appending counts."""
        by = by if self._topic(topic).spec.time else "append"
        return self._partition(topic, partition).seek(time, by)

    def commit(self, group: str, positions: Mapping[Position, int]) -> None:
        """See `Broker.commit`. Raises OffsetOutOfRangeError for an offset beyond the end."""
        for (topic, partition), offset in positions.items():
            end = self._partition(topic, partition).end
            if offset > end:
                raise beyond_end(group, topic, partition, offset, end)
        with _storage(f"the offsets of group {group} were not committed"):
            try:
                self._store.groups.commit(group, positions)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                with self._reserve.open():
                    self._store.groups.commit(group, positions)

    def committed(self, group: str) -> dict[Position, int]:
        """See `Broker.committed`."""
        return self._store.groups.committed(group)

    def wait(self, positions: Mapping[Position, int], timeout: float) -> bool:
        """See `Broker.wait`."""
        logs = [(self._partition(*position), offset) for position, offset in positions.items()]
        with self._changed:
            return self._changed.wait_for(
                lambda: self._closed or any(log.end > offset for log, offset in logs), timeout
            ) and any(log.end > offset for log, offset in logs)

    def maintain(self) -> None:
        """See `Broker.maintain`. Raises StorageFailedError."""
        self._upkeep.run(disk_full=self.disk_full)

    def close(self) -> None:
        """Answer what was appended, write down where everything is, and give the folder back."""
        if self._closed:
            return
        self._queue.close()
        self._writer.join()
        self._closed = True
        self._wake()
        self._reserve.release()
        try:
            if self._writer.failure is None:
                with _storage("the log could not be closed; it recovers at the next start"):
                    for log in self._logs():
                        log.close()
        finally:
            self._lock.release()

    def _ask(self, work: Callable[[], None]) -> None:
        """Run something in the writer thread and wait for it."""
        if self._writer.is_current:
            work()
            return
        job = Job(work)
        self._queue.ask(job)
        job.future.result()

    def _settle(self) -> None:
        for log in self._logs():
            log.settle()

    def _logs(self) -> Iterator[PartitionLog]:
        return (log for topic in list(self._topics.values()) for log in topic.logs)

    def _create(self, spec: TopicSpec) -> None:
        self._topics[spec.name] = self._store.create(spec, self._topics.get(spec.name))

    def _delete(self, name: str) -> None:
        topic = self._topic(name)
        del self._topics[name]  # first: nobody must find it half deleted
        self._store.delete(topic)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _topic(self, name: str) -> Topic:
        found = self._topics.get(name)
        if found is None:
            raise no_topic(name, self._topics)
        return found

    def _partition(self, topic: str, partition: int) -> PartitionLog:
        logs = self._topic(topic).logs
        if not 0 <= partition < len(logs):
            raise no_partition(topic, partition, len(logs))
        return logs[partition]


@contextmanager
def _storage(what: str) -> Iterator[None]:
    """Tell an error of the disk in the words of the log."""
    try:
        yield
    except OSError as error:
        raise not_written(what, error) from error
