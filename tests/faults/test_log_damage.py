"""Cut tails, flipped bits, noise, missing files: nothing torn is served, what was lost is named, the rest is there."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.contracts.broker.rows import SPEC, put, rows
from tests.faults.disk import SimulatedDisk
from tests.faults.log_samples import (
    FOLDER,
    HURTS,
    KINDS,
    ROWS,
    check,
    closed,
    contents,
    entries,
    filled,
    flipped,
    kinds,
    lost,
    noise,
    opened,
    read,
    segments,
    unacknowledge,
)
from wayside.broker import EmbeddedBroker, entry
from wayside.broker.store import topic_folder

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


@pytest.fixture(scope="module")
def good() -> SimulatedDisk:
    return closed()


def test_an_unacknowledged_tail_cut_at_every_byte_is_dropped(good: SimulatedDisk) -> None:
    path = segments(good)[-1]
    tail = entries(good, path)[-3:]
    for cut in range(tail[0][0], len(good.files()[path])):
        disk = good.after_kill()
        unacknowledge(disk, ROWS - 30)
        disk.put(path, disk.files()[path][:cut])
        broker = opened(disk)
        found = contents(broker)
        whole = sum(position + header.span <= cut for position, header in tail)
        assert len(found) == ROWS - 30 + 10 * whole
        assert broker.damage.entries() == []
        assert put(broker, rows(len(found), 1)).offsets.to_list() == [len(found)]
        broker.close()


def test_an_acknowledged_tail_cut_anywhere_is_named(good: SimulatedDisk) -> None:
    path = segments(good)[-1]
    for cut in range(entries(good, path)[-3][0], len(good.files()[path]), 3):
        disk = good.after_kill()
        disk.put(path, disk.files()[path][:cut])
        found, named = read(disk)
        check(found, named, at_least=ROWS - 30)
        assert named


@pytest.mark.parametrize("content", ["zeros", "noise", "entries of before"])
def test_what_follows_the_tail_is_cut_off(good: SimulatedDisk, content: str) -> None:
    path = segments(good)[-1]
    for size in (1, 15, 16, 80, 511, 4096):
        disk = good.after_kill()
        data = disk.files()[path]
        more = {"zeros": bytes(size), "noise": noise(size), "entries of before": data[-size:]}[content]
        disk.put(path, data + more)
        assert read(disk) == ({number: float(number) for number in range(ROWS)}, [])


def test_without_a_mark_the_bytes_that_are_cut_off_are_kept(good: SimulatedDisk) -> None:
    """Nobody can tell then whether they had been acknowledged."""
    disk = good.after_kill()
    path = segments(disk)[-1]
    whole = disk.files()[path]
    disk.put(kinds(disk)["mark"], None)
    disk.put(path.with_suffix(".idx"), None)
    disk.put(path, whole[:-50])
    opened(disk).close()
    kept = [data for place, data in disk.files().items() if place.parent.name == "quarantine"]
    start = entries(good, path)[-1][0]
    assert kept == [whole[start:-50]]


def test_every_flipped_bit_of_one_entry_is_found(good: SimulatedDisk) -> None:
    path = segments(good)[1]
    position, header = entries(good, path)[2]
    for bit in range(0, 8 * header.span, 11):
        disk = good.after_kill()
        disk.put(path, flipped(disk.files()[path], 8 * position + bit))
        broker = opened(disk)
        found, named = contents(broker), lost(broker)
        filling = entry.SIZE - 4 <= bit // 8 < entry.SIZE or bit // 8 >= entry.SIZE + header.size
        assert named == ([] if filling else [(header.first, header.next)]), bit
        check(found, named, at_least=ROWS - 10)
        broker.close()


@pytest.mark.parametrize("kind", KINDS)
def test_random_flipped_bits(good: SimulatedDisk, kind: str) -> None:
    path = kinds(good)[kind]
    chance = random.Random(KINDS.index(kind))
    for _ in range(40):
        disk = good.after_kill()
        data = disk.files()[path]
        disk.put(path, flipped(data, chance.randrange(8 * len(data))))
        found, named = read(disk)
        check(found, named, at_least=ROWS - 10 if kind in HURTS else ROWS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_noise(good: SimulatedDisk, kind: str) -> None:
    """`dd if=/dev/urandom` over a file, which also makes it as long as the noise."""
    for size in (0, 16, 300, 250_000):
        disk = good.after_kill()
        disk.put(kinds(disk)[kind], noise(size))
        found, named = read(disk)
        check(found, named, at_least=ROWS - 80 if kind in HURTS else ROWS)
        assert bool(named) == (kind in HURTS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file(good: SimulatedDisk, kind: str) -> None:
    disk = good.after_kill()
    disk.put(kinds(disk)[kind], None)
    found, named = read(disk)
    check(found, named, at_least=ROWS - 80 if kind in HURTS else ROWS)
    assert bool(named) == (kind in HURTS)


def test_no_empty_start_when_everything_in_a_partition_is_gone(good: SimulatedDisk) -> None:
    disk = good.after_kill()
    for path in disk.files():
        if path.parent == topic_folder(FOLDER, "readings") / "0":
            disk.put(path, None)
    broker = opened(disk)
    assert lost(broker) == [(0, 80)]  # what the group had committed is all that is known
    assert broker.partitions("readings")[0].end == 80
    broker.close()


def test_damaged_group_offsets_fall_back_and_are_told(good: SimulatedDisk) -> None:
    disk = good.after_kill()
    path = kinds(disk)["group"]
    disk.put(path, flipped(disk.files()[path], 100))
    broker = opened(disk)
    assert broker.committed("group") == {("readings", 0): 70}
    (damage,) = broker.damage.entries()
    assert "offsets are damaged" in damage.reason
    assert damage.kept
    broker.close()


def test_a_damaged_spec_is_told_and_the_rows_wait_for_it(good: SimulatedDisk) -> None:
    for content in (b"{", None):
        disk = good.after_kill()
        disk.put(kinds(disk)["spec"], content)
        broker = opened(disk)
        assert broker.topics() == {}
        assert [one.topic for one in broker.damage.entries()] == ["readings"]
        broker.create(SPEC)
        assert len(contents(broker)) == ROWS
        broker.close()


def test_a_lost_schema_is_taken_from_the_topic(good: SimulatedDisk) -> None:
    disk = good.after_kill()
    path = segments(disk)[0]
    disk.put(path, flipped(disk.files()[path], 8 * 120))
    assert read(disk) == ({number: float(number) for number in range(ROWS)}, [])


def test_rows_whose_schema_is_lost_everywhere_are_named(good: SimulatedDisk) -> None:
    disk = good.after_kill()
    path = segments(disk)[0]
    disk.put(path, flipped(disk.files()[path], 8 * 120))
    disk.put(kinds(disk)["schema"], None)
    found, named = read(disk)
    check(found, named, at_least=ROWS - 80)
    assert named[0][0] == 0


def test_damage_is_copied_aside_told_once_and_remembered(good: SimulatedDisk) -> None:
    disk = good.after_kill()
    path = segments(disk)[0]
    position, header = entries(disk, path)[1]
    broken = flipped(disk.files()[path], 8 * (position + 200))
    disk.put(path, broken)
    broker = opened(disk)
    told: list[object] = []
    broker.damage.subscribe(told.append)
    for _ in range(3):
        contents(broker)
    (damage,) = broker.damage.entries()
    assert told == [damage]
    assert (damage.first, damage.next, damage.position) == (header.first, header.next, position)
    assert disk.files()[Path(damage.kept)] == broken[position : position + header.span]
    broker.close()
    assert disk.files()[path] == broken, "nothing that is damaged is touched"
    note = json.loads(disk.files()[Path(damage.kept).with_suffix(".json")])
    assert note["reason"] == "the checksum of the rows is wrong"
    broker = opened(disk)
    assert broker.damage.entries() == [damage]
    broker.close()


@pytest.mark.parametrize("kind", ["first segment", "middle segment", "last segment", "mark", "index"])
@pytest.mark.parametrize("size", [0, 3000, 100_000])
def test_a_file_that_is_overwritten_while_it_is_in_use(kind: str, size: int) -> None:
    """Cut and filled with noise under the running process: it goes on, and serves everything else."""
    disk = SimulatedDisk()
    broker = filled(disk)
    reader = EmbeddedBroker.reader(FOLDER, files=disk)
    assert len(contents(reader)) == ROWS  # type: ignore[arg-type] # the reader reads like the broker
    disk.put(kinds(disk)[kind], noise(size))
    check(contents(broker), lost(broker), at_least=ROWS - 80 if kind in HURTS else ROWS)
    if kind != "mark":
        check(contents(reader), lost(reader), at_least=ROWS - 80 if kind in HURTS else ROWS)  # type: ignore[arg-type] # as above
    assert put(broker, rows(ROWS, 1)).offsets.to_list() == [ROWS]
    assert contents(reader)[ROWS] == ROWS  # type: ignore[arg-type] # as above
    broker.close()
