"""From the log and the store into the lake: bronze topics, silver streams, gold windows, each row exactly once.

What was written is remembered by the lake itself: every append carries the next offset (or the store's sequence) as
the version of an application transaction, so that a round that is repeated after a crash adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import structlog

from wayside.clock import SYSTEM, Clock
from wayside.domain import Plan
from wayside.errors import OffsetOutOfRangeError
from wayside.ports import Broker, HotStore, Lake
from wayside.quarantine import QUARANTINE
from wayside.runtime.lakeflows import LakeFlows, cut, streams_of
from wayside.specs import TIME
from wayside.values import Batch, PartitionInfo, partition_name

log = structlog.get_logger(__name__)
TOTALS_EVERY = 3600.0
"""Seconds between two copies of running totals."""
ROWS = 200_000
"""Most rows of one append: bounds memory, and what a crash repeats. 500,000 take 280 MB for a moment, these 120."""
LONGEST_REST = 0.5
"""Seconds that a rest lasts at most, so that a stop need not wait for it."""


class LakeWriter:
    """Writes what is new. `stopped` is asked between two appends, so that a stop never waits for a long backlog.

    `totals` gives the partial rows of a window that never closes. `rest` is how long to pause after each append, in
    parts of the time that it took: a backlog is written beside requests that are to be answered, not before them.
    """

    def __init__(
        self,
        plan: Plan,
        broker: Broker,
        store: HotStore,
        lake: Lake,
        *,
        stopped: Callable[[], bool] = lambda: False,
        totals: Callable[[str], pl.DataFrame] | None = None,
        rest: float = 0.0,
        clock: Clock = SYSTEM,
    ) -> None:
        self.plan = plan
        self.broker = broker
        self.store = store
        self.lake = lake
        self.stopped = stopped
        self.totals = totals
        self.rest = rest
        self.clock = clock
        self.flows = LakeFlows(plan, store)
        self.streams = {topic: [stream.name for stream in streams_of(plan, topic)] for topic in plan.topics}
        self.reached: dict[str, int] = {}
        self.due: dict[str, float] = {}
        self.times = {name: spec.time or "" for name, spec in broker.topics().items()}

    def round(self) -> int:
        """Write everything that is new; returns the number of rows of all tiers."""
        rows = 0
        for topic in [*self.plan.topics, QUARANTINE]:
            for info in self.broker.partitions(topic):
                rows += self.backlog(topic, info)
        for window in self.plan.windows.values():
            if window.spec.endless:
                rows += self.total(window.name)
                continue
            while not self.stopped() and (added := self.paced(self.window, window.name)):
                rows += added
                if 2 * added < ROWS:  # caught up, as above: of a backlog it would be more, cut between two commits
                    break
        return rows

    def backlog(self, topic: str, info: PartitionInfo) -> int:
        """Append what a partition held when the round came to it; returns the number of rows.

        What comes meanwhile is the next round's: on a busy machine something always has, and a round would never end.
        """
        rows, source = 0, partition_name(topic, info.partition)
        while not self.stopped() and self.reached.get(source, -1) < info.end:
            added = self.paced(self.partition, topic, info.partition)
            if not added:
                break
            rows += added
        if rows:
            self.flows.save(topic, info.partition)
        return rows

    def paced(self, write: Callable[..., int], *what: object) -> int:
        """Append, and rest for as long as that deserves; returns the number of rows."""
        began = self.clock.monotonic()
        rows = write(*what)
        if rows and self.rest:
            self.clock.sleep(min(self.rest * (self.clock.monotonic() - began), LONGEST_REST))
        return rows

    def partition(self, topic: str, partition: int) -> int:
        """Append the next rows of a partition, to bronze last: when it has them, silver has them too."""
        app = partition_name(topic, partition)
        offset = self.reached[app] if app in self.reached else max(0, self.lake.version("bronze", topic, app))
        batch = self.read(topic, partition, offset)
        if batch is None:
            self.reached[app] = offset
            return 0
        # After a crash some streams may be ahead of bronze: what they have is run, and written for the others only.
        done = {name: self.lake.version("silver", name, app) for name in self.streams.get(topic, ())}
        ahead = [version for version in done.values() if batch.first < version < batch.next]
        batch = cut(batch, min(ahead)) if ahead else batch
        found = self.flows.run(batch, self.read) if topic in self.plan.topics else {}
        for name, version in done.items():
            rows = found[name].frame if name in found and version < batch.next else None
            if rows is not None and rows.height:
                time = self.plan.flows[name].record.time or ""
                self.lake.append("silver", name, rows, app=app, version=batch.next, time=time)
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

    def total(self, name: str) -> int:
        """Append all running totals of a window as they are now, once an hour; of each the one written last is valid.

        What they counted is thus not lost with the store, even where the log has let go of the records.
        """
        moment = self.clock.monotonic()
        if self.totals is None or self.stopped() or moment < self.due.get(name, moment):
            return 0
        self.due[name] = moment + TOTALS_EVERY
        spec = self.plan.windows[name].spec
        parts = self.totals(name).select(list(spec.schema))
        if parts.is_empty():
            return 0
        now = self.clock.now()
        sequence = int(now.timestamp() * 1e6)
        rows = parts.group_by("window_start", "window_end", *spec.by, maintain_order=True).agg(spec.combine())
        rows = rows.with_columns(*spec.outputs(), _seq=pl.lit(sequence), _at=pl.lit(now, TIME))
        self.lake.append("gold", name, rows, app=f"windows/{name}", version=sequence, time="_at")
        return rows.height

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
