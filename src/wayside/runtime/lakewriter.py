"""From the log and the store into the lake: bronze topics, silver streams, gold windows, each row exactly once.

What was written is remembered by the lake itself: every append carries the next offset (or the store's sequence) as
the version of an application transaction, so that a round that is repeated after a crash adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import structlog

from wayside.domain import Plan, Stream, Topic
from wayside.domain.flow import Flow
from wayside.errors import OffsetOutOfRangeError
from wayside.ports import Broker, HotStore, Lake
from wayside.quarantine import QUARANTINE
from wayside.record.rules import all_kept, first_broken
from wayside.specs import TIME
from wayside.values import Batch

log = structlog.get_logger(__name__)
ROWS = 500_000
"""Most rows of one append: bounds memory, and what is written again after a crash."""


class LakeWriter:
    """Writes what is new. `stopped` is asked between two appends, so that a stop never waits for a long backlog."""

    def __init__(
        self,
        plan: Plan,
        broker: Broker,
        store: HotStore,
        lake: Lake,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.plan = plan
        self.broker = broker
        self.store = store
        self.lake = lake
        self.stopped = stopped
        self.reached: dict[str, int] = {}
        self.times = {name: spec.time or "" for name, spec in broker.topics().items()}

    def round(self) -> int:
        """Write everything that is new; returns the number of rows of all tiers."""
        rows = 0
        for topic in [*self.plan.topics, QUARANTINE]:
            streams = streams_of(self.plan, topic)
            for info in self.broker.partitions(topic):
                while not self.stopped() and (added := self.partition(topic, info.partition, streams)):
                    rows += added
        for window in self.plan.windows:
            while not self.stopped() and (added := self.window(window)):
                rows += added
        return rows

    def partition(self, topic: str, partition: int, streams: list[list[Flow]]) -> int:
        """Append the next rows of a partition, to bronze last: when it has them, silver has them too."""
        app = f"{topic}/{partition}"
        offset = self.reached[app] if app in self.reached else max(0, self.lake.version("bronze", topic, app))
        batch = self.read(topic, partition, offset)
        if batch is None:
            self.reached[app] = offset
            return 0
        for chain in streams:
            self.silver(chain, batch, app)
        self.lake.append("bronze", topic, placed(batch), app=app, version=batch.next, time=self.times[topic])
        self.reached[app] = batch.next
        return batch.frame.height

    def read(self, topic: str, partition: int, offset: int) -> Batch | None:
        """The next rows; what retention removed before it was written is said loudly."""
        try:
            return self.broker.read(topic, partition, offset, max_rows=ROWS)
        except OffsetOutOfRangeError:
            start = next(info.start for info in self.broker.partitions(topic) if info.partition == partition)
            log.error("lake.data_loss", topic=topic, partition=partition, records=start - offset)
            return self.broker.read(topic, partition, start, max_rows=ROWS)

    def silver(self, chain: list[Flow], batch: Batch, app: str) -> None:
        """Append what a chain of streams makes of a batch; a transform that fails is the engine's to report.

        After a crash silver may be ahead of bronze: rows that it has already are left out.
        """
        name = chain[-1].name
        done = self.lake.version("silver", name, app)
        if done >= batch.next:
            return
        rows = batch.frame.filter(offsets_of(batch) >= done)
        try:
            for flow in chain:
                assert isinstance(flow, Stream)
                rows = flow.transform(rows.lazy()).select(list(flow.record.fields)).collect()
                rules = flow.record.rules()
                if not all_kept(rows, rules):
                    rows = rows.filter(first_broken(rows, rules).is_null())
        except Exception as error:  # a domain's code may raise anything; the engine has quarantined these rows
            log.warning("lake.stream_failed", stream=name, error=str(error))
            return
        if not rows.is_empty():
            self.lake.append("silver", name, rows, app=app, version=batch.next, time=chain[-1].record.time or "")

    def window(self, name: str) -> int:
        """Append the next closed windows: the parts that can be combined again, and the declared outputs."""
        app = f"windows/{name}"
        sequence = self.reached[app] if app in self.reached else max(0, self.lake.version("gold", name, app))
        reached, rows = self.store.windows_after(name, sequence, max_rows=ROWS)
        self.reached[app] = reached
        if rows.is_empty():
            return 0
        outputs = self.plan.windows[name].spec.outputs()
        self.lake.append("gold", name, rows.with_columns(outputs), app=app, version=reached)
        return rows.height


def offsets_of(batch: Batch) -> pl.Series:
    """The offset of each row."""
    if batch.offsets is not None:
        return batch.offsets.cast(pl.Int64)
    return pl.int_range(batch.first, batch.first + batch.frame.height, dtype=pl.Int64, eager=True)


def placed(batch: Batch) -> pl.DataFrame:
    """Rows with the place in the log that they came from, and when they were appended."""
    return batch.frame.with_columns(
        pl.lit(batch.partition, dtype=pl.Int32).alias("_partition"),
        offsets_of(batch).alias("_offset"),
        pl.lit(batch.appended).cast(TIME).alias("_appended"),
    )


def streams_of(plan: Plan, topic: str) -> list[list[Flow]]:
    """The chains of streams that follow from a topic, each from its first step to its last. Joins end a chain."""
    chains = []
    for flow in plan.flows.values():
        chain: list[Flow] = []
        step = flow
        while isinstance(step, Stream):
            chain.insert(0, step)
            step = step.source
        if chain and isinstance(step, Topic) and step.name == topic:
            chains.append(chain)
    return chains
