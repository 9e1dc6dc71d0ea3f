"""A frame in each format: the same rows, nothing that JSON cannot hold, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import math
from datetime import UTC, datetime, timedelta, timezone

import orjson
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from wayside.server import frames

TIME = pl.Datetime("us", "UTC")
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1))  # noqa: DTZ001  # made aware below
ROW = st.tuples(
    st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=12)),
    st.one_of(st.none(), st.floats()),
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    st.one_of(st.none(), MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC))),
    st.one_of(st.none(), st.booleans()),
)
SCHEMA = {"text": pl.String(), "number": pl.Float64(), "whole": pl.Int64(), "time": TIME, "flag": pl.Boolean()}


@given(st.lists(ROW, max_size=8))
def test_all_formats_hold_the_same_rows(rows: list[tuple[object, ...]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    shown = orjson.loads(frames.json_body(frame, {"number": "Cel"}))
    assert [tuple(row) for row in shown["rows"]] == [expected(row) for row in rows]
    assert shown["columns"][1] == {"name": "number", "type": "float", "unit": "Cel"}

    parquet = pl.read_parquet(io.BytesIO(frames.parquet_body(frame)))
    arrow = pl.read_ipc_stream(io.BytesIO(frames.arrow_body(frame)))
    for other in (parquet, arrow):
        assert other.schema == frame.schema
        assert frames.plain(other).rows() == frames.plain(frame).rows()

    text = frames.csv_body(frame).decode()
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read[0] == list(SCHEMA)
    assert len(read) == len(rows) + 1
    for line, row in zip(read[1:], shown["rows"], strict=True):
        assert line[0] == guarded(row[0] or "")
        assert line[3] == (row[3] or "")


def expected(row: tuple[object, ...]) -> tuple[object, ...]:
    """What JSON shows of a row."""
    text, number, whole, time, flag = row
    finite = number if isinstance(number, float) and math.isfinite(number) else None
    return text, finite, whole, frames.iso(time) if isinstance(time, datetime) else None, flag


def guarded(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and text else text


@given(MOMENTS, st.integers(-23, 23))
def test_instants_are_utc_with_milliseconds(moment: datetime, hours: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    text = frames.iso(aware)
    assert text is not None
    assert text.endswith("Z")
    assert len(text) == 24
    assert datetime.fromisoformat(text) == aware.replace(microsecond=aware.microsecond // 1000 * 1000)


def test_bytes_are_shown_as_text() -> None:
    frame = pl.DataFrame({"raw": [b"plain", b"\xff\xfe", None]})
    assert frames.plain(frame).rows() == [("plain",), ("��",), (None,)]
    assert frames.columns(frame, {}) == [{"name": "raw", "type": "str", "unit": ""}]
