"""The devices domain with everything real behind it: intakes, log, engine, store and, on demand, the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import httpx2
import polars as pl

from wayside.adapters.intake import FeedIntake
from wayside.adapters.simulate import SimulatorRunner
from wayside.adapters.sources import Simulator
from wayside.broker import MemoryBroker
from wayside.clock import SYSTEM, Clock
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Plan
from wayside.errors import StorageFailedError
from wayside.hot.memory import MemoryStore
from wayside.quarantine import QUARANTINE, SPEC
from wayside.server.app import create_app
from wayside.server.limits import Limits
from wayside.server.serve import listen, server
from wayside.server.services import Services
from wayside.values import Appended
from wayside_domains.devices import domain


class Log(MemoryBroker):
    """A log in memory that can be down."""

    down = False

    def append(
        self, topic: str, frame: pl.DataFrame, *, ids: pl.Series | None = None, partition: int | None = None
    ) -> Future[Appended]:
        if self.down:
            raise StorageFailedError("The log cannot be written.")
        return super().append(topic, frame, ids=ids, partition=partition)


class Farm:
    """Opened by `with`; `serve` adds the server and a client."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self.plan = Plan.of([domain])
        self.log = Log(clock=clock)
        self.store = MemoryStore(clock=clock)
        for topic in self.plan.topics.values():
            self.log.create(topic.spec)
        self.log.create(SPEC)
        self.store.ensure([t.spec for t in self.plan.tables.values()], [w.spec for w in self.plan.windows.values()])
        self.engine = EmbeddedEngine(self.plan, self.log, self.store, clock=clock)
        self.intakes = {name: FeedIntake(feed, self.log, clock=clock) for name, feed in self.plan.feeds.items()}
        self.generators = {
            name: SimulatorRunner(feed.source, self.intakes[name], clock=clock)
            for name, feed in self.plan.feeds.items()
            if isinstance(feed.source, Simulator)
        }
        self.server: Any = None

    def __enter__(self) -> Farm:
        self.engine.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.server is not None:
            self.client.close()
            self.server.should_exit = True
            self.thread.join(20)
        for generator in self.generators.values():
            generator.stop()
        for intake in self.intakes.values():
            intake.close()
        self.engine.stop()
        self.log.close()

    def serve(self) -> httpx2.Client:
        """Start the server, and return a client for it."""
        limits = Limits()
        services = Services(
            plan=self.plan,
            broker=self.log,
            store=self.store,
            engine=self.engine,
            intakes=self.intakes,
            generators=self.generators,
            limits=limits,
        )
        listener = listen("127.0.0.1", 0, limits)
        self.server = server(create_app(services), limits)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()
        wait_for(lambda: self.server.started)
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=20)
        return self.client

    def settle(self) -> None:
        """Wait until the engine has committed what the log holds."""

        def seen() -> bool:
            ends = {(n, i.partition): i.end for n in self.plan.topics for i in self.log.partitions(n) if i.end}
            checkpoint = self.store.checkpoint("engine")
            found = checkpoint.positions if checkpoint is not None else {}
            return all(found.get(place, 0) >= end for place, end in ends.items())

        wait_for(seen)

    def rows(self, topic: str = "processed_messages") -> pl.DataFrame:
        """Everything in a topic."""
        frames = []
        for info in self.log.partitions(topic):
            offset = info.start
            while (batch := self.log.read(topic, info.partition, offset)) is not None:
                frames.append(batch.frame)
                offset = batch.next
        return pl.concat(frames) if frames else pl.DataFrame(schema=self.log.topics()[topic].schema)

    def refused(self) -> pl.DataFrame:
        """The quarantine."""
        return self.rows(QUARANTINE)


def wait_for(done: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.005)
