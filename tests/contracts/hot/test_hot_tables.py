"""Tables of a hot store: the newest row per key, filters, search, pages."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.unit.hot.samples import (
    TABLE,
    keys,
    row,
    second,
    table_rows,
    upsert,
)
from wayside.errors import NotFoundError, WaysideError
from wayside.ports import HotStore
from wayside.specs import TableSpec


class TestTables:
    def test_rows_come_back_as_they_were_in_key_order(self, store: HotStore) -> None:
        upsert(store, row("b", 1, 1, value=None, note="ünï\0codé 'quoted\""), row("a", 2, 0, part=7), row("a", 2, 2))
        found = store.table("latest")
        expected = table_rows(
            row("a", 2, 2), row("a", 2, 0, part=7), row("b", 1, 1, value=None, note="ünï\0codé 'quoted\"")
        )
        assert_frame_equal(found, expected.drop("_offset", "_deleted"))

    def test_the_newest_time_wins_in_whatever_order_rows_come(self, store: HotStore) -> None:
        upsert(store, row("a", 5, 10, value=5.0))
        upsert(store, row("a", 3, 11, value=3.0))
        assert store.table("latest")["value"].to_list() == [5.0]
        upsert(store, row("a", 6, 2, value=6.0), row("a", 4, 12, value=4.0))
        assert store.table("latest")["value"].to_list() == [6.0]

    def test_equal_times_are_decided_by_the_later_offset(self, store: HotStore) -> None:
        upsert(store, row("a", 1, 5, value=5.0), row("a", 1, 4, value=4.0))
        upsert(store, row("a", 1, 3, value=3.0))
        assert store.table("latest")["value"].to_list() == [5.0]
        upsert(store, row("a", 1, 6, value=6.0))
        assert store.table("latest")["value"].to_list() == [6.0]

    def test_the_same_row_again_changes_nothing(self, store: HotStore) -> None:
        for _ in range(2):
            upsert(store, row("a", 1, 5, value=5.0))
        assert store.table("latest").height == store.count("latest") == 1

    def test_a_deleted_row_is_gone_and_an_older_one_cannot_bring_it_back(self, store: HotStore) -> None:
        upsert(store, row("a", 1, 1), row("b", 1, 2))
        upsert(store, row("a", 5, 3, deleted=True))
        upsert(store, row("a", 4, 4))
        assert store.table("latest")["thing"].to_list() == ["b"]
        assert store.count("latest") == 1
        upsert(store, row("a", 6, 5))
        assert store.count("latest") == 2

    def test_a_row_without_a_key_or_a_time_is_left_out(self, store: HotStore, caplog: pytest.LogCaptureFixture) -> None:
        upsert(store, row("a", 1, 1), {**row("b", 1, 2), "thing": None}, {**row("c", 1, 3), "at": None})
        assert store.table("latest")["thing"].to_list() == ["a"]
        assert "2 row(s)" in caplog.text

    def test_where_allows_values_per_column(self, store: HotStore) -> None:
        upsert(store, *(row(thing, 1, 1, part=part, note=note) for thing, part, note in ROWS))
        assert keys(store.table("latest", where={"thing": ["a", "c"]})) == [("a", 0), ("a", 1), ("c", 0)]
        assert keys(store.table("latest", where={"thing": ["a"], "part": [1, 5]})) == [("a", 1)]
        assert keys(store.table("latest", where={"note": [None]})) == [("c", 0)]
        assert keys(store.table("latest", where={"note": ["y", None]})) == [("a", 1), ("c", 0)]
        assert keys(store.table("latest", where={"at": [second(1)], "thing": ["b"]})) == [("b", 0)]
        assert store.table("latest", where={"thing": []}).schema == TABLE.schema

    def test_where_refuses_unknown_columns_and_wrong_values(self, store: HotStore) -> None:
        with pytest.raises(NotFoundError, match="'colour'"):
            store.table("latest", where={"colour": ["red"]})
        with pytest.raises(WaysideError, match="wrong type"):
            store.table("latest", where={"part": ["one"]})

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("DEV", ["Device-1", "device-2"]),
            ("ce-1", ["Device-1"]),
            ("straße", ["x"]),
            ("STRASSE", []),
            ("μ", ["x"]),
            ("100%", ["y"]),
            ("%", ["y"]),
            ("_", []),
            ("'; DROP TABLE", []),
            ("e-2y", []),
            ("\x1f", ["x", "y"]),  # the separator of columns is a space to the searcher
        ],
    )
    def test_search_finds_text_in_any_search_column(self, store: HotStore, text: str, found: list[str]) -> None:
        upsert(
            store,
            row("Device-1", 1, 1),
            row("device-2", 1, 2, note=None),
            row("x", 1, 3, note="Große STRAßE, 5 µm"),
            row("y", 1, 4, note="at 100%"),
        )
        assert store.table("latest", search=text)["thing"].to_list() == found

    def test_searching_a_table_without_search_columns_is_an_error(self, store: HotStore) -> None:
        store.ensure([replace(TABLE, name="plain", search=())], [])
        with pytest.raises(WaysideError, match="cannot be searched"):
            store.table("plain", search="a")

    def test_pages_follow_each_other_without_gap_or_overlap(self, store: HotStore) -> None:
        rows = [row(thing, 1, part, part=part) for thing in ("a", "b", "ä", "B") for part in range(5)]
        upsert(store, *rows)
        pages, after = [], None
        while (page := store.table("latest", limit=3, after=after)).height:
            pages.append(page)
            after = tuple(page.select(TABLE.key).row(-1))
        assert [page.height for page in pages] == [3] * 6 + [2]
        assert_frame_equal(pl.concat(pages), store.table("latest"))
        with pytest.raises(WaysideError, match="whole key"):
            store.table("latest", after=("a",))

    def test_every_kind_of_column_survives(self, store: HotStore) -> None:
        spec = TableSpec("kinds", KINDS.schema, ("id",), "at")
        store.ensure([spec], [])
        with store.transaction() as change:
            change.upsert("kinds", KINDS.with_columns(_offset=pl.lit(1, pl.Int64), _deleted=False))
        assert_frame_equal(store.table("kinds"), KINDS)

    def test_unknown_names_are_told(self, store: HotStore) -> None:
        for ask in (store.table, store.count, store.late):
            with pytest.raises(NotFoundError, match="'nothing'"):
                ask("nothing")
        with pytest.raises(NotFoundError, match="latest"), store.transaction() as change:
            change.upsert("nothing", table_rows())

    def test_a_missing_column_is_named(self, store: HotStore) -> None:
        with pytest.raises(WaysideError, match="'note'"), store.transaction() as change:
            change.upsert("latest", table_rows(row("a", 1, 1)).drop("note"))

    def test_any_order_of_any_batches_gives_the_same_table(self, store: HotStore) -> None:
        chance = random.Random(7)
        log = [
            row(chance.choice("abcd"), chance.randrange(20), offset, part=chance.randrange(2), value=float(offset),
                deleted=chance.random() < 0.2)
            for offset in range(300)
        ]  # fmt: skip
        winners: dict[tuple[str, int], dict[str, Any]] = {}
        for one in log:
            key = (one["thing"], one["part"])
            if key not in winners or (one["at"], one["_offset"]) >= (winners[key]["at"], winners[key]["_offset"]):
                winners[key] = one
        expected = table_rows(*(winners[key] for key in sorted(winners) if not winners[key]["_deleted"]))
        for _ in range(3):
            chance.shuffle(log)
            at = 0
            while at < len(log):
                size = chance.randrange(1, 60)
                upsert(store, *log[at : at + size])
                at += size
            assert_frame_equal(store.table("latest"), expected.drop("_offset", "_deleted"))


ROWS = [("a", 0, "x"), ("a", 1, "y"), ("b", 0, "x"), ("c", 0, None)]


KINDS = pl.DataFrame(
    {
        "id": ["a", "b"],
        "at": [second(0), second(1)],
        "i8": pl.Series([-128, None], dtype=pl.Int8),
        "u64": pl.Series([2**64 - 1, 0], dtype=pl.UInt64),
        "i64": pl.Series([-(2**63), 2**63 - 1], dtype=pl.Int64),
        "f32": pl.Series([0.1, None], dtype=pl.Float32),
        "f64": [5e-324, -1.7976931348623157e308],
        "yes": [True, None],
        "day": pl.Series([20_000, None], dtype=pl.Int32).cast(pl.Date),
        "clock": pl.Series([86_399_999_999_999, 0], dtype=pl.Int64).cast(pl.Time),
        "span": [timedelta(days=-1, microseconds=1), None],
        "naive_ms": pl.Series([1_700_000_000_123, None], dtype=pl.Int64).cast(pl.Datetime("ms")),
        "bytes": [b"\x00\xff", b""],
        "choice": pl.Series(["on", None], dtype=pl.Enum(["off", "on"])),
        "money": pl.Series(["1.10", "-99999999.99"]).cast(pl.Decimal(18, 2)),
        "list": [["x", None], []],
        "struct": [{"lat": 1.5, "seen": second(3)}, {"lat": None, "seen": None}],
    }
)
