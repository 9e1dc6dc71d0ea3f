"""Which files retention and compaction remove, what they leave, and what readers in the middle of it see."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.broker.logs import NOON, SPEC, Path, entries, everything, opened, partition, put, rows, segments
from wayside.broker import MemoryBroker
from wayside.clock import ManualClock
from wayside.errors import OffsetOutOfRangeError

HOUR = 3600.0
AGED = replace(SPEC, retention_age=timedelta(hours=1))
COMPACT = replace(SPEC, compact=True, dedup_horizon=timedelta(hours=1))


def test_old_segments_go_and_young_ones_stay(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    broker = opened(tmp_path, clock)
    broker.create(AGED)
    for start in range(0, 400, 20):
        put(broker, rows(start, 20))
        clock.advance(HOUR / 10)
    before = segments(tmp_path)
    broker.maintain()
    start = broker.partitions("readings")[0].start
    assert 0 < start <= 200
    assert len(segments(tmp_path)) < len(before)
    assert everything(broker, offset=start).equals(rows(start, 400 - start))
    with pytest.raises(OffsetOutOfRangeError):
        broker.read("readings", 0, start - 1)
    broker.close()
    broker = opened(tmp_path, clock)
    assert broker.partitions("readings")[0].start == start
    assert broker.damage.entries() == []
    broker.close()


def test_a_quiet_topic_forgets_as_well_and_goes_on_counting(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    broker = opened(tmp_path, clock)
    broker.create(AGED)
    put(broker, rows(0, 10))
    clock.advance(2 * HOUR)
    broker.maintain()
    info = broker.partitions("readings")[0]
    assert (info.start, info.end, info.oldest) == (10, 10, None)
    assert segments(tmp_path) == []
    broker.close()
    broker = opened(tmp_path, clock)
    assert put(broker, rows(10, 1)).offsets.to_list() == [10]
    assert broker.damage.entries() == []
    broker.close()


def test_a_partition_is_kept_below_its_size(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(replace(SPEC, retention_age=None, retention_bytes=20_000))
    for start in range(0, 2000, 50):
        put(broker, rows(start, 50))
    broker.maintain()
    info = broker.partitions("readings")[0]
    assert info.bytes <= 20_000
    assert info.start > 0
    assert everything(broker, offset=info.start).equals(rows(info.start, 2000 - info.start))
    broker.close()


def test_without_limits_nothing_goes(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    broker = opened(tmp_path, clock)
    broker.create(replace(SPEC, retention_age=None))
    for start in range(0, 200, 20):
        put(broker, rows(start, 20))
    before = segments(tmp_path)
    clock.advance(10_000 * HOUR)
    broker.maintain()
    assert segments(tmp_path) == before
    broker.close()


def test_compaction_leaves_few_rows_in_few_files(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(COMPACT)
    for start in range(0, 2000, 40):
        put(broker, rows(start, 40, things=4))
    before = segments(tmp_path)
    broker.maintain()
    after = segments(tmp_path)
    assert len(after) < len(before)
    closed = [name for name in after if not name.endswith("-0000.log")]
    kept = sum(header.rows for name in closed for _, header, _ in entries(partition(tmp_path) / name))
    assert kept == 4
    assert set(everything(broker)["thing"]) == {f"thing-{number}" for number in range(4)}
    assert everything(broker)["value"].max() == 1999.0
    broker.close()
    broker = opened(tmp_path)
    assert everything(broker)["value"].max() == 1999.0
    assert broker.partitions("readings")[0].end == 2000
    assert broker.damage.entries() == []
    broker.close()


def test_compaction_again_finds_nothing_to_do(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(COMPACT)
    for start in range(0, 1000, 40):
        put(broker, rows(start, 40))
    broker.maintain()
    before = segments(tmp_path)
    broker.maintain()
    assert segments(tmp_path) == before
    broker.close()


def test_ids_of_compacted_rows_are_known_for_their_horizon(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    broker = opened(tmp_path, clock)
    broker.create(COMPACT)
    for start in range(0, 400, 40):
        put(broker, rows(start, 40), ids=[f"id-{number}" for number in range(start, start + 40)])
    broker.maintain()
    broker.close()
    broker = opened(tmp_path, clock)
    assert put(broker, rows(0, 40), ids=[f"id-{number}" for number in range(40)]).duplicates == 40
    broker.close()


def test_a_damaged_segment_is_not_compacted(tmp_path: Path) -> None:
    broker = opened(tmp_path)
    broker.create(COMPACT)
    for start in range(0, 600, 40):
        put(broker, rows(start, 40))
    path = partition(tmp_path) / segments(tmp_path)[0]
    position, header, _ = entries(path)[1]
    data = bytearray(path.read_bytes())
    data[position + 200] ^= 1
    path.write_bytes(data)
    broker.maintain()
    assert path.read_bytes() == data
    everything(broker)
    assert [(one.first, one.next) for one in broker.damage.entries()] == [(header.first, header.next)]
    broker.close()


def test_a_batch_stays_readable_when_its_files_are_gone(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    broker = opened(tmp_path, clock)
    broker.create(AGED)
    for start in range(0, 400, 20):
        put(broker, rows(start, 20))
    batch = broker.read("readings", 0, 0)
    assert batch is not None
    clock.advance(3 * HOUR)
    broker.maintain()
    assert segments(tmp_path) == []
    assert batch.frame.equals(rows(0, batch.frame.height))
    broker.close()


def test_the_memory_broker_expires_and_compacts_too() -> None:
    clock = ManualClock(NOON)
    broker = MemoryBroker(clock=clock)
    broker.create(AGED)
    broker.create(replace(COMPACT, name="latest"))
    put(broker, rows(0, 10))
    put(broker, rows(0, 30), topic="latest")
    clock.advance(2 * HOUR)
    put(broker, rows(10, 10))
    broker.maintain()
    assert broker.partitions("readings")[0].start == 10
    batch = broker.read("latest", 0, 0)
    assert batch is not None
    assert (batch.first, batch.next, batch.frame["value"].to_list()) == (27, 30, [27.0, 28.0, 29.0])
