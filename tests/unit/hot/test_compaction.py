"""Which blocks are merged, and what a query may pass by."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from tests.unit.hot.samples import WINDOW, closed
from wayside.hot.compaction import FAN_IN, FULL_ROWS, MOST_ROWS, Group, plan
from wayside.hot.windows import key_range, overlapping


def group(number: int, *, level: int = 0, rows: int = 10, day: int = 0) -> Group:
    return Group(first=number, last=number, level=level, rows=rows, day=day)


def numbers(groups: list[Group]) -> list[int]:
    return [member.first for member in plan(groups)]


def test_few_blocks_are_left() -> None:
    assert numbers([]) == []
    assert numbers([group(n) for n in range(FAN_IN - 1)]) == []


def test_neighbours_of_one_level_and_day() -> None:
    assert numbers([group(n) for n in range(FAN_IN)]) == list(range(FAN_IN))
    mixed = [group(n, level=n % 2) for n in range(40)]
    assert numbers(mixed) == []
    days = [group(n, day=n // 5) for n in range(40)]
    assert numbers(days) == []
    later = [group(n, level=1) for n in range(3)] + [group(n) for n in range(3, 20)]
    assert numbers(later) == list(range(3, 20))


def test_large_blocks() -> None:
    half = MOST_ROWS // 2
    assert numbers([group(n, rows=half) for n in range(5)]) == [0, 1]
    assert numbers([group(0, rows=MOST_ROWS * 3)]) == [0], "one that came at once is cut into pieces"
    assert numbers([group(n, level=1, rows=FULL_ROWS) for n in range(20)]) == []


def test_damaged_blocks_stay_where_they_are() -> None:
    groups = [replace(group(n), level=-1 if n == 4 else 0) for n in range(4 + 1 + FAN_IN)]
    assert numbers(groups) == list(range(5, 5 + FAN_IN))
    assert numbers([group(n, level=-1) for n in range(50)]) == []


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ([], False),
        ([(0, 10, 1, 1), (20, 30, 2, 2)], False),
        ([(0, 10, 1, 1), (10, 30, 2, 2)], True),
        ([(0, 100, 1, 1), (20, 30, 2, 2), (200, 300, 3, 3)], True),
        ([(0, 10, 1, 9), (5, 15, 1, 9)], False),
        ([(0, 10, 1, 9), (5, 15, 1, 9), (12, 13, 10, 10)], True),
    ],
)
def test_blocks_that_may_hold_the_same_window(spans: list[tuple[int, int, int, int]], found: bool) -> None:
    assert overlapping(spans) is found


def test_key_ranges() -> None:
    assert key_range(WINDOW, closed(0, "b", "ä", "a")) == ("a", "ä")
    assert key_range(WINDOW, closed(0, "a").with_columns(thing=pl.lit(None, pl.String))) == (None, None)
    assert key_range(replace(WINDOW, by=()), closed(0, "a")) == (None, None)
    floats = pl.Schema({**WINDOW.input, "thing": pl.Float64()})
    assert key_range(replace(WINDOW, input=floats), closed(0, "a")) == (None, None)
