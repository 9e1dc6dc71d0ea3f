"""The Spark engine: the same plan over Kafka, with the rows that the embedded engine gives for the same log."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from wayside import metrics
from wayside.clock import SYSTEM, Clock
from wayside.dataflow.life import Life
from wayside.dataflow.spark.avro import Schemas, no_registry
from wayside.dataflow.spark.ledger import Ledger
from wayside.dataflow.spark.refusals import check
from wayside.dataflow.spark.shipping import Parcel
from wayside.dataflow.spark.source import EARLIEST, Source
from wayside.dataflow.spark.stages import Runner, micro_batch, pieces_of, run_again, stages
from wayside.dataflow.steps import Effects
from wayside.domain import Plan
from wayside.errors import DiskFullError, StorageFailedError, WaysideError
from wayside.ports import Broker, HotStore
from wayside.values import Position

log = structlog.get_logger()
POLL = 0.25
LONGEST_WAIT = 30.0


class SparkEngine(Life):
    """Runs a plan in Spark's tasks and commits from the driver.

    A micro-batch is a batch of a streaming query. Each partition is read by one task, which runs the plan over it and
    hands back what changes; the driver merges that and commits rows, positions, watermarks and (query, batch) in one
    transaction of the store. The store is the truth: a batch that comes again changes nothing, and Spark's own
    checkpoint, which is used while it agrees with the store, may be lost.
    """

    def __init__(
        self,
        plan: Plan,
        broker: Broker,
        store: HotStore,
        *,
        source: Source,
        sessions: Callable[[], Any],
        checkpoints: Path,
        schema_of: Callable[[int], str] = no_registry,
        clock: Clock = SYSTEM,
        group: str = "engine",
    ) -> None:
        check(plan)
        self.ledger = Ledger(plan, broker, store, clock=clock, group=group)
        super().__init__(self.ledger)
        self.plan, self.broker, self.clock = plan, broker, clock
        self.source, self.sessions, self.checkpoints = source, sessions, checkpoints
        self.stages = stages(plan)
        self.parcel = Parcel(plan)
        self.schemas = Schemas(schema_of)
        self.cause: Exception | None = None
        self.fresh = False
        self.loaded = False

    # -- life ------------------------------------------------------------------------------------------------------

    def _whole(self) -> bool:
        return self.loaded

    def recover(self) -> None:
        """Load the last checkpoint and run the rows between its state and its positions again, without effect."""
        with self.lock:
            self.loaded = False
            past, ranges = self.ledger.load()
            if ranges:
                messages = self.source.between(self.sessions(), self._kept(ranges))
                with self._runner(messages) as run:
                    rows = run_again(self.ledger, self.parcel.content(), self.stages, run, past)
                log.info("rows run again", rows=rows)
            self.ledger.settle()
            self.loaded = True

    def _kept(self, ranges: dict[Position, tuple[int, int]]) -> dict[Position, tuple[int, int]]:
        """Ranges without what retention has removed since."""
        starts = self._starts()
        clipped = {at: (max(start, starts.get(at, start)), end) for at, (start, end) in ranges.items()}
        return {at: (start, end) for at, (start, end) in clipped.items() if start < end}

    def _starts(self) -> dict[Position, int]:
        """The first offset that each partition still holds; the number of partitions is noted with it."""
        found: dict[Position, int] = {}
        for topic in self.plan.topics:
            infos = self.broker.partitions(topic)
            self.ledger.partitions[topic] = len(infos)
            found.update({(topic, info.partition): info.start for info in infos})
        return found

    def _loop(self) -> None:
        """Run queries until stopped; one that fails is tried again from the store, ever more slowly."""
        wait = 0.2
        while not self.stopping.is_set():
            before = self.ledger.sequence
            try:
                if not self.loaded:
                    self.recover()
                self._run(self._query(available_now=False))
            except Exception as error:  # whatever failed, the store is whole; say so and try again
                cause, self.cause, self.loaded = self.cause or error, None, False
                if hopeless(cause):
                    self.failure = cause
                    log.critical("engine stopped: the process must start again", error=first_line(cause))
                    return
                # A query that got nowhere may have a checkpoint that cannot be used.
                self.fresh = self.ledger.sequence == before
                wait = 0.2 if self.ledger.sequence > before else min(wait * 2, LONGEST_WAIT)
                log.error("query failed; trying again from the store", error=first_line(cause), seconds=wait)
                self._told_of(first_line(cause))
                self.stopping.wait(wait)

    def _run(self, query: Any) -> None:
        """Watch a query until it ends or the engine is to stop."""
        try:
            while not self.stopping.wait(POLL):
                if not query.isActive:
                    raise WaysideError("Spark's query has ended.", why=str(query.exception() or "nobody stopped it"))
                self.tick()
        finally:
            with self.lock:  # not in the middle of a micro-batch
                query.stop()

    # -- one micro-batch -------------------------------------------------------------------------------------------

    def _query(self, *, available_now: bool) -> Any:
        """Start a streaming query where the store says, on Spark's own checkpoint if it agrees with the store."""
        starts, positions = self._starts(), dict(self.ledger.positions)
        for at, start in starts.items():
            if start > positions.get(at, start):
                self._lost(at, start - positions[at])
        begin = {at: max(positions.get(at, EARLIEST), start) for at, start in starts.items()}
        name = self._checkpoint()
        frame = self.source.stream(self.sessions(), sorted(self.plan.topics), begin)
        writer = frame.writeStream.foreachBatch(lambda messages, batch: self.apply(messages, name, batch))
        writer = writer.option("checkpointLocation", str(self.checkpoints / name))
        return writer.trigger(availableNow=True).start() if available_now else writer.start()

    def _checkpoint(self) -> str:
        """The name of Spark's checkpoint: the one that the store names, or a new one."""
        known = self.ledger.source.get("query", "")
        if known and not self.fresh and (self.checkpoints / known / "metadata").is_file():
            return str(known)
        self.fresh = False
        for old in self.checkpoints.glob("*/metadata"):  # of queries that nobody will go on with
            shutil.rmtree(old.parent, ignore_errors=True)
        return uuid.uuid4().hex

    def _lost(self, at: Position, records: int) -> None:
        """Say how many records retention removed before they were read."""
        log.error("data loss: retention passed the engine", topic=at[0], partition=at[1], records=records)
        self.ledger.board.refused(at[0], records, f"{records} records were removed by retention before they were read.")

    def apply(self, messages: Any, query: str, batch: int) -> int:
        """Apply one batch of a query, once; returns the number of rows. Spark calls this for every micro-batch."""
        with self.lock:
            known = self.ledger.source
            if known.get("query") == query:
                if batch <= known["batch"]:
                    return 0
                if batch > known["batch"] + 1:
                    raise WaysideError(
                        f"Spark has batch {batch} where the store expects {known['batch'] + 1}.",
                        why="The store is older than Spark's checkpoint.",
                        next="Nothing: the query begins anew at the store's positions.",
                    )
            if not self.loaded:
                raise WaysideError("The engine has not recovered from its last failure.")
            self.loaded = False  # until it is committed, what is in memory is worth nothing
            try:
                rows = self._apply(messages, {"query": query, "batch": batch})
            except Exception as error:  # Spark ends the query, and of the error only its text comes back
                self.cause = error
                raise
            self.loaded = True
            return rows

    def _apply(self, messages: Any, place: dict[str, Any]) -> int:
        """Run the plan over the messages in Spark's tasks, and commit what they have found."""
        began = self.clock.monotonic()
        self.ledger.board.rate(began)
        with self._runner(messages) as run:
            effects, rows = micro_batch(self.ledger, self.parcel.content(), self.stages, run)
        self.ledger.source = place
        self.ledger.commit(effects)
        metrics.took("engine", self.clock.monotonic() - began)
        return rows

    @contextmanager
    def _runner(self, messages: Any) -> Iterator[Runner]:
        """Runs jobs over messages; those of several stages are kept, so that Kafka is read once."""
        if len(self.stages) == 1:
            yield lambda job, _: self.schemas.complete(job, lambda each: pieces_of(messages, each, None))
            return
        held = messages.persist()
        try:
            yield lambda job, topics: self.schemas.complete(job, lambda each: pieces_of(held, each, topics))
        finally:
            held.unpersist()

    def tick(self) -> bool:
        """Between micro-batches: close windows that a partition held back which has fallen idle, and save a state that
        lacks rows which nothing has followed. Returns whether there was a commit.
        """
        if not self.lock.acquire(blocking=False):
            return False
        try:
            now = self.clock.monotonic()
            self.ledger.board.rate(now)
            if not self.loaded:
                return False
            effects, unsaved = Effects(), self.ledger.unsaved(now)
            # A partition that never had a row is still waited for.
            moved = self.ledger.due(now) and self.ledger.close(effects, now)
            if not moved and not unsaved:
                return False
            self.ledger.commit(effects, snapshot=unsaved)
            return True
        finally:
            self.lock.release()

    def drain(self) -> None:
        """Run until the log has nothing more. For tests, benches and recomputation."""
        if not self.loaded:
            self.recover()
        query = self._query(available_now=True)
        try:
            query.awaitTermination()
        finally:
            query.stop()


def hopeless(error: BaseException) -> bool:
    """Whether only a new process helps: the store's disk has failed, or Spark's own process is gone."""
    if isinstance(error, StorageFailedError):
        return not isinstance(error, DiskFullError)
    return isinstance(error, ConnectionError) or type(error).__name__ == "Py4JNetworkError"


def first_line(error: BaseException) -> str:
    """What an error says, without Spark's stack traces."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
