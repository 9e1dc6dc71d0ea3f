"""A good log on a simulated disk, its files by kind, and what must hold after one of them was harmed."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from tests.contracts.broker.rows import NOON, SPEC, offsets, put, rows
from tests.faults.disk import SimulatedDisk
from wayside.broker import EmbeddedBroker, entry
from wayside.broker.entry import Header
from wayside.broker.mark import MarkFile
from wayside.broker.scan import Walk
from wayside.clock import ManualClock

FOLDER = Path("/log")
PLACE = FOLDER / "topics" / "readings" / "0"
ROWS = 200
KINDS = [
    "first segment", "middle segment", "last segment", "index", "last index", "mark", "spec", "schema", "group",
    "group before",
]  # fmt: skip
HURTS = {"first segment", "middle segment", "last segment"}

Found = tuple[dict[int, float], list[tuple[int, int]]]


def opened(disk: SimulatedDisk) -> EmbeddedBroker:
    return EmbeddedBroker(FOLDER, clock=ManualClock(NOON), files=disk, segment_bytes=4096)


def filled(disk: SimulatedDisk) -> EmbeddedBroker:
    """200 rows with ids in entries of 10, in several segments, and a group that has committed 70 and then 80."""
    broker = opened(disk)
    broker.create(SPEC)
    for start in range(0, ROWS, 10):
        put(broker, rows(start, 10), ids=[f"id-{number}" for number in range(start, start + 10)])
    broker.commit("group", {("readings", 0): 70})
    broker.commit("group", {("readings", 0): 80})
    return broker


def closed() -> SimulatedDisk:
    """The disk of such a log after an orderly end."""
    disk = SimulatedDisk()
    filled(disk).close()
    return disk


@cache
def expected(value: int) -> tuple[object, ...]:
    """The row that belongs to a value."""
    return rows(value, 1).row(0)


def contents(broker: EmbeddedBroker) -> dict[int, float]:
    """Value by offset; each row must be the one that was appended there."""
    found: dict[int, float] = {}
    offset = broker.partitions("readings")[0].start
    while (batch := broker.read("readings", 0, offset, max_rows=30)) is not None:
        values = batch.frame.get_column("value").to_list()
        for number, value, row in zip(offsets(batch), values, batch.frame.iter_rows(), strict=True):
            assert row == expected(int(value))
            found[number] = value
        assert batch.next > offset
        offset = batch.next
    return found


def lost(broker: EmbeddedBroker) -> list[tuple[int, int]]:
    """Ranges of offsets that are named as damaged."""
    return sorted((one.first, one.next) for one in broker.damage.entries() if one.partition >= 0)


def read(disk: SimulatedDisk) -> Found:
    """What is served and what is named as lost; then the log goes on, and looks the same the next time."""
    broker = opened(disk)
    broker.create(SPEC)
    found, named = contents(broker), lost(broker)
    end = broker.partitions("readings")[0].end
    assert put(broker, rows(1000, 5)).offsets.to_list() == list(range(end, end + 5))
    broker.close()
    again = opened(disk)
    assert {number: value for number, value in contents(again).items() if value < 1000} == found
    assert lost(again) == named
    again.close()
    return found, named


def check(found: dict[int, float], named: list[tuple[int, int]], *, at_least: int) -> None:
    """Every offset is either served, with its own row, or named as lost; and not too many are lost."""
    assert all(value == number for number, value in found.items())
    gone = {number for first, end in named for number in range(first, end)}
    assert gone | set(found) >= set(range(ROWS)), "rows vanished without a word"
    assert not gone & set(found)
    assert len(found) >= at_least


def segments(disk: SimulatedDisk) -> list[Path]:
    return [path for path in disk.files() if path.suffix == ".log"]


def entries(disk: SimulatedDisk, path: Path) -> list[tuple[int, Header]]:
    """Position and header of each entry of a file."""
    file = disk.open(path)
    return [(one.position, one.header) for one in Walk(file, 0, file.size()).entries() if one.header is not None]


def kinds(disk: SimulatedDisk) -> dict[str, Path]:
    """One file of each kind; the indexes are there once the log was closed."""
    first, middle, *_, last = segments(disk)
    schemas = FOLDER / "topics" / "readings" / "schemas"
    return {
        "first segment": first,
        "middle segment": middle,
        "last segment": last,
        "index": middle.with_suffix(".idx"),
        "last index": last.with_suffix(".idx"),
        "mark": PLACE / "mark",
        "spec": FOLDER / "topics" / "readings" / "topic.json",
        "schema": next(path for path in disk.files() if path.parent == schemas),
        "group": FOLDER / "groups" / "group.json",
        "group before": FOLDER / "groups" / "group.json.old",
    }


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def unacknowledge(disk: SimulatedDisk, end: int) -> None:
    """Make the mark, the headers and the groups say that only `end` rows were acknowledged."""
    mark = MarkFile(disk, PLACE)
    mark.load()
    mark.write(0, end)
    mark.write(0, end)
    for path in disk.files():
        if path.parent.name == "groups":
            disk.put(path, None)
    last = segments(disk)[-1]
    data = bytearray(disk.files()[last])
    for position, header in entries(disk, last):
        data[position : position + entry.SIZE] = entry.encode(header._replace(acked=min(header.acked, end)))
    disk.put(last, bytes(data))
    disk.put(last.with_suffix(".idx"), None)
