"""Which ids were seen: against a plain dictionary, at the edges of the horizon, and within bounds."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from wayside.broker.dedup import SeenIds

SECOND = 1_000_000
START = 1_767_268_800 * SECOND
HORIZON = 100 * SECOND

steps = st.lists(
    st.tuples(st.integers(0, 60), st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=20)), max_size=30
)


@given(steps)
def test_it_agrees_with_a_dictionary(steps: list[tuple[int, list[int | None]]]) -> None:
    seen, known, now = SeenIds(HORIZON), {}, START
    for seconds, numbers in steps:
        now += seconds * SECOND
        ids = [None if number is None else f"id-{number}" for number in numbers]
        expected, here = [], set()
        for one in ids:
            again = one is not None and (one in here or now - known.get(one, -HORIZON * 9) <= HORIZON + SECOND)
            expected.append(again)
            here.add(one)
        found = seen.duplicates(pl.Series(ids, dtype=pl.String), now)
        assert found.tolist() == expected
        fresh = [one for one, again in zip(ids, expected, strict=True) if one is not None and not again]
        seen.remember(pl.Series(fresh, dtype=pl.String), now)
        known.update(dict.fromkeys(fresh, now))


def test_many_ids_are_all_known_and_no_others() -> None:
    seen = SeenIds(HORIZON)
    for start in range(0, 300_000, 30_000):
        ids = pl.Series([f"a fairly long id number {number}" for number in range(start, start + 30_000)])
        assert not seen.duplicates(ids, START).any()
        seen.remember(ids, START)
    assert len(seen) == 300_000
    ids = pl.Series([f"a fairly long id number {number}" for number in range(290_000, 310_000)])
    assert seen.duplicates(ids, START).tolist() == [True] * 10_000 + [False] * 10_000


def test_expired_ids_make_room() -> None:
    seen = SeenIds(HORIZON)
    for round_ in range(50):
        ids = pl.Series([f"{round_}-{number}" for number in range(2000)])
        seen.remember(ids, START + round_ * 2 * HORIZON)
    assert len(seen) < 20_000


def test_the_table_is_bounded_and_the_newest_ids_stay() -> None:
    seen = SeenIds(10_000 * HORIZON, limit=4000)
    for round_ in range(40):
        ids = pl.Series([f"{round_}-{number}" for number in range(500)])
        seen.remember(ids, START + round_ * SECOND)
        assert seen.duplicates(ids, START + round_ * SECOND).all()
    assert len(seen) <= 16_000
    assert not seen.duplicates(pl.Series(["0-1"]), START + 40 * SECOND).any()


def test_ids_from_the_log_keep_their_own_time() -> None:
    seen = SeenIds(HORIZON)
    ids = pl.Series(["old", "young", "twice", None, "twice"], dtype=pl.String)
    times = np.array([START, START + 90 * SECOND, START, START, START + 80 * SECOND])
    seen.recall(ids, times, START + 150 * SECOND)
    found = seen.duplicates(pl.Series(["old", "young", "twice"]), START + 150 * SECOND)
    assert found.tolist() == [False, True, True]
    found = seen.duplicates(pl.Series(["old", "young", "twice"]), START + 185 * SECOND)
    assert found.tolist() == [False, True, False]
