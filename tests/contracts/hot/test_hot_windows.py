"""Closed windows and late rows of a hot store."""

from __future__ import annotations

import random

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.unit.hot.samples import (
    INPUT,
    WINDOW,
    close_windows,
    closed,
    late_rows,
    second,
)
from wayside.errors import NotFoundError
from wayside.ports import HotStore


class TestWindows:
    def test_windows_wholly_inside_the_range_by_start_and_key(self, store: HotStore) -> None:
        close_windows(store, closed(0, "b", "a"), closed(10, "c"), closed(20, "a"))
        found = store.windows("rollup", second(0), second(30))
        assert found.schema == WINDOW.schema
        assert found.select("window_start", "thing").rows() == [
            (second(0), "a"), (second(0), "b"), (second(10), "c"), (second(20), "a"),
        ]  # fmt: skip
        assert store.windows("rollup", second(10), second(30)).height == 2
        assert store.windows("rollup", second(0), second(29.999999)).height == 3
        assert store.windows("rollup", second(0.000001), second(20))["thing"].to_list() == ["c"]
        assert store.windows("rollup", second(5), second(5)).schema == WINDOW.schema

    def test_where_on_keys_and_on_other_columns(self, store: HotStore) -> None:
        close_windows(store, closed(0, "a", "b", rows=1), closed(10, "a", "c", rows=2), closed(20, "b", rows=2, part=1))
        span = (second(0), second(100))
        assert store.windows("rollup", *span, where={"thing": ["b"]}).height == 2
        assert store.windows("rollup", *span, where={"thing": ["a", "z"], "rows": [2]}).height == 1
        assert store.windows("rollup", *span, where={"part": [1]})["thing"].to_list() == ["b"]
        assert store.windows("rollup", *span, where={"thing": []}).height == 0
        assert store.windows("rollup", *span, where={"thing": [f"t{n}" for n in range(500)]}).height == 0
        with pytest.raises(NotFoundError, match="'colour'"):
            store.windows("rollup", *span, where={"colour": ["red"]})

    def test_a_window_that_is_computed_again_replaces_the_old_row(self, store: HotStore) -> None:
        close_windows(store, closed(0, "a", "b", rows=1), closed(10, "a", rows=1))
        close_windows(store, closed(0, "a", rows=9))
        found = store.windows("rollup", second(0), second(20))
        assert found.select("thing", "rows").rows() == [("a", 9), ("b", 1), ("a", 1)]
        assert store.windows("rollup", second(0), second(20), where={"rows": [1]}).height == 2

    def test_null_keys_are_a_group_of_their_own(self, store: HotStore) -> None:
        none = closed(0, "a").with_columns(thing=pl.lit(None, pl.String))
        close_windows(store, pl.concat([closed(0, "a"), none]), none.with_columns(rows=pl.lit(4, pl.Int64)))
        found = store.windows("rollup", second(0), second(10))
        assert found.select("thing", "rows").rows() == [(None, 4), ("a", 1)]
        assert store.windows("rollup", second(0), second(10), where={"thing": [None]}).height == 1
        assert store.windows("rollup", second(0), second(10), where={"thing": ["a"]}).height == 1

    def test_windows_after_gives_each_row_once_in_the_order_of_storing(self, store: HotStore) -> None:
        assert store.windows_after("rollup", -1)[1].is_empty()
        close_windows(store, closed(10, "a", "b"), closed(0, "c"))
        first, rows = store.windows_after("rollup", -1)
        assert sorted(rows["thing"].to_list()) == ["a", "b", "c"]
        assert rows["thing"].to_list()[-1] == "c"
        assert rows.columns == [*WINDOW.schema, "_seq"]
        again, nothing = store.windows_after("rollup", first)
        assert (again, nothing.height) == (first, 0)
        close_windows(store, closed(20, "d"))
        second_, more = store.windows_after("rollup", first)
        assert more["thing"].to_list() == ["d"]
        assert second_ > first

    def test_windows_after_is_cut_between_commits_only(self, store: HotStore) -> None:
        close_windows(store, *(closed(10 * n, "a", "b", "c") for n in range(6)))
        position, sizes, seen = -1, [], []
        while True:
            position, rows = store.windows_after("rollup", position, max_rows=7)
            if rows.is_empty():
                break
            sizes.append(rows.height)
            seen += rows["window_start"].to_list()
        assert sizes == [6, 6, 6]
        assert seen == sorted(seen)
        assert store.windows_after("rollup", -1, max_rows=1)[1].height == 3

    def test_compaction_changes_no_answer(self, store: HotStore) -> None:
        frames = [closed(10 * n, *"abcdefgh"[: 1 + n % 8], rows=n) for n in range(100)]
        close_windows(store, *frames[:60])
        middle, _ = store.windows_after("rollup", -1)
        close_windows(store, *frames[60:], closed(500, "a", rows=-1))
        before = store.windows("rollup", second(0), second(1000))
        after = store.windows_after("rollup", middle)[1].select(pl.struct(pl.all()).sort())
        merges = store.compact()
        assert_frame_equal(store.windows("rollup", second(0), second(1000)), before)
        assert store.windows("rollup", second(500), second(510), where={"thing": ["a"]})["rows"].to_list() == [-1]
        assert store.windows_after("rollup", middle)[1].height == after.height
        assert store.windows("rollup", second(100), second(200), where={"thing": ["h"]}).height == 1
        assert store.compact() == 0 or merges == 0

    def test_compaction_keeps_what_a_reader_of_the_order_has_not_seen(self, store: HotStore) -> None:
        chance = random.Random(3)
        position, seen = -1, []
        for number in range(120):
            close_windows(store, closed(10 * number, "a", "b"))
            if chance.random() < 0.2:
                store.compact()
            if chance.random() < 0.1:
                position, rows = store.windows_after("rollup", position, max_rows=20)
                seen += rows.select("window_start", "thing").rows()
        while (found := store.windows_after("rollup", position, max_rows=20))[1].height:
            position = found[0]
            seen += found[1].select("window_start", "thing").rows()
        assert len(seen) == len(set(seen)) == 240


class TestLate:
    def test_late_rows_newest_first(self, store: HotStore) -> None:
        for offsets in ((1, 2), (5,)):
            with store.transaction() as change:
                change.append_late("rollup", late_rows(*offsets))
        assert store.late("rollup")["_offset"].to_list() == [5, 2, 1]
        assert store.late("rollup", limit=2)["_offset"].to_list() == [5, 2]
        assert store.late("rollup").columns == [*INPUT, "_topic", "_partition", "_offset"]
        assert store.late_count("rollup") == 3

    def test_a_late_row_counts_once_however_often_it_is_read(self, store: HotStore) -> None:
        for partition, offsets in ((0, (1, 2, 3)), (1, (2, 3)), (0, (2, 3, 4, 4)), (1, (3,))):
            with store.transaction() as change:
                change.append_late("rollup", late_rows(*offsets, partition=partition))
        assert store.late_count("rollup") == 6
        assert sorted(store.late("rollup").select("_partition", "_offset").rows()) == [
            (0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3),
        ]  # fmt: skip

    def test_late_rows_of_several_partitions_come_together(self, store: HotStore) -> None:
        parts = [late_rows(3, 1, 3), late_rows(1, 2, partition=1), late_rows(1)]
        with store.transaction() as change:
            change.append_late("rollup", pl.concat(parts))
        assert sorted(store.late("rollup").select("_partition", "_offset").rows()) == [(0, 1), (0, 3), (1, 1), (1, 2)]

    def test_many_small_late_blocks_are_merged_and_stay_the_same(self, store: HotStore) -> None:
        for offset in range(200):
            with store.transaction() as change:
                change.append_late("rollup", late_rows(offset))
        store.compact()
        assert store.late_count("rollup") == 200
        assert store.late("rollup", limit=100)["_offset"].to_list() == list(range(199, 99, -1))
        with store.transaction() as change:
            change.append_late("rollup", late_rows(*range(190, 205)))
        assert store.late_count("rollup") == 205
