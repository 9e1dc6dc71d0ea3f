"""What Wayside counts about itself, for Prometheus.

The stages call the plain functions; a scrape renders `REGISTRY` (`rendered`). What the engine and the log know anyway
is read at the moment of the scrape (`watch`) and costs nothing between two of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from wayside.clock import SYSTEM, Clock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

RECORDS = Counter(
    "wayside_feed_records", "Records that came in, by what became of them.", ["feed", "outcome"], registry=REGISTRY
)
REJECTIONS = Counter("wayside_feed_rejections", "Rejected records by rule.", ["feed", "rule"], registry=REGISTRY)
SECONDS = Histogram(
    "wayside_stage_seconds",
    "Time that a stage took for one batch or request.",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
QUEUED = Gauge("wayside_queue_bytes", "Bytes that wait in a bounded queue.", ["queue"], registry=REGISTRY)
OVERLOADS = Counter("wayside_overloads", "Hand-overs refused because a queue was full.", ["queue"], registry=REGISTRY)
DAMAGE = Counter("wayside_damaged_entries", "Stored entries that failed their checksum.", ["store"], registry=REGISTRY)
ERRORS = Counter("wayside_errors", "Errors that a stage survived.", ["stage"], registry=REGISTRY)


def received(feed: str, *, accepted: int = 0, rejected: int = 0, duplicates: int = 0) -> None:
    """Count what one hand-over to a feed became."""
    for outcome, number in (("accepted", accepted), ("rejected", rejected), ("duplicate", duplicates)):
        if number:
            RECORDS.labels(feed, outcome).inc(number)


def rejected(feed: str, rules: Mapping[str, int]) -> None:
    """Count rejected records by the rule that they broke."""
    for rule, number in rules.items():
        REJECTIONS.labels(feed, rule).inc(number)


def took(stage: str, seconds: float) -> None:
    """Note how long a stage took for one batch or request."""
    SECONDS.labels(stage).observe(seconds)


@contextmanager
def timed(stage: str, clock: Clock = SYSTEM) -> Iterator[None]:
    """Note how long the body took."""
    began = clock.monotonic()
    try:
        yield
    finally:
        took(stage, clock.monotonic() - began)


def queued(queue: str, size: int) -> None:
    """Note how many bytes wait in a queue."""
    QUEUED.labels(queue).set(size)


def overloaded(queue: str) -> None:
    """Count a hand-over that a full queue refused."""
    OVERLOADS.labels(queue).inc()


def damaged(store: str, entries: int = 1) -> None:
    """Count stored entries that failed their checksum and were set aside."""
    DAMAGE.labels(store).inc(entries)


def damages(store: str) -> int:
    """How many damaged entries of a store this process has met."""
    found = REGISTRY.get_sample_value("wayside_damaged_entries_total", {"store": store})
    return int(found or 0)


def survived(stage: str) -> None:
    """Count an error after which a stage went on."""
    ERRORS.labels(stage).inc()


def rendered() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


@contextmanager
def watch(collector: Collector) -> Iterator[None]:
    """Include in every scrape what a collector reads at that moment, until the body ends."""
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)
