"""Grouping by dense numbers gives what grouping with Polars gives, whatever the keys, nulls and values."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from wayside import grouping
from wayside.grouping import Part, grouped, newest, plain, settled

SCHEMA = pl.Schema(
    {
        "name": pl.String(),
        "number": pl.Int64(),
        "flag": pl.Boolean(),
        "at": pl.Datetime("us", "UTC"),
        "level": pl.Float64(),
        "count": pl.Int64(),
        "offset": pl.Int64(),
    }
)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 5).map(lambda seconds: FIRST + timedelta(seconds=seconds))
NAMES = st.sampled_from(["", "a", "b", "ä", "a rather long name of a thing"])
PARTS = [
    Part("rows", "len", ""),
    *(Part(f"{column}__{how}", how, column) for column in ("level", "count") for how in ("count", "sum", "min", "max")),
]


def frames(*, nulls: bool) -> st.SearchStrategy[pl.DataFrame]:
    """Up to 60 rows; sums of quarters are exact in any order."""

    def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.none() | values if nulls else values

    row = st.tuples(
        maybe(NAMES),
        maybe(st.integers(-3, 3)),
        maybe(st.booleans()),
        maybe(TIMES),
        st.none() | st.integers(-40, 40).map(lambda quarters: quarters / 4),
        st.none() | st.integers(-(2**40), 2**40),
        st.integers(0, 30),
    )
    return st.lists(row, max_size=60).map(lambda rows: pl.DataFrame(rows, schema=SCHEMA, orient="row"))


@given(frames(nulls=True), st.permutations(["name", "number", "flag", "at"]), st.integers(1, 4))
def test_groups_are_those_of_polars(rows: pl.DataFrame, columns: list[str], width: int) -> None:
    keys = columns[:width]
    assert_frame_equal(grouped(rows, keys, PARTS), plain(rows, keys, PARTS))


@given(frames(nulls=True), st.integers(2, 40), st.sampled_from([["number"], ["number", "name"], ["name", "number"]]))
def test_keys_that_repeat_are_grouped_the_same(rows: pl.DataFrame, times: int, keys: list[str]) -> None:
    repeated = rows[np.repeat(np.arange(rows.height), times)]
    assert_frame_equal(grouped(repeated, keys, PARTS), plain(repeated, keys, PARTS))


@given(st.lists(st.sampled_from([float("nan"), float("inf"), float("-inf"), -1.5, 0.0, 2.0, None]), max_size=12))
def test_least_and_greatest_pass_by_what_is_not_a_number(values: list[float | None]) -> None:
    rows = pl.DataFrame(
        {"key": [index % 3 for index in range(len(values))], "level": pl.Series(values, dtype=pl.Float64)}
    )
    parts = [Part(how, how, "level") for how in ("min", "max")]
    assert_frame_equal(grouped(rows, ["key"], parts), plain(rows, ["key"], parts))


@pytest.mark.parametrize("least", [0, 1 << 16])
def test_many_combinations_are_numbered_again(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "LEAST", least)
    count = 500
    rows = pl.DataFrame(
        {
            "one": [f"{index * 7919 % count}" for index in range(count)],
            "two": [index % 250 for index in range(count)],
            "level": [float(index) for index in range(count)],
        }
    )
    parts = [Part("rows", "len", ""), Part("level__sum", "sum", "level")]
    assert_frame_equal(grouped(rows, ["one", "two"], parts), plain(rows, ["one", "two"], parts))


@given(frames(nulls=False), st.permutations(["name", "number", "flag"]), st.integers(1, 3))
def test_the_newest_is_the_last_by_time_and_offset(rows: pl.DataFrame, columns: list[str], width: int) -> None:
    keys = columns[:width]
    wanted = rows.sort("at", "offset", maintain_order=True).unique(keys, keep="last", maintain_order=True).sort(keys)
    assert_frame_equal(newest(rows, keys, "at", "offset"), wanted)


@given(frames(nulls=False), st.permutations(["name", "number", "flag"]), st.integers(1, 3))
def test_rows_are_settled_when_they_are_one_per_key_and_sorted(
    rows: pl.DataFrame, columns: list[str], width: int
) -> None:
    keys = columns[:width]
    wanted = rows.unique(keys, keep="first", maintain_order=True).sort(keys)
    assert settled(wanted, keys)
    assert settled(rows, keys) == (rows[keys].rows() == wanted[keys].rows())


def test_many_rows_are_settled_only_if_the_last_ones_are() -> None:
    rows = pl.DataFrame({"key": [*range(200), 199]})
    assert settled(rows[:200], ["key"])
    assert not settled(rows, ["key"])


def test_keys_of_other_types_are_grouped_by_polars() -> None:
    rows = pl.DataFrame({"key": [0.5, 0.5, 1.5], "at": [FIRST] * 3, "offset": [1, 3, 2]}).cast({"at": SCHEMA["at"]})
    assert grouped(rows, ["key"], [Part("rows", "len", "")]).rows() == [(0.5, 2), (1.5, 1)]
    assert newest(rows, ["key"], "at", "offset")["offset"].to_list() == [3, 2]


def test_numbering_keys_imports_no_pandas() -> None:
    code = (
        "import sys, polars as pl\n"
        "from wayside.grouping import Part, grouped\n"
        "rows = pl.DataFrame({'key': ['b', 'a', None, 'a'], 'value': [1.0, 2.0, 3.0, 4.0]})\n"
        "assert grouped(rows, ['key'], [Part('sum', 'sum', 'value')])['sum'].to_list() == [3.0, 6.0, 1.0]\n"
        "assert 'pandas' not in sys.modules, 'it takes a third of a second, once, in the middle of a micro-batch'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
