from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.record import Record, field
from wayside.record.cast import cast, judge
from wayside.record.decode import Decoder

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Kinds(Record):
    """One of every kind."""

    s: str | None
    i: int | None
    f: float | None
    b: bool | None
    t: datetime | None
    local: datetime | None = field(zone="Europe/Madrid")


def read(name: str, values: Any, dtype: Any = None) -> list[Any]:
    frame = pl.DataFrame({name: pl.Series(values, dtype=dtype)})
    typed = cast(Kinds, frame)
    failed = typed.failed.get(name, pl.Series([False] * frame.height))
    assert typed.frame.schema == Kinds.schema()
    return [Ellipsis if bad else value for value, bad in zip(typed.frame[name], failed, strict=True)]


BAD = Ellipsis


@pytest.mark.parametrize(
    ("name", "texts", "wanted"),
    [
        ("f", ["1", "-1.5", "+2", ".5", "4.", "1e3", "1E-2", None], [1.0, -1.5, 2.0, 0.5, 4.0, 1000.0, 0.01, None]),
        ("f", ["", " ", "1_000", "12,5", "NaN", "inf", "１２", "१२", "0x10", "1 ", "--1", "true"], [BAD] * 12),
        ("i", ["1", "-7", "+3", "9223372036854775807", None], [1, -7, 3, 2**63 - 1, None]),
        ("i", ["1.0", "9223372036854775808", "", "1e3", "१२", "1_0"], [BAD] * 6),
        ("b", ["true", "False", "1", "0", None, "yes", ""], [True, False, True, False, None, BAD, BAD]),
        ("s", ["", " x ", "\u202e", None], ["", " x ", "\u202e", None]),
        (
            "t",
            ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "1767225600", "2026-01-01T00:00:00",
             "0000-01-01T00:00:00Z"],
            [datetime(2026, 1, 1, tzinfo=UTC)] * 3 + [BAD, BAD],
        ),
        (
            "local",
            ["2026-01-01 01:00:00", "2026-01-01T01:00", "2026-03-29 02:30:00", "2026-10-25 02:30:00"],
            [datetime(2026, 1, 1, tzinfo=UTC)] * 2 + [BAD, BAD],
        ),
    ],
)  # fmt: skip
def test_text_is_read_strictly(name: str, texts: list[str | None], wanted: list[Any]) -> None:
    assert read(name, texts, pl.String) == wanted


def test_columns_of_other_types() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert read("f", [1, None], pl.Int32) == [1.0, None]
    assert read("f", [True], pl.Boolean) == [BAD]
    assert read("i", [1.0, 1.5, None, 1e30, float("nan")], pl.Float64) == [1, BAD, None, BAD, BAD]
    assert read("i", [1, 2**64 - 1], pl.UInt64) == [1, BAD]
    assert read("i", [None], pl.Null) == [None]
    assert read("b", [1], pl.Int64) == [BAD]
    assert read("s", [12, None], pl.Int64) == ["12", None]
    assert read("s", [[1]], pl.List(pl.Int64)) == [BAD]
    assert read("s", ["a"], pl.Categorical) == ["a"]
    assert read("t", [at], pl.Datetime("ms", "Europe/Madrid")) == [at]
    assert read("t", [datetime(2026, 1, 1)], pl.Datetime("ns")) == [BAD]  # noqa: DTZ001 - a wall clock is what is tried
    assert read("local", [datetime(2026, 1, 1, 1)], pl.Datetime("ms")) == [at]  # noqa: DTZ001 - the same
    assert read("t", [1767225600, -(10**15)], pl.Int64) == [at, BAD]
    assert read("t", [1767225600.25]) == [datetime(2026, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)]
    assert read("t", [date(2026, 1, 1)], pl.Date) == [BAD]
    assert read("t", [None, None], pl.Null) == [None, None]


def test_a_row_is_refused_once_by_the_first_field_that_fails() -> None:
    frame = pl.DataFrame({"i": ["x", "1"], "f": ["y", "z"], "surplus": [1, 2]})
    found = judge(Kinds, cast(Kinds, frame), NOW)
    assert [(r.row, r.rule) for r in found.rejections] == [(0, "i.type"), (1, "f.type")]
    assert found.frame.is_empty()


@given(st.lists(st.floats() | st.integers(-(2**70), 2**70), min_size=1, max_size=5))
def test_numbers_mean_the_same_as_text_and_as_json(numbers: list[float]) -> None:
    texts = [str(number) for number in numbers]
    found = judge(Kinds, cast(Kinds, pl.DataFrame({"f": texts})), NOW)
    lines = [b'{"f":%s}' % text.encode() for text in texts]
    decoded = Decoder(Kinds).decode(lines, NOW)
    assert found.frame["f"].to_list() == decoded.frame["f"].to_list()
    assert found.rows.to_list() == decoded.rows.to_list()
