"""The live hub: hears the engine's commits, keeps the recent ones, and gives subscribers what they wish for.

Commits arrive on the engine's thread and are only put into a ring there. The pump, a task of the event loop, lets a
thread of its own merge and write them, once per wish however many subscribers share it, and hands out the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from wayside.server import meters
from wayside.server.changes import Wish, allowed, changed, event, merge
from wayside.server.ring import Ring
from wayside.server.services import Services
from wayside.server.subscriber import Subscriber
from wayside.server.tails import Positions, ends, news
from wayside.server.workers import guarded
from wayside.values import Commit

log = logging.getLogger(__name__)

SPACING = 0.05
"""Seconds between two rounds: commits that come closer together are sent as one."""
PACE = 4 << 20
"""Bytes per second of one wish; larger events are spaced further apart."""
TAIL_EVERY = 0.2
OPEN_EVERY = 1.0
OPEN_ROWS = 2_000
"""Open windows are shown to those for whom they are not too many."""
HEARTBEAT = b": still here\n"
MISSED = b""
"""In place of an event: what lies between a subscriber and the latest commit is not kept here."""


class Hub:
    """Who listens, and what they are told."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.ring = Ring(services.limits)
        self.subscribers: set[Subscriber] = set()
        self.evicted = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._unsubscribe: Callable[[], None] | None = None
        self._shown: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Listen to the engine; must run in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._unsubscribe = self.services.engine.subscribe(self.hear)
        self._tasks = [asyncio.create_task(work()) for work in (self._pump, self._tail, self._tend)]

    async def stop(self) -> None:
        """Send everybody away and end."""
        self.close()
        if self._unsubscribe is not None:
            self._unsubscribe()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._thread.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End every subscription; the clients come back to a server that lives."""
        for subscriber in list(self.subscribers):
            subscriber.close()

    def hear(self, commit: Commit) -> None:
        """Take a commit from the engine's thread; nothing here may be slow."""
        self.ring.add(commit)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._news.set)

    def attach(self, subscriber: Subscriber) -> None:
        """From now on the subscriber hears of everything behind its position."""
        self.subscribers.add(subscriber)
        meters.SUBSCRIBERS.inc()
        if subscriber.position != self.ring.latest:
            self._news.set()

    def detach(self, subscriber: Subscriber) -> None:
        """The subscriber has gone."""
        self.subscribers.remove(subscriber)
        meters.SUBSCRIBERS.dec()

    async def _pump(self) -> None:
        """Round after round: wait for news, write them, hand them out."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                biggest = await self._round()
            except Exception:  # one round that fails must not end the stream for everybody
                log.exception("A round of the live stream failed.")
                biggest = 0
            await asyncio.sleep(max(SPACING, biggest / PACE))

    async def _round(self) -> int:
        """Bring everybody up to the latest commit; returns the size of the largest event."""
        assert self._loop is not None
        latest = self.ring.latest
        groups: dict[tuple[Wish, int], list[Subscriber]] = {}
        for subscriber in self.subscribers:
            if subscriber.position != latest and subscriber.wish.tables + subscriber.wish.windows:
                groups.setdefault((subscriber.wish, subscriber.position), []).append(subscriber)
        if not groups:
            return 0
        written = await self._loop.run_in_executor(self._thread, guarded, self._write, list(groups), latest)
        return self._hand_out(groups, written, latest)

    def _write(self, wanted: list[tuple[Wish, int]], latest: int) -> dict[tuple[Wish, int], bytes | None]:
        """The event of each (wish, position), on the hub's own thread."""
        merged: dict[int, Commit | None] = {}
        for _, position in wanted:
            if position not in merged:
                commits = self.ring.after(position)
                if commits is not None:
                    commits = [commit for commit in commits if commit.sequence <= latest]
                merged[position] = merge(self.services.plan, commits) if commits else None
        now = self.services.clock.now()
        open = self._open_windows({name for wish, _ in wanted for name in wish.windows})
        found: dict[tuple[Wish, int], bytes | None] = {}
        for wish, position in wanted:
            commit = merged[position]
            shown = {name: rows for name, rows in open.items() if len(allowed(rows, wish.where)) <= OPEN_ROWS}
            if commit is not None:
                found[wish, position] = changed(self.services.plan, commit, wish, now, shown)
            else:
                found[wish, position] = MISSED
        return found

    def _open_windows(self, names: set[str]) -> dict[str, pl.DataFrame]:
        """Windows that are not closed yet, about once per second for each."""
        moment = self.services.clock.monotonic()
        due = [name for name in sorted(names) if moment - self._shown.get(name, -OPEN_EVERY) >= OPEN_EVERY]
        self._shown.update(dict.fromkeys(due, moment))
        return {
            name: self.services.engine.open_windows(name).select(list(self.services.plan.windows[name].spec.schema))
            for name in due
        }

    def _hand_out(
        self,
        groups: dict[tuple[Wish, int], list[Subscriber]],
        written: dict[tuple[Wish, int], bytes | None],
        latest: int,
    ) -> int:
        """Give each subscriber its event; returns the size of the largest."""
        biggest = 0
        for group, subscribers in groups.items():
            data = written[group]
            for subscriber in subscribers:
                subscriber.position = latest
                if data is MISSED:
                    subscriber.overflow(event("overflow", {"why": "Commits were missed. Come again for all of it."}))
                elif data is not None:
                    biggest = max(biggest, len(data))
                    self._give(subscriber, data)
        return biggest

    def _give(self, subscriber: Subscriber, data: bytes) -> None:
        """Queue an event, or send the subscriber away when its queue is full."""
        if subscriber.closed or subscriber.put(data):
            return
        self.evicted += 1
        meters.EVICTED.inc()
        subscriber.overflow(event("overflow", {"why": "Events came faster than they were read."}))

    async def _tail(self) -> None:
        """New records of topics, to those who watch one."""
        assert self._loop is not None
        while True:
            await asyncio.sleep(TAIL_EVERY)
            groups: dict[tuple[Wish, Positions], list[Subscriber]] = {}
            for subscriber in self.subscribers:
                if subscriber.wish.topics:
                    groups.setdefault((subscriber.wish, subscriber.tail), []).append(subscriber)
            if not groups:
                continue
            try:
                found = await self._loop.run_in_executor(self._thread, guarded, self._read_tails, list(groups))
            except Exception:  # the next turn may do better
                log.exception("The tail of a topic cannot be read.")
                continue
            for group, (after, written) in found.items():
                for subscriber in groups[group]:
                    subscriber.tail = after
                    for data in written:
                        self._give(subscriber, data)

    def _read_tails(
        self, wanted: list[tuple[Wish, Positions]]
    ) -> dict[tuple[Wish, Positions], tuple[Positions, list[bytes]]]:
        """Where the topics of each wish end now, and the events up to there; on the hub's own thread."""
        found = {}
        for wish, before in wanted:
            after = ends(self.services, wish.topics)
            found[wish, before] = (after, news(self.services, wish, before, after) if after != before else [])
        return found

    async def _tend(self) -> None:
        """Heartbeats, and the end of subscriptions that have lived long enough."""
        limits = self.services.limits
        while True:
            await asyncio.sleep(limits.heartbeat_seconds / 3)
            now = self.services.clock.monotonic()
            for subscriber in list(self.subscribers):
                if now - subscriber.since > limits.life_seconds:
                    subscriber.close()
                elif now - subscriber.spoken >= limits.heartbeat_seconds * 2 / 3 and not subscriber.queue:
                    subscriber.put(HEARTBEAT + f"id: {subscriber.position}\n\n".encode())
