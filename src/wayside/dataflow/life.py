"""The life of an engine and what others ask of it: the same whoever runs the plan."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

import polars as pl
import structlog

from wayside.dataflow.book import Book
from wayside.dataflow.commits import Listener
from wayside.dataflow.steps import Effects
from wayside.errors import DiskFullError, NotFoundError
from wayside.values import NodeStatus, Standing

log = structlog.get_logger()


class Life(ABC):
    """Starts and stops a thread around a book, and answers from it."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.lock = threading.RLock()
        """Held while the book changes, where several threads may want to."""
        self.stopping = threading.Event()
        self.thread: threading.Thread | None = None
        self.failure: BaseException | None = None

    @abstractmethod
    def recover(self) -> None:
        """Load the last checkpoint and run the rows between its state and its positions again, without effect."""

    @abstractmethod
    def _loop(self) -> None:
        """Run until stopped."""

    @abstractmethod
    def _whole(self) -> bool:
        """Whether what is in memory is what was committed."""

    def start(self) -> None:
        """Recover, then run in a thread of its own."""
        self.recover()
        self.stopping.clear()
        self.thread = threading.Thread(target=self._loop, name="wayside-engine", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Finish the micro-batch at hand, save the state, and end."""
        self.stopping.set()
        if self.thread is not None:
            self.thread.join()
            self.thread = None
        if self.failure is None and self._whole() and self.book.positions:
            with self.lock:
                self._save()

    def _save(self) -> None:
        """Save the state, so that the next start has nothing to run again; a full disk does not hold up the end."""
        try:
            self.book.commit(Effects(), snapshot=True)
        except DiskFullError as error:
            log.warning("the last state was not saved; the next start runs some rows again", error=str(error))

    def finish(self) -> None:
        """Close all windows: the source has ended and nothing more will come."""
        with self.lock:
            self.book.close_all()

    def open_windows(self, name: str) -> pl.DataFrame:
        """Partial rows of the windows that are still open, as of the last commit."""
        return self.standing(name).rows

    def standing(self, name: str) -> Standing:
        """The same with the offsets up to which the log is counted in them; nothing before the first commit."""
        step = self.book.steps.get(name)
        if step is None:
            raise NotFoundError(f"No window is named {name!r}.", why=f"Windows: {', '.join(self.book.steps)}.")
        opened = self.book.settled
        return Standing(step.operator.peek(opened.frames[name]), opened.positions)

    def status(self) -> list[NodeStatus]:
        """Every node except the feeds; lag is counted now."""
        book = self.book
        positions = dict(book.positions)
        for topic in book.plan.topics:
            infos = book.broker.partitions(topic)
            behind = sum(info.end - positions.get((topic, info.partition), info.start) for info in infos)
            book.board.nodes[topic].lag = behind
        return list(book.board.nodes.values())

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after each commit, in order; returns the function that ends it."""
        return self.book.listeners.subscribe(listener)

    def _told_of(self, problem: str) -> None:
        """Show a problem at every node; an empty one takes it back."""
        for node in self.book.board.nodes.values():
            node.last_error = problem
