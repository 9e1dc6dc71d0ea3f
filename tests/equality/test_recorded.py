"""The same recorded input through the embedded engine and through Kafka and Spark: the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.equality.job_a import everything, known_places, plan_of, recorded
from tests.equality.worlds import BareKafka, canonical, copied, differences, embedded, on_spark, rows_of
from wayside.hot.sqlite import SqliteStore

NUMBER = 60_000
pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]


@pytest.mark.parametrize("partitions", [1, 2])
def test_one_log_gives_the_same_rows(partitions: int, kafka: Any, spark: Any, tmp_path: Path) -> None:
    plan = plan_of(f"log{partitions}", partitions)
    topic = next(iter(plan.topics))
    broker, store, engine = embedded(plan, recorded(topic, partitions, NUMBER), tmp_path / "embedded")
    expected = rows_of(plan, broker, store, engine)
    assert expected[f"late {topic}_rollup"].height > 100
    assert expected[f"closed {topic}_rollup"].height > 1000
    expected.pop("quarantine")  # what the door refused is no part of the log
    log = BareKafka(kafka.servers, plan)
    log.produce(copied(broker, plan))
    for name, max_offsets in (("whole", None), ("cut", 22_222)):
        folder = tmp_path / name
        found = on_spark(plan, log, spark, SqliteStore(tmp_path / f"{name}.sqlite"), folder, max_offsets=max_offsets)
        found.drain()
        rows = rows_of(plan, log, found.ledger.store, found)
        assert rows.pop("quarantine").is_empty()
        assert differences(expected, rows) == []
        assert found.ledger.sequence > 2 if max_offsets else found.ledger.sequence == 1


def test_messages_of_strangers_meet_the_rules_of_the_door(kafka: Any, spark: Any, tmp_path: Path) -> None:
    plan = plan_of("strangers", 2)
    messages = recorded("strangers", 2, 30_000)
    broker, store, engine = embedded(plan, messages, tmp_path / "embedded")
    expected = rows_of(plan, broker, store, engine)
    log = BareKafka(kafka.servers, plan)
    log.produce(messages)
    found = on_spark(plan, log, spark, SqliteStore(tmp_path / "cluster.sqlite"), tmp_path)
    found.drain()
    rows = rows_of(plan, log, found.ledger.store, found)
    assert expected["quarantine"].height > 100
    for name in ("late strangers_rollup", "late strangers_steps"):  # the refused messages have offsets too
        expected[name], rows[name] = (canonical(each[name].drop("_offset")) for each in (expected, rows))
    assert differences(expected, rows) == []


def test_everything_that_a_plan_can_do(kafka: Any, spark: Any, tmp_path: Path) -> None:
    plan = everything("all", "places", 2)
    messages = [*known_places("places"), *recorded("all", 2, 60_000)]
    broker, store, engine = embedded(plan, messages, tmp_path / "embedded", broken=False)
    expected = rows_of(plan, broker, store, engine)
    log = BareKafka(kafka.servers, plan)
    log.produce(copied(broker, plan))
    found = on_spark(plan, log, spark, SqliteStore(tmp_path / "cluster.sqlite"), tmp_path)
    found.drain()
    assert found.stages == [["places"], ["all"]]
    for name in ("closed all_hops", "late all_hops", "closed all_visits", "late all_visits", "quarantine"):
        assert expected[name].height > 20, name
    assert expected["closed all_hops"]["region"].null_count() > 0
    assert differences(expected, rows_of(plan, log, found.ledger.store, found)) == []
