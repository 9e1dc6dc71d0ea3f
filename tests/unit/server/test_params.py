"""Query parameters: every text has a value or a reason, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request

from wayside.server.params import INTEGER, Param, instant, integer, number, of_column, read
from wayside.server.problems import ProblemError

TIME = pl.Datetime("us", "UTC")


@given(st.text(max_size=40))
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59-14:00")
@example("2026-01-01T24:00:00Z")
@example("2026-01-01T00:00:00+99:99")
@example("1e308")
@example("-1e-400")
@example("२०२६-01-01T00:00:00Z")
def test_any_text_is_an_instant_or_refused(text: str) -> None:
    try:
        found = instant("from", text)
    except ProblemError:
        with pytest.raises(ProblemError, match="cannot be"):
            instant("from", text)
    else:
        assert found.tzinfo is UTC
        pl.Series([found], dtype=TIME)


@given(st.datetimes(timezones=st.timezones()))
def test_every_iso_instant_is_understood(moment: datetime) -> None:
    text = moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment.year > 1 else "2000-01-01T00:00:00Z"
    assert instant("from", text) == datetime.fromisoformat(text)
    # What browsers and curl make of a plus that nobody escaped.
    assert instant("from", "2026-01-01T01:00:00 01:00") == datetime(2026, 1, 1, tzinfo=UTC)


@given(st.text(max_size=30), st.sampled_from([pl.Int64(), pl.Float64(), pl.Boolean(), TIME, pl.String()]))
@example("nan", pl.Float64())
@example("1_000", pl.Int64())
@example("٣", pl.Int64())
@example("9" * 5000, pl.Int64())
@example("9" * 5000, pl.Float64())
@example("TRUE", pl.Boolean())
def test_any_filter_fits_its_column_or_is_refused(text: str, dtype: pl.DataType) -> None:
    try:
        value = of_column("x", text, dtype)
    except ProblemError:
        with pytest.raises(ProblemError, match="cannot be"):
            of_column("x", text, dtype)
    else:
        assert pl.Series([value], dtype=dtype, strict=True)[0] == value


@given(st.text(max_size=12))
def test_whole_numbers_are_plain_digits(text: str) -> None:
    try:
        found = integer("n", text)
    except ProblemError:
        assert not INTEGER.fullmatch(text)
    else:
        assert str(abs(found)).lstrip("0") == text.lstrip("-").lstrip("0") or not found


def asked(query: str) -> Request:
    return Request(
        {"type": "http", "query_string": query.encode("latin-1"), "headers": [], "method": "GET", "path": "/"}
    )


def test_values_defaults_and_filters() -> None:
    params = [
        Param("limit", "int", "", default=10, least=1, most=100),
        Param("by", "choice", "", choices=("a", "b"), repeat=True),
        Param("q", "text", "", default=""),
    ]
    found = read(asked("limit=5&by=a&by=b&x=1&x=2.5&%78=3"), params, {"x": pl.Float64()})
    assert (found["limit"], found["by"], found["q"], found.where) == (5, ["a", "b"], "", {"x": [1.0, 2.5, 3.0]})
    assert read(asked(""), params)["by"] == []
    for query, why in (
        ("limit=101", "at most 100"),
        ("limit=", "a whole number"),
        ("by=c", "one of a, b"),
        ("q=a&q=b", "given twice"),
        ("qq=a", "Did you mean `q`?"),
        ("q=" + "x" * 1025, "at most 1024 characters"),
        ("x=inf", "a finite number"),
        ("&".join("x=1" for _ in range(1001)), "At most 1,000"),
    ):
        with pytest.raises(ProblemError) as refused:
            read(asked(query), params, {"x": pl.Float64()})
        problem = refused.value
        assert why in f"{problem.detail} {problem.why} {problem.next}"
    assert number("x", "-1.5e3") == -1500.0


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_can_be_a_filter(value: float) -> None:
    assert number("x", repr(value)) == value


@pytest.mark.parametrize("text", ["1e309", "-1e999", "nan", "inf", "1e", ".5", "1.", "0x1", "1_0", "9" * 400])
def test_other_numbers_cannot(text: str) -> None:
    with pytest.raises(ProblemError):
        number("x", text)
