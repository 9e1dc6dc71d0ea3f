"""What a scrape reads from the running engine and the log, at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from wayside.clock import SYSTEM, Clock
from wayside.values import NodeStatus, PartitionInfo


class PlanCollector(Collector):
    """What the engine knows of the plan's nodes, and the log of its topics, at the moment of a scrape."""

    def __init__(
        self,
        nodes: Callable[[], Iterable[NodeStatus]],
        partitions: Callable[[], Mapping[str, Iterable[PartitionInfo]]],
        clock: Clock = SYSTEM,
    ) -> None:
        self._nodes = nodes
        self._partitions = partitions
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Families of the plan, then of the log."""
        yield from self.plan()
        size = GaugeMetricFamily("wayside_log_bytes", "Bytes of a topic's log.", labels=["topic", "partition"])
        end = CounterMetricFamily("wayside_log_records", "Records appended so far.", labels=["topic", "partition"])
        for topic, partitions in self._partitions().items():
            for info in partitions:
                size.add_metric([topic, str(info.partition)], info.bytes)
                end.add_metric([topic, str(info.partition)], info.end)
        yield from (size, end)

    def plan(self) -> Iterator[Metric]:
        """Records, rate, lag, late, rejected and watermark per node."""
        names = ["node", "kind"]
        records = CounterMetricFamily("wayside_node_records", "Records that a node has seen.", labels=names)
        late = CounterMetricFamily("wayside_node_late", "Records too late for their window.", labels=names)
        refused = CounterMetricFamily("wayside_node_rejected", "Records that a node refused.", labels=names)
        rate = GaugeMetricFamily("wayside_node_rate", "Records per second.", labels=names)
        lag = GaugeMetricFamily("wayside_node_lag", "Records in the log that are not processed yet.", labels=names)
        mark = GaugeMetricFamily(
            "wayside_node_watermark_timestamp_seconds", "Event time that a node has reached.", labels=names
        )
        delay = GaugeMetricFamily("wayside_node_watermark_delay_seconds", "Now less the watermark.", labels=names)
        now = self._clock.now()
        for node in self._nodes():
            labels = [node.name, node.kind]
            records.add_metric(labels, node.records)
            late.add_metric(labels, node.late)
            refused.add_metric(labels, node.rejected)
            rate.add_metric(labels, node.rate)
            lag.add_metric(labels, node.lag)
            if node.watermark is not None:
                mark.add_metric(labels, node.watermark.timestamp())
                delay.add_metric(labels, (now - node.watermark).total_seconds())
        yield from (records, late, refused, rate, lag, mark, delay)
