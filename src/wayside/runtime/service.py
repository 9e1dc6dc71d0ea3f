"""A running Wayside without its server: log, store, engine, feeds and lake, opened and ended in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import structlog

from wayside import metrics
from wayside.adapters.intake import FeedIntake
from wayside.adapters.runners import runner_of
from wayside.adapters.running import Runner
from wayside.adapters.simulate import SimulatorRunner
from wayside.adapters.sources import Simulator
from wayside.clock import SYSTEM, Clock
from wayside.domain import Feed, Plan
from wayside.errors import UnavailableError
from wayside.heap import Heap
from wayside.runtime import parts
from wayside.runtime.background import Ticker
from wayside.runtime.chosen import plain_feed
from wayside.runtime.folder import Folder
from wayside.runtime.lakewriter import LakeWriter
from wayside.runtime.observed import PlanCollector
from wayside.settings import Settings
from wayside.values import NodeStatus, PartitionInfo

log = structlog.get_logger(__name__)
CHORES = 20.0
"""Seconds for which a start waits for the first turn of the domains' chores."""
RETRY = 60.0
"""Seconds after which a chore that failed is tried again; twice as many after the next failure."""
LAKE_UPKEEP = 300.0
"""Seconds between two compactions of the lake."""
LAKE_REST = 1.0
"""The lake's writer rests after each append for as long as it took: requests are answered beside it."""
MEMORY_EVERY = 10.0
"""Seconds between two looks at what the C library keeps of freed memory."""


class Service:
    """Opened by `with`; `start` begins to work, leaving the block ends it cleanly within `settings.stop_within`."""

    def __init__(self, plan: Plan, settings: Settings, *, clock: Clock = SYSTEM) -> None:
        self.plan = plan
        self.settings = settings
        self.computes = settings.role != "server"
        """Whether the engine runs here, and with it everything of which there must be one: sources, lake, upkeep."""
        self.clock = clock
        self.started = False
        self.runners: dict[str, Runner] = {}
        self.generators: dict[str, SimulatorRunner] = {}
        self.tickers: list[Ticker] = []
        self.damages = {store: metrics.damages(store) for store in ("hot", "lake")}
        self.recovered = threading.Event()
        self.starting = threading.Thread(target=self._recover, name="wayside-recovery", daemon=True)
        self._failure: BaseException | None = None
        self._lake_writer: LakeWriter | None = None
        self._lake_upkeep = clock.monotonic() + LAKE_UPKEEP
        self._ending = ExitStack()
        self._stopping = threading.Event()

    def __enter__(self) -> Service:
        with ExitStack() as ending:
            parts.check(self.settings)
            self.folder: Folder = ending.enter_context(parts.folder_of(self.settings))
            if self.computes:
                self.folder.check()
                if self.folder.format() is None:
                    self.folder.mark()
            # A process that only answers may share the folder with one that writes it, and keeps nothing there.
            own = None if self.computes else ending.enter_context(TemporaryDirectory(prefix="wayside-"))
            self.own = Path(own) if own is not None else self.folder.domains
            self.broker = parts.broker_of(self.settings, self.folder, self.clock, self.plan)
            ending.callback(self.broker.close)
            parts.create_topics(self.plan, self.broker, self.settings)
            self.store = parts.store_of(self.settings, self.plan, self.folder, self.clock)
            ending.callback(self.store.close)
            self.lake = parts.lake_of(self.settings, self.folder, self.clock)
            self.engine = parts.engine_of(self.settings, self.plan, self.broker, self.store, self.clock)
            self.open_feeds(ending)
            ending.enter_context(metrics.watch(PlanCollector(self.nodes, self.log_state, self.clock)))
            self._ending = ending.pop_all()
        return self

    def open_feeds(self, ending: ExitStack) -> None:
        """An intake for each feed and for each topic's plain records; runners for feeds that run by themselves."""
        feeds = {name: plain_feed(topic) for name, topic in self.plan.topics.items()} | self.plan.feeds
        self.intakes = {name: FeedIntake(feed, self.broker, clock=self.clock) for name, feed in feeds.items()}
        for intake in self.intakes.values():
            ending.callback(intake.close)
        for name, feed in self.plan.feeds.items():
            kept = self.folder.feeds / f"{name}.json"
            runner = runner_of(feed, self.intakes[name], clock=self.clock, broker=self.broker, kept=kept)
            if runner is not None:
                self.runners[name] = runner
            if isinstance(runner, SimulatorRunner):
                self.generators[name] = runner

    def start(self) -> None:
        """Begin to recover and run; `readiness` tells when that is done."""
        self.started = True
        self.starting.start()

    def _recover(self) -> None:
        """The domains' chores and the engine first, then what brings records, then the work beside them."""
        try:
            self._begin_chores()
            self.engine.start()
            if self.computes:
                self._begin_sources()
            self._begin_work()
        except Exception as error:  # told by `failure`, which ends the process
            self._failure = error
            log.critical("start failed", error=str(error), exc_info=True)
        else:
            self.recovered.set()

    def _begin_chores(self) -> None:
        """Chores, each in a thread of its own; the start waits for their first turns, but not for ever."""
        self.tickers = [
            Ticker(
                f"{domain.name}: {chore.name}",
                chore.seconds,
                partial(chore.work, self.own / domain.name),
                clock=self.clock,
                at_once=True,
                retry=RETRY,
            )
            for domain in self.plan.domains
            for chore in domain.chores
        ]
        until = self.clock.monotonic() + CHORES
        for ticker in self.tickers:
            ticker.start()
        for ticker in self.tickers:
            ticker.done.wait(max(0.0, until - self.clock.monotonic()))

    def _begin_sources(self) -> None:
        """Sources that run by themselves."""
        for name, runner in self.runners.items():
            if name not in self.generators or (self.settings.simulate and shown(self.plan.feeds[name])):
                runner.start()

    def _begin_work(self) -> None:
        """The work beside the engine."""
        work = list(self.work())
        self.tickers += work
        for ticker in work:
            ticker.start()

    def work(self) -> Iterator[Ticker]:
        """What is done every so often."""
        yield Ticker("memory", MEMORY_EVERY, Heap().look, clock=self.clock)
        if not self.computes:
            return
        yield Ticker("maintenance", self.settings.maintain_every.total_seconds(), self.maintain, clock=self.clock)
        if self.settings.lake:
            yield Ticker("lake", self.settings.lake_every.total_seconds(), self.write_lake, clock=self.clock)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._ending:
            if self.started:
                self.stop()

    def stop(self, spent: float = 0.0) -> None:
        """End cleanly: nothing new comes in, what is in the log is computed and committed.

        `spent` are seconds of `settings.stop_within` that are gone already. Doing it twice is harmless.
        """
        if self._stopping.is_set():
            return
        self._stopping.set()
        deadline = self.clock.monotonic() + self.settings.stop_within.total_seconds() - spent
        for ticker in self.tickers:
            ticker.ask_to_stop()
        for name, runner in self.runners.items():
            log.debug("feed.stop", feed=name)
            runner.stop()
        for intake in self.intakes.values():
            intake.close()
        while self.computes and self.failure() is None and self.lag() and self.clock.monotonic() < deadline - 3:
            self.clock.sleep(0.02)
        self.starting.join(max(0.0, deadline - self.clock.monotonic()))
        try:
            self.engine.stop()
        except UnavailableError as error:  # the checkpoint of before is whole, and the next start goes on from there
            log.warning("the last state was not saved", error=error.what)
        for ticker in self.tickers:
            if not ticker.stop(deadline - self.clock.monotonic()):
                log.warning("background work is cut off; what it had begun is done at the next start", work=ticker.name)
        log.info("stopped", lag=self.lag() if self.computes else 0)

    # -- how things are ------------------------------------------------------------------------------------------

    def failure(self) -> BaseException | None:
        """Why nothing more can be written, or null. The process should end and recover."""
        log_failure: BaseException | None = getattr(self.broker, "failure", None)  # of a log in files only
        return self._failure or log_failure or self.engine.failure or self.store.damaged

    def readiness(self) -> list[str]:
        """Reasons why this should not be used yet; none when it is ready."""
        if (failure := self.failure()) is not None:
            return [str(failure).splitlines()[0]]
        return [] if self.recovered.is_set() else ["The engine is recovering its state from the log."]

    def data_problem(self) -> str | None:
        """What is wrong with the data folder's disk, or null."""
        full = getattr(self.broker, "disk_full", False)  # of a log in files only
        return "The disk of the data folder is full: nothing is accepted." if full else None

    def lag(self) -> int:
        """Records in the log that the engine has not processed; 0 while the log does not answer."""
        try:
            return sum(node.lag for node in self.engine.status())
        except UnavailableError:
            return 0

    def nodes(self) -> list[NodeStatus]:
        """Feeds first, then what the engine runs."""
        return [self.intakes[name].status() for name in self.plan.feeds] + self.engine.status()

    def log_state(self) -> dict[str, list[PartitionInfo]]:
        """Every topic with its partitions."""
        return {topic: self.broker.partitions(topic) for topic in self.broker.topics()}

    # -- work beside the engine ----------------------------------------------------------------------------------

    def maintain(self) -> None:
        """Retention and compaction of the log and the store."""
        self.broker.maintain()
        self.store.expire(self.clock.now() - self.settings.hot_keep)
        self.store.compact()

    def write_lake(self) -> int:
        """Append to the lake what is new in the log and the store; returns the number of rows."""
        if self._lake_writer is None:
            ports = (self.plan, self.broker, self.store, self.lake)
            stopped, totals = self._stopping.is_set, self.engine.open_windows
            self._lake_writer = LakeWriter(*ports, stopped=stopped, totals=totals, rest=LAKE_REST, clock=self.clock)
        rows = self._lake_writer.round()
        if self._lake_upkeep < self.clock.monotonic():
            self._lake_upkeep = self.clock.monotonic() + LAKE_UPKEEP
            self.lake.maintain(keep=self.settings.lake_keep)
        return rows


def shown(feed: Feed) -> bool:
    """Whether a feed is a simulator that belongs to the show."""
    return isinstance(feed.source, Simulator) and feed.source.demo
