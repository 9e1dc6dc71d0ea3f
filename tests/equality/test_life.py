"""An engine on Spark from start to end, and again: checkpoints that agree, are lost or are ahead; idle partitions."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.equality.job_a import plan_of, recorded
from tests.equality.worlds import BareKafka, copied, differences, embedded, on_spark, prepared, rows_of
from wayside.dataflow.spark import SparkEngine
from wayside.domain import Plan
from wayside.hot.sqlite import SqliteStore
from wayside.values import Commit

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def idle_after(plan: Plan, span: timedelta) -> Plan:
    """The plan, with windows that wait no longer than this for a silent partition."""
    for window in plan.windows.values():
        object.__setattr__(window, "idle", span)
    return plan


@contextmanager
def running(plan: Plan, log: BareKafka, spark: Any, store: Any, folder: Path) -> Iterator[SparkEngine]:
    engine = on_spark(plan, log, spark, store, folder)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def caught_up(engine: SparkEngine, records: int) -> Callable[[], bool]:
    topic = next(iter(engine.plan.topics))
    return lambda: {n.name: n.records for n in engine.status()}[topic] == records


def test_it_goes_on_where_it_was_whatever_became_of_sparks_checkpoint(kafka: Any, spark: Any, tmp_path: Path) -> None:
    plan = plan_of("life", 2)
    broker, store, engine = embedded(plan, recorded("life", 2, 40_000), tmp_path / "embedded")
    expected = rows_of(plan, broker, store, engine)
    expected.pop("quarantine")
    messages = copied(broker, plan)
    log, hot = BareKafka(kafka.servers, plan), prepared(SqliteStore(tmp_path / "hot.sqlite"), plan)
    sides = [[m for m in messages if m.partition == side] for side in (0, 1)]
    queries, sent = [], 0
    for part in range(4):
        for side in sides:
            mine = side[part * len(side) // 4 : (part + 1) * len(side) // 4]
            log.produce(mine)
            sent += len(mine)
        with running(plan, log, spark, hot, tmp_path) as found:
            wait_for(caught_up(found, sent))
            wait_for(lambda: not any(node.lag for node in found.status()))
            queries.append(found.ledger.source["query"])
        if part == 1:
            shutil.rmtree(tmp_path / "spark" / queries[-1])
    assert queries[0] == queries[1] != queries[2] == queries[3]
    rows = rows_of(plan, log, hot, found)
    rows.pop("quarantine")
    assert differences(expected, rows) == []

    # The store is lost, and Spark's checkpoint is not: everything is computed again.
    again = prepared(SqliteStore(tmp_path / "again.sqlite"), plan)
    with running(plan, log, spark, again, tmp_path) as found:
        wait_for(caught_up(found, sent))
    rows = rows_of(plan, log, again, found)
    rows.pop("quarantine")
    assert differences(expected, rows) == []


def test_a_store_older_than_sparks_checkpoint_loses_nothing(kafka: Any, spark: Any, tmp_path: Path) -> None:
    plan = plan_of("older", 1)
    log, place = BareKafka(kafka.servers, plan), tmp_path / "hot.sqlite"
    messages = [message for message in recorded("older", 1, 9_000) if message.value.startswith(b'{"device_id":"')]
    copies, records = [], 0
    for part in range(3):
        log.produce(messages[part * 3_000 : (part + 1) * 3_000])
        store = prepared(SqliteStore(place), plan)
        if part == 2:  # a back-up comes back: it has the first part only, and Spark's checkpoint has two
            store.close()
            place.write_bytes(copies[0])
            store = prepared(SqliteStore(place), plan)
        with running(plan, log, spark, store, tmp_path) as found:
            wait_for(lambda: not any(node.lag for node in found.status()))
        records = {node.name: node.records + node.rejected for node in found.status()}["older"]
        store.close()
        copies.append(place.read_bytes())
    assert records == min(len(messages), 9_000)


def test_a_silent_partition_is_waited_for_and_then_not(kafka: Any, spark: Any, tmp_path: Path) -> None:
    plan = idle_after(plan_of("silent", 2), timedelta(seconds=3))
    log, store = BareKafka(kafka.servers, plan), prepared(SqliteStore(tmp_path / "hot.sqlite"), plan)
    messages = [message for message in recorded("silent", 2, 60_000) if message.value.startswith(b'{"device_id":"')]
    talking = [message for message in messages if message.partition == 0]
    log.produce(talking[:-2_000])
    log.produce([message for message in messages if message.partition == 1][:10])
    rest = iter(talking[-2_000:])
    commits: list[Commit] = []
    name = "silent_rollup"
    with running(plan, log, spark, store, tmp_path) as engine:
        unsubscribe = engine.subscribe(commits.append)

        def closed_while_one_talks() -> bool:
            log.produce([next(rest)])
            return any(name in commit.windows for commit in commits)

        wait_for(closed_while_one_talks)
        unsubscribe()
        assert engine.open_windows(name).height > 0
        wait_for(lambda: not any(node.lag for node in engine.status()))
        assert {node.name: node for node in engine.status()}[name].watermark is not None
        watermark = engine.ledger.steps[name].watermark
        wait_for(lambda: watermark.closed == watermark.newest["silent/0"] - 1_000_000)
    sequences = [commit.sequence for commit in commits]
    assert sequences == sorted(set(sequences))


class Failing:
    """A store of which some transactions fail."""

    def __init__(self, store: Any, fail: set[int]) -> None:
        self.store, self.fail, self.calls = store, fail, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        self.calls += 1
        with self.store.transaction() as transaction:
            yield transaction
            if self.calls in self.fail:
                raise OSError("the store does not answer")


def test_a_store_that_does_not_answer_is_tried_again(kafka: Any, spark: Any, tmp_path: Path) -> None:
    plan = plan_of("failing", 2)
    broker, store, engine = embedded(plan, recorded("failing", 2, 20_000), tmp_path / "embedded")
    expected = rows_of(plan, broker, store, engine)
    expected.pop("quarantine")
    log = BareKafka(kafka.servers, plan)
    log.produce(copied(broker, plan))
    failing = Failing(prepared(SqliteStore(tmp_path / "hot.sqlite"), plan), {1, 2})
    with running(plan, log, spark, failing, tmp_path) as found:
        wait_for(lambda: found.ledger.sequence > 0 and not any(node.lag for node in found.status()))
    assert failing.calls > 2
    rows = rows_of(plan, log, failing.store, found)
    rows.pop("quarantine")
    assert differences(expected, rows) == []
