"""The embedded engine: micro-batches from the log, one transaction each, state that survives any crash."""

from __future__ import annotations

import polars as pl
import structlog

from wayside import metrics
from wayside.clock import SYSTEM, Clock
from wayside.dataflow.beside import Beside
from wayside.dataflow.book import Book
from wayside.dataflow.graph import marked
from wayside.dataflow.life import Life
from wayside.dataflow.reader import LogReader
from wayside.dataflow.recovery import Recovery
from wayside.dataflow.refusing import raw_lines, refusal_ids
from wayside.dataflow.rows import Rows
from wayside.dataflow.steps import Effects
from wayside.domain import Plan
from wayside.errors import DiskFullError, StorageFailedError
from wayside.ports import Broker, HotStore
from wayside.quarantine import QUARANTINE, quarantined
from wayside.values import Rejection

log = structlog.get_logger()
FULL, FULL_OF_TABLES = 200_000, 400_000
"""Rows of one micro-batch at most, and where there are no windows, beside whose rows they would be held: a table's row
is written once per micro-batch, however often it changed."""
SMALL_STATE = 20_000
SMALL_SECONDS = 1.0
"""A state of fewer rows than that is saved this often at most: where little comes in, saving took half of the time."""
SNAPSHOT_ROWS = 2_000_000
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
"""Seconds until a step that failed is tried again."""
QUICK = 1_000
"""A micro-batch of fewer rows is followed by a short pause, so that more gathers for the next one."""
QUICK_PAUSE = 0.05
"""Seconds. That pause is twice as long as the micro-batch took, up to this much: a plan of many windows, each of which
costs something per micro-batch, takes a third of a core at most while little comes in."""
LONGEST_PAUSE = 0.1
"""Seconds. After a larger micro-batch the pause is as long as it took, up to this much, and after one of `CROWDED` rows
it is this long, unless a full one waits: what is paid per micro-batch, and the row that each key writes, then is paid
for more rows at once. Measured with 10,000 keys: 2 µs a row in batches of 8,000, 0.75 in 32,000, 0.4 in 96,000."""
CROWDED = 5_000
LOOKS = 5
"""How often it is looked during such a pause whether a full micro-batch waits, or nothing comes any more."""


class EmbeddedEngine(Book, Life):
    """Runs a plan in this process.

    Each step reads what the log holds, runs the plan over it, and commits offsets, table rows, closed windows, late
    rows and (at intervals) operator state in one transaction of the store. After a crash the state is loaded and the
    rows between it and the committed offsets are run again without effect. While full micro-batches wait, one is
    written as the next one is computed; they are written in order, and what comes after a failed one is forgotten.
    """

    def __init__(
        self,
        plan: Plan,
        broker: Broker,
        store: HotStore,
        *,
        clock: Clock = SYSTEM,
        group: str = "engine",
        max_rows: int | None = None,
        snapshot_seconds: float = 2.0,
        pause: float = 0.01,
    ) -> None:
        Book.__init__(self, plan, broker, store, clock=clock, group=group)
        Life.__init__(self, self)
        self.max_rows = max_rows or (FULL if plan.windows else FULL_OF_TABLES)
        self.snapshot_seconds = snapshot_seconds
        self.pause = pause
        self.joined = self.graph.joined_topics()
        # Topics behind joined tables first, so that a row finds what the log held before it.
        order = sorted(plan.topics, key=lambda name: (name not in self.joined, name))
        self.reader = LogReader(broker, order, self.board)
        self.writing = Beside("wayside-commit")
        self.lost = False

    # -- life ----------------------------------------------------------------------------------------------------

    def _whole(self) -> bool:
        return not self.lost

    def _loop(self) -> None:
        """Step until stopped; a failing step is tried again from the last checkpoint, ever more slowly."""
        wait = FIRST_WAIT
        while not self.stopping.is_set() and self.failure is None:
            begun = self.clock.monotonic()
            try:
                rows = self._advance()
            except Exception as error:  # whatever failed, the state on disk is whole; say so and retry
                self._failed(error, wait)
                wait = min(wait * 2, LONGEST_WAIT)
                continue
            if wait > FIRST_WAIT:  # what was wrong is over, and the next failure is retried soon
                self._told_of("")
                wait = FIRST_WAIT
            self._rest(rows, self.clock.monotonic() - begun)
        self._write_out()

    def _advance(self) -> int:
        """One step, after the last checkpoint was taken up where a step has failed; returns the number of rows read."""
        if self.lost:  # the failed step has moved positions and state: nothing may run before they are back
            self._write_out()
            self.recover()
            self.lost = False
        return self.step(beside=True)

    def _failed(self, error: Exception, wait: float) -> None:
        """Say what failed, and wait; an engine whose storage fails does not go on."""
        if isinstance(error, StorageFailedError) and not isinstance(error, DiskFullError):
            self.failure = error
            log.critical("engine stopped: storage failed", error=str(error))
            return
        self.lost = True
        log.error("engine step failed; retrying from the checkpoint", error=str(error), seconds=wait)
        self._told_of(str(error).splitlines()[0])
        self.stopping.wait(wait)

    def _write_out(self) -> None:
        """Wait for the micro-batch that is being written; if that fails, what is in memory is worth nothing."""
        try:
            self.writing.close()
        except Exception as error:  # as above: the state on disk is whole
            self.lost = True
            log.error("the last micro-batch was not written", error=str(error))

    def _rest(self, rows: int, took: float) -> None:
        """After a step: wait for rows, or let more of them come in; a full micro-batch is followed at once."""
        if not rows:
            self.broker.wait(self.positions, 0.25)
        elif rows < min(QUICK, self.max_rows):
            self.stopping.wait(max(self.pause, min(2 * took, QUICK_PAUSE)))
        elif rows < self.max_rows:
            self._gather(LONGEST_PAUSE if rows >= CROWDED else min(took, LONGEST_PAUSE))

    def _more(self) -> bool:
        """Whether another full micro-batch waits."""
        full = {place: offset + self.max_rows - 1 for place, offset in self.positions.items()}
        return self.broker.wait(full, 0.0)

    def _gather(self, seconds: float) -> None:
        """Let rows come in for so long, until they fill a micro-batch, or until none come any more."""
        for _ in range(LOOKS):
            ends = {
                (topic, info.partition): info.end
                for topic in self.reader.order
                for info in self.broker.partitions(topic)
            }
            if self._more() or self.stopping.wait(seconds / LOOKS) or not self.broker.wait(ends, 0.0):
                return

    def recover(self) -> None:
        """Load the last checkpoint and run the rows between its state and its offsets again, without effect."""
        self.forget()
        checkpoint = self.store.checkpoint(self.group)
        if checkpoint is not None:
            self.take_up(checkpoint)
            Recovery(self.graph, self.steps, self.broker, self.clock.monotonic()).run(checkpoint)
        for topic in self.reader.order:
            for info in self.broker.partitions(topic):
                self.positions.setdefault((topic, info.partition), info.start)
        self.remember()

    # -- one micro-batch -----------------------------------------------------------------------------------------

    def step(self, *, beside: bool = False) -> int:
        """Run one micro-batch; returns the number of rows read, 0 when there was nothing to do.

        With `beside` it is written in another thread where a full one waits, and the next step raises what that raises.
        """
        now = self.clock.monotonic()
        self.board.rate(now)
        effects, rows, joined = Effects(), 0, False
        for batch in self.reader.read(self.positions, self.max_rows):
            joined |= batch.topic in self.joined
            self._process(Rows.of(batch), effects, now)
            self.positions[(batch.topic, batch.partition)] = batch.next
            rows += batch.frame.height
        # The rows that came last must get into a saved state too: replicas show open windows from it.
        unsaved = self.since_snapshot > 0 and self._snapshot_due(now)
        if not rows and not unsaved and not self.due(now):
            self.writing.settle()
            return 0
        self.close(effects, now)
        self.since_snapshot += rows
        ended = self.ended(effects, snapshot=joined or self._snapshot_due(now))
        if beside and self._more():
            self.writing.submit(lambda: self.put(ended))
        else:
            self.writing.settle()
            self.put(ended)
        metrics.took("engine", self.clock.monotonic() - now)
        return rows

    def _process(self, rows: Rows, effects: Effects, now: float) -> None:
        """Run the plan over rows of one topic and gather what it changes."""
        for name, found in self.graph.run(rows, self._refuse).items():
            time = self.plan.flows[name].record.time
            newest = int(found.times(time).max()) if time and found.frame.height else None
            effects.count(name, found.frame.height, newest)
            for window in self.graph.windows[name]:
                late = self.steps[window.name].feed(found, now)
                effects.count(window.name, found.frame.height, newest)
                if late is not None:
                    effects.came_late(window.name, late)
            for table in self.graph.tables[name]:
                effects.count(table.name, found.frame.height, newest)
                effects.upsert(table.name, marked(table, found.frame).with_columns(pl.Series("_offset", found.offsets)))

    def _refuse(self, flow: str, rows: Rows, rule: str, why: str) -> None:
        """Quarantine rows of a flow; the same rows after a crash are recognised by their ids."""
        raws = raw_lines(rows.frame)
        broken = [Rejection(index, rule, why) for index in range(len(raws))]
        frame = quarantined(flow, rows.topic, broken, raws, self.clock.now())
        ids = pl.Series(refusal_ids(flow, rows, rule), dtype=pl.String)
        self.broker.append(QUARANTINE, frame, ids=ids).result()
        self.board.refused(flow, len(raws), why)

    # -- committing ----------------------------------------------------------------------------------------------

    def _snapshot_due(self, now: float) -> bool:
        """States are saved at intervals that bound what a restart runs again, shorter ones while they are small.

        Commits that change a joined table always save it: replayed rows must meet the versions that they met before.
        """
        every = min(SMALL_SECONDS, self.snapshot_seconds) if self.held <= SMALL_STATE else self.snapshot_seconds
        return now - self.snapshot_at >= every or self.since_snapshot >= SNAPSHOT_ROWS

    def drain(self) -> int:
        """Run until the log has nothing more; returns the number of rows. For tests, benches and recomputation."""
        if not self.positions:
            self.recover()
        total = 0
        while rows := self.step(beside=True):
            total += rows
        return total
