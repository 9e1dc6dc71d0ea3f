"""Freed memory goes back to the system: against the C library of this machine."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wayside import heap

ROOT = Path(__file__).parents[2]
BLOCK, BLOCKS = 32 << 10, 3_000
WHOLE = BLOCK * BLOCKS
LEAST = WHOLE // 3

pytestmark = pytest.mark.skipif(heap._library() is None, reason="the C library does not count what it holds")


@contextmanager
def held() -> Iterator[None]:
    """96 MB in blocks that the C library takes from its arenas, freed at the end, and one behind them that stays."""
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    blocks = [library.malloc(BLOCK) for _ in range(BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK)
    yield
    for block in blocks[:-1]:
        library.free(block)


def given_back_once() -> None:
    watched = heap.Heap(LEAST)
    with held():
        full = heap.resident()
        assert not watched.look(), "nothing is free yet"
    assert heap.leftovers() > WHOLE * 0.9
    assert heap.resident() > full - WHOLE // 2, "the C library holds what was freed"
    assert watched.look()
    assert heap.resident() < full - WHOLE // 2
    assert not watched.look(), "it has not grown since"


def looked_at_again() -> None:
    watched = heap.Heap(LEAST)
    given = []
    for _ in range(2):
        with held():
            pass
        given.append(watched.look())
    assert given == [True, True], "a process that grows again"


def few_stay() -> None:
    with held():
        pass
    assert not heap.Heap(2 * WHOLE + heap.leftovers()).look()


@pytest.mark.parametrize("story", [given_back_once, looked_at_again, few_stay])
def test_what_was_freed(story: Callable[[], None]) -> None:
    """In a process of its own, which has no leftovers of other tests."""
    code = f"from tests.unit import test_heap; test_heap.{story.__name__}()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
