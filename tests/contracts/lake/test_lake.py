"""A lake: exactly once per application version, three tiers, dates, evolution of columns, retention."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wayside.clock import ManualClock
from wayside.errors import NotFoundError, WaysideError
from wayside.ports import Lake

T0 = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)


def frame(*things: str, at: datetime = T0, **more: Any) -> pl.DataFrame:
    schema = {"thing": pl.String, "at": pl.Datetime("us", "UTC"), "value": pl.Float64}
    rows = [{"thing": thing, "at": at, "value": 1.5} for thing in things]
    return pl.DataFrame(rows, schema=schema).with_columns(**{name: pl.lit(value) for name, value in more.items()})


def things(lake: Lake, name: str = "x") -> list[str]:
    return sorted(lake.scan("silver", name).collect()["thing"].to_list())


def test_nothing_yet(lake: Lake) -> None:
    assert lake.tables() == []
    assert lake.version("gold", "x", "app") == -1
    with pytest.raises(NotFoundError, match=r"silver\.x"):
        lake.scan("silver", "x")
    lake.maintain(keep=timedelta(days=1))


def test_rows_come_back_with_their_date(lake: Lake) -> None:
    given = frame("a", "b")
    lake.append("silver", "x", given, app="app", version=7)
    found = lake.scan("silver", "x").collect()
    assert_frame_equal(found.drop("_date"), given, check_row_order=False)
    assert found["_date"].unique().to_list() == [date(2026, 3, 1)]
    assert lake.version("silver", "x", "app") == 7


def test_a_version_is_applied_once(lake: Lake) -> None:
    for version in (1, 1, 2, 2, 1, 0):
        lake.append("silver", "x", frame(f"v{version}"), app="app", version=version)
    assert things(lake) == ["v1", "v2"]
    lake.append("silver", "x", frame("other"), app="other", version=1)
    assert things(lake) == ["other", "v1", "v2"]
    assert (lake.version("silver", "x", "app"), lake.version("silver", "x", "other")) == (2, 1)


def test_versions_are_of_one_table(lake: Lake) -> None:
    lake.append("silver", "x", frame("a"), app="app", version=5)
    lake.append("gold", "x", frame("a"), app="app", version=1)
    assert (lake.version("gold", "x", "app"), lake.version("bronze", "x", "app")) == (1, -1)
    assert lake.tables() == [("gold", "x"), ("silver", "x")]


def test_large_versions(lake: Lake) -> None:
    lake.append("silver", "x", frame("a"), app="app", version=2**62)
    assert lake.version("silver", "x", "app") == 2**62


def test_an_empty_append_moves_the_version(lake: Lake) -> None:
    lake.append("silver", "x", frame(), app="app", version=1)
    lake.append("silver", "x", frame("a"), app="app", version=2)
    lake.append("silver", "x", frame(), app="app", version=3)
    assert things(lake) == ["a"]
    assert lake.version("silver", "x", "app") == 3


def test_columns_may_be_added_and_left_out(lake: Lake) -> None:
    lake.append("silver", "x", frame("a"), app="app", version=1)
    lake.append("silver", "x", frame("b", extra=4), app="app", version=2)
    lake.append("silver", "x", frame("c").drop("value"), app="app", version=3)
    found = lake.scan("silver", "x").sort("thing").select("thing", "value", "extra").collect()
    assert found.rows() == [("a", 1.5, None), ("b", 1.5, 4), ("c", None, None)]


def test_a_column_keeps_its_type(lake: Lake) -> None:
    lake.append("silver", "x", frame("a"), app="app", version=1)
    with pytest.raises(WaysideError, match="'value'"):
        lake.append("silver", "x", frame("b").with_columns(value=pl.lit("high")), app="app", version=2)
    assert lake.version("silver", "x", "app") == 1
    lake.append("silver", "x", frame("b"), app="app", version=2)
    assert things(lake) == ["a", "b"]


def test_types_that_delta_lacks_become_those_that_it_has(lake: Lake) -> None:
    rows = pl.DataFrame(
        {
            "at": [T0],
            "u8": pl.Series([255], dtype=pl.UInt8),
            "u64": pl.Series([2**64 - 1], dtype=pl.UInt64),
            "span": [timedelta(seconds=1)],
            "clock": pl.Series([5], dtype=pl.Int64).cast(pl.Time),
            "choice": pl.Series(["a"], dtype=pl.Enum(["a"])),
            "ns": pl.Series([T0]).dt.cast_time_unit("ns").dt.convert_time_zone("Europe/Madrid"),
            "naive": pl.Series([datetime(2026, 1, 1)]),  # noqa: DTZ001 - a naive instant is what is tested
            "nothing": [None],
            "list": pl.Series([[1]], dtype=pl.List(pl.UInt32)),
            "pair": pl.Series([[1.5, 2.5]], dtype=pl.Array(pl.Float64, 2)),
            "struct": pl.Series([{"a": 1, "b": "x"}], dtype=pl.Struct({"a": pl.UInt16, "b": pl.Categorical})),
            "bytes": [b"\x00\xff"],
        }
    )
    lake.append("bronze", "kinds", rows, app="app", version=1)
    found = lake.scan("bronze", "kinds").collect()
    assert dict(found.drop("_date", "at").schema) == {
        "u8": pl.Int16,
        "u64": pl.Decimal(20, 0),
        "span": pl.Int64,
        "clock": pl.Int64,
        "choice": pl.String,
        "ns": pl.Datetime("us", "UTC"),
        "naive": pl.Datetime("us"),
        "list": pl.List(pl.Int64),
        "pair": pl.List(pl.Float64),
        "struct": pl.Struct({"a": pl.Int32, "b": pl.String}),
        "bytes": pl.Binary,
    }
    row = found.row(0, named=True)
    assert (row["u8"], int(row["u64"]), row["span"], row["clock"]) == (255, 2**64 - 1, 1_000_000, 5)
    assert (row["ns"], row["struct"], row["list"]) == (T0, {"a": 1, "b": "x"}, [1])


def test_dates_follow_the_declared_time(lake: Lake) -> None:
    later = T0 + timedelta(days=3)
    both = frame("a").with_columns(seen=pl.lit(later).cast(pl.Datetime("us", "UTC")))
    lake.append("silver", "first", both, app="app", version=1)
    lake.append("silver", "declared", both, app="app", version=1, time="seen")
    lake.append("silver", "none", both.select("thing"), app="app", version=1)
    dates = {name: lake.scan("silver", name).collect()["_date"].to_list() for _, name in lake.tables()}
    assert dates == {"first": [T0.date()], "declared": [later.date()], "none": [None]}


def test_names_never_leave_the_lake(lake: Lake) -> None:
    for name in ("..", "a/b", "", ".hidden", "a\0b", "x" * 200, "é"):
        with pytest.raises(WaysideError, match="cannot be a table"):
            lake.append("silver", name, frame("a"), app="app", version=1)
    lake.append("silver", "_quarantine", frame("a"), app="app", version=1)
    assert lake.tables() == [("silver", "_quarantine")]


def test_maintenance_changes_no_row(lake: Lake) -> None:
    for version in range(25):
        lake.append("silver", "x", frame(f"t{version}", at=T0 + timedelta(hours=version)), app="app", version=version)
    before = lake.scan("silver", "x").collect().sort("thing")
    held = lake.scan("silver", "x")
    lake.maintain(keep=timedelta(days=30))
    assert_frame_equal(lake.scan("silver", "x").collect().sort("thing"), before, check_column_order=False)
    assert_frame_equal(held.collect().sort("thing"), before, check_column_order=False)
    assert lake.version("silver", "x", "app") == 24
    lake.append("silver", "x", frame("again"), app="app", version=24)
    assert lake.scan("silver", "x").collect().height == 25


def test_what_is_old_and_was_stored_long_ago_goes(lake: Lake, clock: ManualClock) -> None:
    now = clock.now()
    lake.append("silver", "x", frame("old", at=now - timedelta(days=400)), app="app", version=1)
    lake.append("silver", "x", frame("today", at=now), app="app", version=2)
    lake.append("silver", "x", frame("future", at=now + timedelta(days=400)), app="app", version=3)
    lake.maintain(keep=timedelta(days=30))
    assert things(lake) == ["future", "old", "today"], "a replay of old records has new results"
    clock.advance(31 * 86_400)
    lake.maintain(keep=timedelta(days=30))
    assert things(lake) == ["future"]
    assert lake.version("silver", "x", "app") == 3
