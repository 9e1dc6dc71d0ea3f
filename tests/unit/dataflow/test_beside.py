"""A micro-batch is written while the next one is computed: in order, and as if nothing had been ahead when it fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.unit.dataflow.test_embedded import World
from wayside.dataflow import EmbeddedEngine
from wayside.dataflow.beside import Beside
from wayside.errors import UnavailableError
from wayside.hot.memory import MemoryStore, MemoryTransaction
from wayside.values import Commit

ROWS = 40
A_WHILE = 20.0
"""Seconds that a test waits at most."""


class Gated(MemoryStore):
    """A store whose transactions wait for a gate, and of which one may fail."""

    def __init__(self, there: MemoryStore) -> None:
        self.__dict__ = there.__dict__
        self.gate, self.begun, self.numbers, self.failing = threading.Event(), threading.Event(), 0, 0

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        self.numbers += 1
        self.begun.set()
        if not self.gate.wait(A_WHILE):
            raise TimeoutError("the gate stays shut")
        with super().transaction() as transaction:
            yield transaction
            if self.numbers == self.failing:
                raise UnavailableError("The hot store does not answer.")


def fed() -> tuple[World, Gated]:
    """A world with rows for several micro-batches of ten, not read yet."""
    world = World()
    world.place(("a", 0, "north"))
    world.engine.drain()
    for second in range(ROWS):
        world.read(("a", second, second))
    return world, Gated(world.store)


def engine_of(world: World, store: MemoryStore) -> EmbeddedEngine:
    engine = EmbeddedEngine(world.plan, world.broker, store, clock=world.clock, max_rows=10)
    engine.recover()
    return engine


def expected() -> list[tuple[str, int]]:
    """What one after the other gives."""
    world, _ = fed()
    engine = engine_of(world, world.store)
    while engine.step():
        pass
    return world.closed()


def test_the_next_one_is_computed_while_one_is_written_and_readers_see_what_was_written() -> None:
    world, store = fed()
    engine = engine_of(world, store)
    known = engine.settled
    engine.step(beside=True)
    assert store.begun.wait(A_WHILE)
    assert engine.positions["readings", 0] == 10
    assert engine.settled is known, "what is open is shown when it is committed"
    heard: list[Commit] = []
    engine.subscribe(heard.append)
    store.gate.set()
    engine.drain()
    assert [commit.sequence for commit in heard] == sorted({commit.sequence for commit in heard})
    assert engine.settled[1]["readings", 0] == ROWS
    assert world.closed() == expected() != []


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_of_a_write_that_fails_and_of_what_came_after_it_nothing_is_lost_or_counted_twice(failing: int) -> None:
    world, store = fed()
    store.failing = failing
    store.gate.set()
    heard: list[Commit] = []
    engine = engine_of(world, store)
    engine.subscribe(heard.append)
    engine.start()
    for _ in range(2_000):
        if engine.settled[1]["readings", 0] == ROWS:
            break
        engine.stopping.wait(0.01)
    engine.stop()
    assert world.closed() == expected()
    assert {node.name: node.records for node in engine.status()}["by_region"] == ROWS
    sequences = [commit.sequence for commit in heard]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


def test_what_a_task_raises_is_raised_once_and_the_next_runs() -> None:
    beside, done = Beside("test"), []
    beside.submit(lambda: done.append(1 // len(done)))
    with pytest.raises(ZeroDivisionError):
        beside.submit(lambda: done.append(1))
    beside.settle()
    beside.submit(lambda: done.append(2))
    beside.close()
    beside.submit(lambda: done.append(3))
    beside.close()
    assert done == [2, 3]
