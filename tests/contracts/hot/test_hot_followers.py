"""What other processes learn of a hot store's commits."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.unit.hot.samples import TABLE, closed, late_rows, row, save, table_rows
from wayside.ports import HotStore
from wayside.values import Checkpoint


def commit(store: HotStore, sequence: int, *rows: dict[str, object], group: str = "engine") -> None:
    with store.transaction() as change:
        change.upsert("latest", table_rows(*rows))
        change.save(group, Checkpoint({("t", 0): sequence}, sequence))


class TestFollowing:
    def test_everything_that_a_transaction_changed(self, store: HotStore) -> None:
        with store.transaction() as change:
            change.upsert("latest", table_rows(row("b", 2, 2), row("a", 1, 1, value=1.0), row("a", 3, 3, value=3.0)))
            change.upsert("latest", table_rows(row("b", 4, 4, deleted=True)))
            change.append_windows("rollup", closed(0, "a", "b"))
            change.append_windows("rollup", closed(10, "a"))
            change.append_late("rollup", late_rows(1, 2))
            change.save("engine", Checkpoint({("t", 0): 4}, 1))
        found = store.commits.after("engine", 0)
        assert found is not None
        assert [one.sequence for one in found] == [1]
        rows = found[0].tables["latest"]
        assert rows.columns == [*TABLE.schema, "_deleted"]
        assert rows.select("thing", "value", "_deleted").rows() == [("a", 3.0, False), ("b", 1.0, True)]
        assert_frame_equal(found[0].windows["rollup"], pl.concat([closed(0, "a", "b"), closed(10, "a")]))
        assert found[0].late == {"rollup": 2}
        assert found[0].at.tzinfo is not None

    def test_in_order_and_in_parts(self, store: HotStore) -> None:
        for number in range(1, 8):
            commit(store, number, row("a", number, number))
        sequences, position = [], 0
        while found := store.commits.after("engine", position, limit=3):
            sequences += [one.sequence for one in found]
            position = sequences[-1]
        assert sequences == list(range(1, 8))
        assert store.commits.after("engine", 7) == []

    def test_a_commit_that_changed_nothing_is_one_too(self, store: HotStore) -> None:
        save(store, Checkpoint({("t", 0): 5}, 1))
        found = store.commits.after("engine", 0)
        assert found is not None
        assert (found[0].tables, found[0].windows, found[0].late) == ({}, {}, {})

    def test_positions_that_cannot_be_followed(self, store: HotStore) -> None:
        assert store.commits.after("engine", 0) == []
        assert store.commits.after("engine", 5) is None, "a store that was made anew"
        commit(store, 8, row("a", 1, 1))
        assert store.commits.after("engine", 3) is None, "what lies between is not kept"
        assert store.commits.after("engine", 7) is not None

    def test_groups_are_apart(self, store: HotStore) -> None:
        commit(store, 1, row("a", 1, 1))
        commit(store, 1, row("b", 1, 2), group="other")
        found = store.commits.after("other", 0)
        assert found is not None
        assert found[0].tables["latest"]["thing"].to_list() == ["b"]

    def test_what_was_rolled_back_is_not_told(self, store: HotStore) -> None:
        with pytest.raises(ZeroDivisionError), store.transaction() as change:  # noqa: PT012 - the block is what is tested
            change.upsert("latest", table_rows(row("a", 1, 1)))
            change.save("engine", Checkpoint({("t", 0): 1}, 1))
            raise ZeroDivisionError
        assert store.commits.after("engine", 0) == []

    def test_old_commits_are_let_go(self, store: HotStore) -> None:
        for number in range(1, 1_101):
            save(store, Checkpoint({("t", 0): number}, number))
        assert store.commits.after("engine", 10) is None
        kept = store.commits.after("engine", 1_095)
        assert kept is not None
        assert [one.sequence for one in kept] == [1_096, 1_097, 1_098, 1_099, 1_100]
