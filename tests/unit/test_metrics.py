from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from wayside import metrics
from wayside.clock import ManualClock
from wayside.runtime.observed import PlanCollector
from wayside.values import NodeStatus, PartitionInfo


def samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.rendered().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_what_came_in_is_counted_by_outcome_and_rule() -> None:
    metrics.received("counted", accepted=3, rejected=1, duplicates=2)
    metrics.rejected("counted", {"value.range": 1})
    found = samples()
    outcomes = {
        outcome: found["wayside_feed_records_total", (("feed", "counted"), ("outcome", outcome))]
        for outcome in ("accepted", "rejected", "duplicate")
    }
    assert outcomes == {"accepted": 3, "rejected": 1, "duplicate": 2}
    assert found["wayside_feed_rejections_total", (("feed", "counted"), ("rule", "value.range"))] == 1


def test_a_timed_body_is_observed_even_when_it_fails() -> None:
    clock = ManualClock()
    try:
        with metrics.timed("timed-stage", clock):
            clock.advance(0.2)
            raise ValueError("no")
    except ValueError:
        pass
    found = samples()
    assert found["wayside_stage_seconds_count", (("stage", "timed-stage"),)] == 1
    assert round(found["wayside_stage_seconds_sum", (("stage", "timed-stage"),)], 6) == 0.2


def test_the_plan_is_read_at_the_scrape_and_gone_when_it_ends() -> None:
    clock = ManualClock()
    node = NodeStatus("n", "window", ("t",), records=7, rate=1.5, lag=2, late=1, rejected=3, watermark=clock.now())
    info = PartitionInfo(0, 0, 9, 512, None, None)
    collector = PlanCollector(lambda: [node], lambda: {"t": [info]}, clock)
    with metrics.watch(collector):
        clock.advance(5)
        found = samples()
        where = (("kind", "window"), ("node", "n"))
        assert found["wayside_node_records_total", where] == 7
        assert found["wayside_node_lag", where] == 2
        assert found["wayside_node_watermark_delay_seconds", where] == 5
        assert found["wayside_log_bytes", (("partition", "0"), ("topic", "t"))] == 512
        node.records = 8
        assert samples()["wayside_node_records_total", where] == 8
    assert ("wayside_node_lag", where) not in samples()
