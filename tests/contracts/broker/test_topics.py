"""Topics are declared, listed, and changed only where old rows stay readable."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from tests.contracts.broker.rows import SCHEMA, SPEC, batches, everything, put, rows
from wayside.errors import DeclarationError, TopicNotFoundError
from wayside.ports import Broker
from wayside.specs import TIME


def test_topics_are_listed_as_declared(broker: Broker) -> None:
    other = replace(SPEC, name="a/b: ü", key=(), time=None, partitions=2)
    broker.create(SPEC)
    broker.create(other)
    assert broker.topics() == {"readings": SPEC, "a/b: ü": other}
    assert [info.partition for info in broker.partitions("a/b: ü")] == [0, 1]


def test_creating_again_is_harmless_and_keeps_the_rows(broker: Broker) -> None:
    broker.create(SPEC)
    put(broker, rows(0, 3))
    broker.create(SPEC)
    assert everything(broker).equals(rows(0, 3))


def test_an_added_column_is_null_in_old_rows(broker: Broker) -> None:
    broker.create(SPEC)
    put(broker, rows(0, 2))
    wide = replace(SPEC, schema=pl.Schema({**SCHEMA, "note": pl.String()}))
    broker.create(wide)
    put(broker, rows(2, 2).with_columns(note=pl.lit("new")))
    frame = pl.concat([batch.frame for batch in batches(broker)])
    assert frame.schema == wide.schema
    assert frame.get_column("note").to_list() == [None, None, "new", "new"]
    assert frame.get_column("value").to_list() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "change",
    [
        {"schema": pl.Schema({"thing": pl.String(), "at": TIME})},
        {"schema": pl.Schema({"thing": pl.String(), "at": TIME, "value": pl.String()})},
        {"partitions": 2},
    ],
    ids=["a column less", "another type", "more partitions"],
)
def test_a_declaration_that_cannot_read_old_rows_is_refused(broker: Broker, change: dict[str, object]) -> None:
    broker.create(SPEC)
    put(broker, rows(0, 2))
    with pytest.raises(DeclarationError, match="readings"):
        broker.create(replace(SPEC, **change))
    assert everything(broker).equals(rows(0, 2))
    assert put(broker, rows(2, 1)).offsets.to_list() == [2]


def test_unknown_topics_and_partitions_are_named(broker: Broker) -> None:
    broker.create(SPEC)
    with pytest.raises(TopicNotFoundError, match="nothing"):
        broker.read("nothing", 0, 0)
    with pytest.raises(TopicNotFoundError, match="nothing"):
        broker.append("nothing", rows(0, 1))
    with pytest.raises(TopicNotFoundError, match="7"):
        broker.read("readings", 7, 0)
    with pytest.raises(TopicNotFoundError, match="7"):
        broker.append("readings", rows(0, 1), partition=7)


def test_a_deleted_topic_is_gone_and_can_be_created_anew(broker: Broker) -> None:
    broker.create(replace(SPEC, partitions=2))
    broker.create(replace(SPEC, name="others"))
    put(broker, rows(0, 20, things=9), ids=[f"id-{number}" for number in range(20)])
    put(broker, rows(0, 3), topic="others")
    ends = {("readings", info.partition): info.end for info in broker.partitions("readings")}
    broker.commit("group", {**ends, ("others", 0): 2})
    broker.delete("readings")
    assert list(broker.topics()) == ["others"]
    with pytest.raises(TopicNotFoundError, match="readings"):
        broker.append("readings", rows(0, 1))
    with pytest.raises(TopicNotFoundError, match="nothing"):
        broker.delete("nothing")
    assert broker.committed("group") == {("others", 0): 2}
    broker.create(SPEC)
    assert put(broker, rows(5, 2), ids=["id-5", "id-6"]).offsets.to_list() == [0, 1]
    assert everything(broker).equals(rows(5, 2))
    assert broker.partitions("others")[0].end == 3
    assert broker.committed("group") == {("others", 0): 2}


def test_retention_changes_with_the_declaration(broker: Broker) -> None:
    broker.create(SPEC)
    put(broker, rows(0, 3))
    changed = replace(SPEC, retention_bytes=10**9, retention_age=None)
    broker.create(changed)
    assert broker.topics() == {"readings": changed}
    assert everything(broker).equals(rows(0, 3))
