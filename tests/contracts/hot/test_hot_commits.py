"""Transactions, checkpoints, expiry and changed declarations of a hot store."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from tests.unit.hot.samples import (
    INPUT,
    TABLE,
    WINDOW,
    close_windows,
    closed,
    keys,
    late_rows,
    row,
    save,
    second,
    table_rows,
    upsert,
)
from wayside.clock import ManualClock
from wayside.errors import DeclarationError
from wayside.ports import HotStore
from wayside.specs import TIME, Aggregate, TableSpec
from wayside.values import Checkpoint


class TestCheckpoints:
    def test_unknown_group(self, store: HotStore) -> None:
        assert store.checkpoint("engine") is None

    def test_everything_comes_back(self, store: HotStore) -> None:
        given = Checkpoint(
            positions={("input", 0): 5, ("input", 1): 7},
            sequence=3,
            progress={"watermark": 1.5, "sources": {"a": [1, 2]}},
            state={"window rollup": b"\x00\xff" * 1000, "": b"", "join": b"x"},
            state_positions={("input", 0): 4},
        )
        save(store, given)
        assert store.checkpoint("engine") == given
        assert store.checkpoint("other") is None

    def test_a_checkpoint_without_state_keeps_the_state_of_before(self, store: HotStore) -> None:
        save(store, Checkpoint({("t", 0): 5}, 1, state={"a": b"1", "b": b"2"}, state_positions={("t", 0): 5}))
        save(store, Checkpoint({("t", 0): 9}, 2))
        found = store.checkpoint("engine")
        assert found == Checkpoint({("t", 0): 9}, 2, {}, {"a": b"1", "b": b"2"}, {("t", 0): 5})
        save(store, Checkpoint({("t", 0): 9}, 3, state={"c": b"3"}, state_positions={("t", 0): 9}))
        assert store.checkpoint("engine") == Checkpoint({("t", 0): 9}, 3, {}, {"c": b"3"}, {("t", 0): 9})

    def test_groups_are_apart(self, store: HotStore) -> None:
        save(store, Checkpoint({}, 1, state={"a": b"1"}))
        with store.transaction() as change:
            change.save("other", Checkpoint({("t", 0): 1}, 2))
        assert store.checkpoint("engine") == Checkpoint({}, 1, {}, {"a": b"1"}, {})
        assert store.checkpoint("other") == Checkpoint({("t", 0): 1}, 2)


class TestTransactions:
    def test_all_of_it_or_nothing(self, store: HotStore) -> None:
        upsert(store, row("a", 1, 1, value=1.0))
        save(store, Checkpoint({("t", 0): 1}, 1, state={"s": b"old"}))
        with pytest.raises(ZeroDivisionError), store.transaction() as change:  # noqa: PT012 - the block is what is tested
            change.upsert("latest", table_rows(row("a", 2, 2, value=2.0), row("b", 2, 3)))
            change.append_windows("rollup", closed(0, "a"))
            change.append_late("rollup", late_rows(1))
            change.save("engine", Checkpoint({("t", 0): 2}, 2, state={"s": b"new"}))
            raise ZeroDivisionError
        assert store.table("latest")["value"].to_list() == [1.0]
        assert store.windows("rollup", second(0), second(100)).is_empty()
        assert store.late_count("rollup") == 0
        assert store.checkpoint("engine") == Checkpoint({("t", 0): 1}, 1, {}, {"s": b"old"}, {})
        upsert(store, row("b", 1, 1))
        assert store.count("latest") == 2

    def test_nothing_is_seen_before_the_end_and_everything_after(self, store: HotStore) -> None:
        seen: list[int] = []
        with store.transaction() as change:
            change.upsert("latest", table_rows(row("a", 1, 1)))
            reader = threading.Thread(target=lambda: seen.append(store.count("latest")))
            reader.start()
            reader.join()
        assert seen == [0]
        assert store.count("latest") == 1

    def test_readers_of_other_threads_see_whole_commits(self, store: HotStore) -> None:
        wrong: list[Any] = []
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                rows = store.table("latest")
                if rows["value"].n_unique() > 1 or rows.height not in (0, 20):
                    wrong.append(rows)

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(30):
            upsert(store, *(row(f"t{part}", number, number, value=float(number)) for part in range(20)))
        done.set()
        for thread in threads:
            thread.join()
        assert not wrong

    def test_empty_frames_change_nothing(self, store: HotStore) -> None:
        with store.transaction() as change:
            change.upsert("latest", table_rows())
            change.append_windows("rollup", closed(0))
            change.append_late("rollup", late_rows())
        assert store.count("latest") == store.late_count("rollup") == 0
        position, rows = store.windows_after("rollup", 0)
        assert (position, rows.height) == (0, 0)


class TestExpiry:
    def test_old_windows_and_late_rows_go_by_the_time_of_storing(self, store: HotStore, clock: ManualClock) -> None:
        with store.transaction() as change:
            change.append_windows("rollup", closed(0, "a"))
            change.append_late("rollup", late_rows(1))
        clock.advance(3600)
        close_windows(store, closed(10, "a"))
        assert store.expire(clock.now() - timedelta(seconds=3601)) == 0
        assert store.expire(clock.now() - timedelta(seconds=60)) == 2
        assert store.windows("rollup", second(0), second(100)).height == 1
        assert store.late_count("rollup") == 0
        assert store.windows_after("rollup", -1)[1].height == 1

    def test_positions_go_on_after_everything_has_expired(self, store: HotStore, clock: ManualClock) -> None:
        close_windows(store, closed(0, "a"))
        position, _ = store.windows_after("rollup", -1)
        clock.advance(10)
        store.expire(clock.now())
        close_windows(store, closed(10, "b"))
        reached, rows = store.windows_after("rollup", position)
        assert rows["thing"].to_list() == ["b"]
        assert reached > position

    def test_tombstones_go_by_their_own_time_and_live_rows_stay(self, store: HotStore) -> None:
        upsert(store, row("a", 1, 1, deleted=True), row("b", 1, 2), row("c", 50, 3, deleted=True))
        store.expire(second(10))
        assert keys(store.table("latest")) == [("b", 0)]
        upsert(store, row("a", 0, 1), row("c", 0, 1))
        assert keys(store.table("latest")) == [("a", 0), ("b", 0)]


class TestDeclarations:
    def test_the_same_again_is_fine(self, store: HotStore) -> None:
        upsert(store, row("a", 1, 1))
        store.ensure([TABLE], [WINDOW])
        assert store.count("latest") == 1

    def test_added_columns_are_null_in_old_rows(self, store: HotStore) -> None:
        upsert(store, row("a", 1, 1))
        close_windows(store, closed(0, "a"))
        wide = replace(TABLE, schema=pl.Schema({**TABLE.schema, "extra": TIME}))
        window = replace(WINDOW, aggregates={**WINDOW.aggregates, "top": Aggregate("maximum", "value")})
        store.ensure([wide], [window])
        assert store.table("latest")["extra"].to_list() == [None]
        with store.transaction() as change:
            change.upsert("latest", table_rows(row("b", 1, 2, extra=second(1)), schema=wide.schema))
            change.append_windows("rollup", closed(10, "a").with_columns(value__max=pl.lit(3.0)))
        assert store.table("latest")["extra"].to_list() == [None, second(1)]
        assert store.windows("rollup", second(0), second(20))["value__max"].to_list() == [None, 3.0]

    def test_an_output_of_a_window_may_be_dropped(self, store: HotStore) -> None:
        close_windows(store, closed(0, "a"))
        store.ensure([], [replace(WINDOW, aggregates={"count": Aggregate("count")})])
        assert store.windows("rollup", second(0), second(10)).columns == [
            "window_start", "window_end", "thing", "part", "rows",
        ]  # fmt: skip

    def test_search_columns_may_change(self, store: HotStore) -> None:
        upsert(store, row("a", 1, 1, note="findme"))
        store.ensure([replace(TABLE, search=("thing",))], [])
        assert store.table("latest", search="findme").is_empty()
        store.ensure([replace(TABLE, search=("note",))], [])
        assert store.table("latest", search="FINDME").height == 1

    @pytest.mark.parametrize(
        "changed",
        [
            replace(TABLE, key=("thing",)),
            replace(TABLE, schema=pl.Schema({**TABLE.schema, "value": pl.Int64})),
            replace(TABLE, schema=pl.Schema({k: v for k, v in TABLE.schema.items() if k != "value"})),
            replace(WINDOW, by=("thing",)),
            replace(WINDOW, size=timedelta(seconds=20)),
            replace(WINDOW, input=pl.Schema({**INPUT, "value": pl.Int64()})),
        ],
    )
    def test_other_changes_are_refused_with_the_way_out(self, store: HotStore, changed: Any) -> None:
        upsert(store, row("a", 1, 1))
        given = ([changed], []) if isinstance(changed, TableSpec) else ([], [changed])
        with pytest.raises(DeclarationError, match="wayside rebuild"):
            store.ensure(*given)
        assert store.count("latest") == 1
        upsert(store, row("b", 1, 1))
