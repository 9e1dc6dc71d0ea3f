"""The engine as a process without one sees it: another process runs the plan, and the store tells what it commits.

A server replica asks the store for commits behind the last one that it knows, hands them on in order under the same
sequence numbers, and makes open windows and the status of nodes from the engine's checkpoint. Two replicas therefore
give the same answers and the same event ids, whichever engine runs the plan.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import polars as pl
import structlog

from wayside.clock import SYSTEM, Clock
from wayside.dataflow.recovery import sound
from wayside.dataflow.status import Board
from wayside.dataflow.steps import WindowStep, unpacked
from wayside.dataflow.watermark import NEVER
from wayside.domain import Plan
from wayside.errors import NotFoundError, WaysideError
from wayside.ports import Broker, HotStore
from wayside.values import Checkpoint, Commit, NodeStatus, Standing

log = structlog.get_logger()
Listener = Callable[[Commit], None]
LONGEST_WAIT = 2.0
BEFORE = (1_000, 100, 10)
"""How many commits of before its start a replica tries to know, so that clients of another one can go on here."""


class ReplicaEngine:
    """The port `Engine` over a store that another process writes.

    It asks every `every` seconds for news. While the store does not answer, `open_windows` raises its error, the nodes
    show it, and the following goes on by itself when the store is back.
    """

    failure: BaseException | None = None

    def __init__(
        self, plan: Plan, broker: Broker, store: HotStore, *, clock: Clock = SYSTEM, group: str = "engine",
        every: float = 0.1,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.broker = broker
        self.store = store
        self.clock = clock
        self.group = group
        self.every = every
        self.board = Board(plan)
        self.sequence = 0
        self.listeners: list[Listener] = []
        self._lock = threading.RLock()
        self._seen: Checkpoint | None = None
        self._open: dict[str, pl.DataFrame] = {}
        self._known = -1
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin where a replica that runs already would be, and follow in a thread of its own."""
        self._begin()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._loop, name="wayside-replica", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; the engine's process goes on."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _begin(self) -> None:
        """Know the last commits, so that a client that another replica served can go on here."""
        checkpoint = self.store.checkpoint(self.group)
        latest = checkpoint.sequence if checkpoint else 0
        for back in BEFORE:
            self.sequence = max(0, latest - back)
            if self.store.commits.after(self.group, self.sequence, limit=1):
                return
        self.sequence = latest

    def _loop(self) -> None:
        """Follow until stopped; a store that does not answer is asked again, ever more slowly."""
        wait = self.every
        while not self._stopping.is_set():
            try:
                busy = self.follow()
                wait = self.every
            except Exception as error:  # whatever failed: nothing was skipped, and the next turn asks again
                if wait == self.every:
                    log.warning("the store cannot be followed; trying again", error=first_line(error))
                busy, wait = False, min(wait * 2, LONGEST_WAIT)
            if not busy:
                self._stopping.wait(wait)

    def follow(self) -> bool:
        """Hand on what was committed since the last time; whether there may be more."""
        found = self.store.commits.after(self.group, self.sequence)
        if found is None:
            checkpoint = self.store.checkpoint(self.group)
            latest = checkpoint.sequence if checkpoint else 0
            log.warning("commits were missed; listeners begin anew", known=self.sequence, latest=latest)
            self.sequence = latest
            return False
        for commit in found:
            self.sequence = commit.sequence
            for listener in list(self.listeners):
                try:
                    listener(commit)
                except Exception as error:  # a listener must not stop the others
                    log.error("a listener failed", error=str(error))
        return bool(found)

    # -- what others ask -----------------------------------------------------------------------------------------

    def open_windows(self, name: str) -> pl.DataFrame:
        """Partial rows of the windows that are open, as of the state that the engine saved last.

        It saves one a second while there are few, and every other second when there are many.
        """
        if name not in self.plan.windows:
            raise NotFoundError(f"No window is named {name!r}.", why=f"Windows: {', '.join(self.plan.windows)}.")
        with self._lock:
            self._look()
            if name not in self._open:
                self._open[name] = self._made(name)
            return self._open[name]

    def standing(self, name: str) -> Standing:
        """The same with the offsets that the saved state covers."""
        with self._lock:
            rows = self.open_windows(name)
            return Standing(rows, dict(self._seen.state_positions) if self._seen is not None else {})

    def status(self) -> list[NodeStatus]:
        """Every node except the feeds, as of the last commit; lag is counted now."""
        with self._lock:
            error = ""
            try:
                self._look()
                self._count_lag()
            except WaysideError as raised:  # what is known is shown, with the reason why it is not newer
                error = raised.what
            return [replace(node, last_error=error or node.last_error) for node in self.board.nodes.values()]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after each commit, in order; returns the function that ends it."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener) if listener in self.listeners else None

    def _look(self) -> None:
        """Take the engine's checkpoint, if there has been a commit since the last look."""
        if self._known == self.sequence and self._seen is not None and self._thread is not None:
            return
        known = self.sequence
        checkpoint = self.store.checkpoint(self.group)
        self._known = known
        if checkpoint is None or (self._seen is not None and checkpoint.sequence == self._seen.sequence):
            return
        self._seen, self._open = checkpoint, {}
        self.board.follow(checkpoint.progress.get("counters", {}))
        self.board.rate(self.clock.monotonic())
        for name in self.plan.windows:
            self.board.watermark(name, closed_by(checkpoint, name))

    def _made(self, name: str) -> pl.DataFrame:
        """Open windows from the state: without those that had closed by the commit, which are rows of the store."""
        step = WindowStep(self.plan.windows[name])
        checkpoint = self._seen
        if checkpoint is not None:
            part = f"window:{name}"
            state = sound({part: (checkpoint.state or {}).get(part, b"")}) if checkpoint.state else {}
            if part in state:
                step.operator.load(unpacked(state[part]))
                step.operator.close(closed_by(checkpoint, name))
        return step.operator.peek(step.operator.frames())

    def _count_lag(self) -> None:
        positions = self._seen.positions if self._seen else {}
        for topic in self.plan.topics:
            self.board.nodes[topic].lag = sum(
                info.end - positions.get((topic, info.partition), info.start) for info in self.broker.partitions(topic)
            )


def closed_by(checkpoint: Checkpoint, window: str) -> int:
    """The watermark of a window's step as of a commit, in microseconds."""
    return int(checkpoint.progress.get("watermarks", {}).get(window, {}).get("closed", NEVER))


def first_line(error: BaseException) -> str:
    """The first line of an error's text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
