"""The folder of a log: topics with their specs and partitions, and how they are opened.

log/lock                              who writes
log/topics/NAME/topic.json            the spec
log/topics/NAME/schemas/CRC.arrow     every Arrow schema that its segments use
log/topics/NAME/PARTITION/mark        from where to where it is durable
log/topics/NAME/PARTITION/BASE-GENERATION.log and .idx
log/groups/GROUP.json                 committed offsets
log/quarantine/                       copies of damaged bytes
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

from wayside.broker import columns, lost
from wayside.broker.collect import microseconds
from wayside.broker.damage import Damage, DamageLedger
from wayside.broker.declared import check, merged
from wayside.broker.dtypes import spec_from_json, spec_to_json
from wayside.broker.entry import checksum
from wayside.broker.groups import GroupOffsets
from wayside.broker.log import PartitionLog
from wayside.broker.recovery import Recovery
from wayside.broker.topic import Topic
from wayside.clock import Clock
from wayside.files import FileSystem, read_whole, replace_whole
from wayside.specs import TopicSpec


class Store:
    """Opens and creates topics of one folder, for the process that writes it."""

    def __init__(
        self, files: FileSystem, folder: Path, ledger: DamageLedger, *, clock: Clock, segment_bytes: int
    ) -> None:
        self.files = files
        self.folder = folder
        self.ledger = ledger
        self.clock = clock
        self.segment_bytes = segment_bytes
        for name in ("topics", "groups", "quarantine"):
            files.make_folder(folder / name)
            files.sync_folder(folder / name)  # what a start sees, a later power cut must not take back
        ledger.load()
        self.groups = GroupOffsets(files, folder / "groups", ledger.report)
        self.groups.load()

    def load(self) -> dict[str, Topic]:
        """Open every topic that has a readable spec; one without is reported, and `create` takes its data over."""
        topics = {}
        for name in self.files.names(self.folder / "topics"):
            spec = read_spec(self.files, self.folder / "topics" / name)
            if spec is None and self._unfinished(name):
                continue
            if spec is None:
                path = self.folder / "topics" / name / "topic.json"
                reason = "the topic's spec is missing or damaged; its records wait until it is created again"
                self.ledger.report(Damage(unquote(name), -1, 0, 0, str(path), reason))
            else:
                topics[spec.name] = self.open(spec)
        return topics

    def create(self, spec: TopicSpec, existing: Topic | None) -> Topic:
        """Make or change a topic durably. Raises DeclarationError, OSError."""
        check(spec)
        if existing is not None:
            new = merged(existing.spec, spec)
            if existing.spec != new:
                self._save(new)
                existing.change(new)
            return existing
        folder = topic_folder(self.folder, spec.name)
        if found := lost.partitions(self.files, folder):
            return self._take_over(spec, found)
        for partition in range(spec.partitions):
            self.files.make_folder(folder / str(partition))
        self._save(spec)
        return self.open(spec)

    def _take_over(self, spec: TopicSpec, partitions: int) -> Topic:
        """Open the records of a topic whose own spec is lost. Raises DeclarationError, OSError."""
        lost.check(spec, partitions, topic_folder(self.folder, spec.name))
        self._save_schema(spec)  # theirs may be lost as well
        topic = self.open(spec)
        try:
            topic.change(replace(spec, partitioner=lost.partitioner(spec, topic.logs)))
            self._save(topic.spec)
        except BaseException:
            for log in topic.logs:
                log.close()
            raise
        return topic

    def delete(self, topic: Topic) -> None:
        """Take a topic out of the folder at once and durably, then remove its files. Raises OSError."""
        self.groups.forget(topic.spec.name)
        for log in topic.logs:
            log.close()
        folder = topic_folder(self.folder, topic.spec.name)
        grave = self.folder / "deleted" / f"{microseconds(self.clock.now())}-{len(topic.logs)}"
        self.files.make_folder(grave)
        self.files.rename(folder, grave / "topic")
        self.files.sync_folder(grave)
        self.files.sync_folder(folder.parent)
        shutil.rmtree(self.folder / "deleted", ignore_errors=True)  # what is left goes with the next one

    def open(self, spec: TopicSpec) -> Topic:
        """Recover the partitions of a topic. Raises OSError."""
        folder = topic_folder(self.folder, spec.name)
        self.files.sync_folder(folder)
        schemas = read_schemas(self.files, folder)
        logs = [self._open_partition(spec, number, schemas) for number in range(spec.partitions)]
        topic = Topic(spec, logs)
        topic.recall(microseconds(self.clock.now()))
        return topic

    def _open_partition(self, spec: TopicSpec, number: int, schemas: dict[int, columns.ArrowSchema]) -> PartitionLog:
        folder = topic_folder(self.folder, spec.name) / str(number)
        self.files.make_folder(folder)
        log = PartitionLog(self.files, folder, (spec.name, number), self.ledger.report)
        log.segment_bytes = self.segment_bytes
        mark = log.mark.load()
        recovery = Recovery(
            self.files, folder, (spec.name, number), schemas=schemas, report=self.ledger.report, keep=self.ledger.copy
        )
        recovery.run(mark, self.groups.highest((spec.name, number)))
        log.mark.create()
        self.files.sync_folder(folder)
        log.begin(recovery.segments, recovery.start, recovery.end)
        recovery.clean()
        return log

    def _unfinished(self, name: str) -> bool:
        """Whether a crash came while the topic was created: no spec yet, and so nothing in its partitions."""
        folder = self.folder / "topics" / name
        inside = self.files.names(folder)
        return "topic.json" not in inside and not any(self.files.names(folder / n) for n in inside if n.isdigit())

    def _save(self, spec: TopicSpec) -> None:
        self._save_schema(spec)
        replace_whole(self.files, topic_folder(self.folder, spec.name) / "topic.json", spec_to_json(spec))

    def _save_schema(self, spec: TopicSpec) -> None:
        folder = topic_folder(self.folder, spec.name)
        layout = columns.Layout(spec.schema)
        self.files.make_folder(folder / "schemas")
        schema = folder / "schemas" / f"{layout.crc:08x}.arrow"
        if read_whole(self.files, schema) != layout.message:
            replace_whole(self.files, schema, layout.message)


def topic_folder(folder: Path, name: str) -> Path:
    """Where a topic lies; its name is quoted, so that any text is a safe file name."""
    quoted = quote(name, safe="")
    return folder / "topics" / (quoted.replace(".", "%2E") if quoted.startswith(".") else quoted)


def read_spec(files: FileSystem, folder: Path) -> TopicSpec | None:
    """The spec in a topic's folder, or null when there is none that can be read."""
    data = read_whole(files, folder / "topic.json")
    try:
        return spec_from_json(data) if data is not None else None
    except ValueError:
        return None


def read_schemas(files: FileSystem, folder: Path) -> dict[int, columns.ArrowSchema]:
    """Every Arrow schema of a topic by checksum; damaged ones are left out."""
    found = {}
    for name in files.names(folder / "schemas"):
        data = read_whole(files, folder / "schemas" / name) or b""
        if name == f"{checksum(data):08x}.arrow":
            found[checksum(data)] = columns.arrow_schema(data)
    return found
