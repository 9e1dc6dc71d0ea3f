"""A day in the life of a log, told to a disk that may fail at any call, and what must hold afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from tests.faults.disk import SimulatedDisk
from wayside.broker import EmbeddedBroker
from wayside.clock import ManualClock
from wayside.errors import DiskFullError, StorageFailedError
from wayside.specs import TIME, TopicSpec
from wayside.values import Position

FOLDER = Path("/log")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCHEMA = pl.Schema({"thing": pl.String(), "at": TIME, "value": pl.Int64()})
READINGS = TopicSpec("readings", SCHEMA, key=("thing",), time="at", partitions=2)
LATEST = TopicSpec("latest", SCHEMA, key=("thing",), time="at", compact=True)
SHORT = replace(READINGS, name="short", partitions=1, retention_bytes=4000)


@dataclass
class Promised:
    """What the story was told: answered rows, refused values, committed offsets, and what it asked for."""

    rows: dict[tuple[str, int, int], int] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    offered: set[int] = field(default_factory=set)
    committed: dict[Position, int] = field(default_factory=dict)
    asked: dict[Position, int] = field(default_factory=dict)


def rows(first: int, count: int) -> pl.DataFrame:
    return rows_of(range(first, first + count))


def rows_of(values: Iterable[int], things: int = 5) -> pl.DataFrame:
    """Each row follows from its value, so a torn or mixed one is recognised."""
    numbers = list(values)
    return pl.DataFrame(
        {
            "thing": [f"thing-{number % things}" for number in numbers],
            "at": [NOON + timedelta(seconds=number) for number in numbers],
            "value": numbers,
        },
        schema=SCHEMA,
    )


def opened(disk: SimulatedDisk, kind: type[EmbeddedBroker] = EmbeddedBroker) -> EmbeddedBroker:
    return kind(FOLDER, clock=ManualClock(NOON), files=disk, segment_bytes=2500, gather=0.0)


@contextmanager
def tolerated(promised: Promised, values: range = range(0)) -> Iterator[None]:
    """A full disk refuses and goes on; what is refused must never be seen."""
    try:
        yield
    except DiskFullError:
        promised.refused.update(values)


def offer(broker: EmbeddedBroker, promised: Promised, topic: str, values: range, *, ids: bool = False) -> None:
    names = pl.Series([f"{topic}-{value}" for value in values]) if ids else None
    frame = rows(values.start, len(values))
    promised.offered.update(values)
    with tolerated(promised, values):
        answer = broker.append(topic, frame, ids=names).result(timeout=30)
        for partition, offset, value in zip(answer.partitions, answer.offsets, values, strict=True):
            if offset >= 0:
                assert (topic, partition, offset) not in promised.rows
                promised.rows[topic, partition, offset] = value


def commit(broker: EmbeddedBroker, promised: Promised, positions: dict[Position, int]) -> None:
    promised.asked |= positions
    with tolerated(promised):
        broker.commit("group", positions)
        promised.committed |= positions


def tell(disk: SimulatedDisk, promised: Promised, kind: type[EmbeddedBroker] = EmbeddedBroker) -> None:
    """Create, append, roll, commit, compact, expire, close, open again, append. Ends early when storage fails."""
    try:
        first_day(disk, promised, kind)
        second_day(disk, promised, kind)
    except StorageFailedError:
        return


def first_day(disk: SimulatedDisk, promised: Promised, kind: type[EmbeddedBroker]) -> None:
    broker = opened(disk, kind)
    try:
        for spec in (READINGS, LATEST, SHORT):
            with tolerated(promised):
                broker.create(spec)
        if len(broker.topics()) < 3:
            return
        for start in range(0, 120, 20):
            offer(broker, promised, "readings", range(start, start + 20), ids=True)
        offer(broker, promised, "readings", range(100, 120), ids=True)
        ends = {("readings", info.partition): info.end for info in broker.partitions("readings")}
        commit(broker, promised, {place: end // 2 for place, end in ends.items()})
        for start in range(1000, 1200, 25):
            offer(broker, promised, "latest", range(start, start + 25))
        for start in range(2000, 2200, 25):
            offer(broker, promised, "short", range(start, start + 25))
        commit(broker, promised, ends)
        with tolerated(promised):
            broker.maintain()
        offer(broker, promised, "latest", range(1200, 1225))
    finally:
        with tolerated(promised):
            broker.close()


def second_day(disk: SimulatedDisk, promised: Promised, kind: type[EmbeddedBroker]) -> None:
    broker = opened(disk, kind)
    try:
        if len(broker.topics()) < 3:
            return
        for start in range(120, 160, 20):
            offer(broker, promised, "readings", range(start, start + 20), ids=True)
        offer(broker, promised, "latest", range(1300, 1325))
        check_refused(broker, promised)
    finally:
        with tolerated(promised):
            broker.close()


def check_refused(broker: EmbeddedBroker, promised: Promised) -> None:
    """What was refused is not to be seen; a value may have been refused once and taken later."""
    taken = set(promised.rows.values())
    for topic in broker.topics():
        seen = {value for _, value in contents(broker, topic)}
        assert not seen & (promised.refused - taken)


def contents(broker: EmbeddedBroker, topic: str) -> Iterator[tuple[tuple[str, int, int], int]]:
    """Every row that can be read, by its place; the rows themselves must be those that were offered."""
    for info in broker.partitions(topic):
        offset = info.start
        while (batch := broker.read(topic, info.partition, offset)) is not None:
            values = batch.frame.get_column("value").to_list()
            assert batch.frame.equals(rows_of(values))
            numbers = range(batch.first, batch.first + len(values)) if batch.offsets is None else batch.offsets
            yield from zip(((topic, info.partition, number) for number in numbers), values, strict=True)
            offset = batch.next
        assert offset == info.end


def verify(disk: SimulatedDisk, promised: Promised, kind: type[EmbeddedBroker] = EmbeddedBroker) -> None:
    """Open what a crash has left, and hold it against what was promised; then use it, and open it once more."""
    before = check(disk, promised, kind)
    after = check(disk, promised, kind)
    assert before == {place: value for place, value in after.items() if value < 5000}
    assert len(after) == len(before) + 3 * 10


def check(disk: SimulatedDisk, promised: Promised, kind: type[EmbeddedBroker]) -> dict[tuple[str, int, int], int]:
    broker = opened(disk, kind)
    try:
        assert broker.damage.entries() == [], broker.damage.entries()
        for spec in (READINGS, LATEST, SHORT):
            broker.create(spec)
        found = {place: value for spec in (READINGS, LATEST, SHORT) for place, value in contents(broker, spec.name)}
        check_rows(broker, promised, found)
        check_commits(broker, promised)
        go_on(broker, found)
        return found
    finally:
        broker.close()


def check_rows(broker: EmbeddedBroker, promised: Promised, found: dict[tuple[str, int, int], int]) -> None:
    values = [value for value in found.values() if value < 5000]
    assert len(values) == len(set(values)), "a record is there twice"
    assert set(values) <= promised.offered, "a record is there that nobody offered"
    assert not set(values) & (promised.refused - set(promised.rows.values())), "a refused record is there"
    starts = {(t, info.partition): info.start for t in broker.topics() for info in broker.partitions(t)}
    missing = {place: value for place, value in promised.rows.items() if found.get(place) != value}
    for (topic, partition, offset), value in missing.items():
        if topic == "short":
            assert offset < starts[topic, partition] <= 150, "retention took too much"
        else:
            assert topic == "latest", f"{topic} lost offset {offset}"
            newer = [v for place, v in found.items() if place[0] == "latest" and v > value and v % 5 == value % 5]
            assert newer, f"compaction lost the newest record of thing-{value % 5}"


def check_commits(broker: EmbeddedBroker, promised: Promised) -> None:
    ends = {(t, info.partition): info.end for t in broker.topics() for info in broker.partitions(t)}
    now = broker.committed("group")
    for place, offset in promised.committed.items():
        assert offset <= now.get(place, 0), "a committed offset moved backwards"
    for place, offset in now.items():
        assert offset <= max(promised.asked[place], promised.committed.get(place, 0))
        assert offset <= ends[place], "a committed offset lies beyond the end"


def go_on(broker: EmbeddedBroker, found: dict[tuple[str, int, int], int]) -> None:
    """The log takes new records behind the old ones, and knows the ids of the old ones."""
    known = sorted(value for (topic, _, _), value in found.items() if topic == "readings" and value < 5000)
    if known:
        names = pl.Series([f"readings-{value}" for value in known])
        assert broker.append("readings", rows_of(known), ids=names).result(timeout=30).duplicates == len(known)
    first = 5000 + len(found)
    for spec in (READINGS, LATEST, SHORT):
        ends = {info.partition: info.end for info in broker.partitions(spec.name)}
        answer = broker.append(spec.name, rows(first, 10)).result(timeout=30)
        for partition, offset in zip(answer.partitions, answer.offsets, strict=True):
            assert offset >= ends[partition]
            assert (spec.name, partition, offset) not in found
        first += 10
