"""Rows go in, come out in order, and keep their place."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from tests.contracts.broker.rows import NOON, SPEC, batches, everything, offsets, put, rows
from wayside.clock import ManualClock
from wayside.errors import WaysideError
from wayside.ports import Broker
from wayside.specs import TIME, TopicSpec

# Murmur2, as a partitioner written by others (aiokafka's) has these keys on four partitions.
HOMES = [0, 1, 3] * 4
HOMES_OF_BOTH = [3, 2, 1, 0, 3, 3, 1, 3, 2, 3, 2, 0]


def test_what_is_appended_is_read_back_in_order_with_its_offsets(broker: Broker) -> None:
    broker.create(SPEC)
    assert broker.read("readings", 0, 0) is None
    first = put(broker, rows(0, 5))
    second = put(broker, rows(5, 7))
    assert first.offsets.to_list() + second.offsets.to_list() == list(range(12))
    assert first.partitions.to_list() == [0] * 5
    assert first.duplicates == 0
    assert everything(broker).equals(rows(0, 12))
    assert [o for batch in batches(broker) for o in offsets(batch)] == list(range(12))
    assert broker.read("readings", 0, 12) is None


def test_an_append_without_rows_is_answered(broker: Broker) -> None:
    broker.create(SPEC)
    answer = put(broker, rows(0, 0))
    assert answer.offsets.len() == 0
    assert broker.partitions("readings")[0].end == 0


@pytest.mark.parametrize("max_rows", [1, 3, 10, 1000])
def test_reading_from_every_offset_gives_the_rest(broker: Broker, max_rows: int) -> None:
    broker.create(SPEC)
    for start in range(0, 40, 8):
        put(broker, rows(start, 8))
    for offset in range(41):
        assert everything(broker, offset=offset, max_rows=max_rows).equals(rows(offset, 40 - offset))


def test_appends_of_many_threads_keep_the_order_of_each(broker: Broker) -> None:
    broker.create(SPEC)

    def work(number: int) -> None:
        futures = [broker.append("readings", rows(number * 1000 + i, 1)) for i in range(50)]
        for future in futures:
            future.result(timeout=30)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values = everything(broker).get_column("value").to_list()
    assert len(values) == 200
    for number in range(4):
        mine = [value for value in values if number * 1000 <= value < number * 1000 + 1000]
        assert mine == [float(number * 1000 + i) for i in range(50)]


def test_rows_of_one_key_stay_in_one_partition_and_in_order(broker: Broker) -> None:
    broker.create(replace(SPEC, partitions=4))
    for start in range(0, 300, 30):
        answer = put(broker, rows(start, 30, things=20))
        assert set(answer.partitions.to_list()) <= set(range(4))
    homes: dict[str, int] = {}
    seen = 0
    for partition in range(4):
        frame = everything(broker, partition)
        seen += frame.height
        for thing, group in frame.group_by("thing"):
            assert homes.setdefault(str(thing[0]), partition) == partition
            assert group.get_column("value").is_sorted()
    assert seen == 300
    assert len(set(homes.values())) > 1
    ends = [info.end for info in broker.partitions("readings")]
    assert sum(ends) == 300


def test_a_key_chooses_its_partition_as_it_does_for_every_client_of_kafka(broker: Broker) -> None:
    broker.create(replace(SPEC, partitions=4))
    broker.create(replace(SPEC, name="by both", key=("thing", "value"), partitions=4))
    frame = rows(0, 12)
    assert broker.append("readings", frame).result(timeout=30).partitions.to_list() == HOMES
    assert broker.append("by both", frame).result(timeout=30).partitions.to_list() == HOMES_OF_BOTH


def test_a_partition_may_be_named_by_the_caller(broker: Broker) -> None:
    broker.create(replace(SPEC, partitions=3))
    answer = broker.append("readings", rows(0, 4), partition=2).result(timeout=30)
    assert answer.partitions.to_list() == [2] * 4
    assert everything(broker, 2).equals(rows(0, 4))
    assert everything(broker, 0).is_empty()


def test_the_answer_names_where_each_row_went(broker: Broker) -> None:
    broker.create(replace(SPEC, partitions=3))
    frame = rows(0, 50, things=17)
    answer = put(broker, frame)
    for row, partition, offset in zip(frame.iter_rows(), answer.partitions, answer.offsets, strict=True):
        batch = broker.read("readings", partition, offset, max_rows=1)
        assert batch is not None
        assert batch.frame.row(0) == row


@pytest.mark.kafka_cannot("append times are those of Kafka's own clock, which no test can move")
def test_a_batch_tells_when_its_rows_were_appended(broker: Broker, clock: ManualClock) -> None:
    broker.create(SPEC)
    put(broker, rows(0, 2))
    clock.advance(60)
    put(broker, rows(2, 1))
    found = batches(broker)
    times = []
    for batch in found:
        same = pl.Series([batch.appended] * batch.frame.height, dtype=TIME)
        times += (same if batch.appends is None else batch.appends).to_list()
        assert batch.appended == min(times[-batch.frame.height :])
    assert times == [NOON, NOON, NOON + timedelta(minutes=1)]
    info = broker.partitions("readings")[0]
    assert (info.oldest, info.newest) == (NOON, NOON + timedelta(minutes=1))
    assert (info.start, info.end) == (0, 3)
    assert info.bytes > 0


def test_rows_of_another_shape_are_refused(broker: Broker) -> None:
    broker.create(SPEC)
    with pytest.raises(WaysideError, match="readings"):
        broker.append("readings", rows(0, 1).drop("value")).result(timeout=30)
    with pytest.raises(WaysideError, match="readings"):
        broker.append("readings", rows(0, 1).with_columns(value=pl.lit("text"))).result(timeout=30)
    put(broker, rows(0, 1).select("value", "at", "thing"))  # the order of columns does not matter
    assert everything(broker).equals(rows(0, 1))


def test_columns_of_every_kind_come_back_as_they_were(broker: Broker) -> None:
    kinds = {
        "text": (pl.String(), ["a" * 50, "", None]),
        "octets": (pl.Binary(), [b"\x00\xff" * 20, b"", None]),
        "flag": (pl.Boolean(), [True, False, None]),
        "small": (pl.Int8(), [-128, 127, None]),
        "large": (pl.UInt64(), [0, 2**64 - 1, None]),
        "single": (pl.Float32(), [0.5, -0.0, None]),
        "day": (pl.Date(), [NOON.date(), None, None]),
        "span": (pl.Duration("us"), [timedelta(days=1), timedelta(0), None]),
        "kind": (pl.Enum(["warm", "cold"]), ["cold", "warm", None]),
        "list": (pl.List(pl.Int64()), [[1, 2], [], None]),
        "pair": (pl.Struct({"x": pl.Float64(), "y": pl.String()}), [{"x": 1.0, "y": "z"}, None, None]),
        "kinds": (pl.List(pl.Enum(["warm", "cold"])), [["cold"], [], None]),
    }
    schema = pl.Schema({name: dtype for name, (dtype, _) in kinds.items()})
    frame = pl.DataFrame({name: values for name, (_, values) in kinds.items()}, schema=schema)
    broker.create(TopicSpec("readings", schema))
    put(broker, frame)
    put(broker, frame.slice(1, 1))
    found = pl.concat([batch.frame for batch in batches(broker)])
    assert found.schema == schema
    assert found.equals(pl.concat([frame, frame.slice(1, 1)]))
