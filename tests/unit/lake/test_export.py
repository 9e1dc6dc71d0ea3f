"""Files that other programs read back as what was exported."""

from __future__ import annotations

import csv
import io
import os
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wayside.errors import StorageFailedError, WaysideError
from wayside.lake.export import ROWS, Format, chunks, format_of, write

T0 = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)

KINDS = pl.DataFrame(
    {
        "text": ["plain", None],
        "at": [T0, None],
        "local": pl.Series([T0, None]).dt.convert_time_zone("Europe/Madrid"),
        "day": [date(2026, 3, 1), None],
        "clock": [time(1, 2, 3), None],
        "span": [timedelta(seconds=-1.5), None],
        "number": [-1.5, None],
        "whole": [-7, None],
        "yes": [True, None],
        "bytes": [b"\x00\xff", None],
        "choice": pl.Series(["a", None], dtype=pl.Enum(["a"])),
        "list": [[1, None], None],
        "struct": [{"lat": 1.5, "name": "x"}, None],
    }
)


def exported(rows: pl.DataFrame | pl.LazyFrame, kind: Format) -> bytes:
    return b"".join(chunks(rows, kind))


def cells(rows: pl.DataFrame | pl.LazyFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(exported(rows, "csv").decode(), newline="")))


def test_csv_of_every_kind() -> None:
    head, first, second = cells(KINDS)
    assert head == KINDS.columns
    assert first == [
        "plain",
        "2026-03-01T12:00:00.000005Z",
        "2026-03-01T12:00:00.000005Z",
        "2026-03-01",
        "01:02:03.000000000",
        "-1.5",
        "-1.5",
        "-7",
        "true",
        "00ff",
        "a",
        "[1,null]",
        '{"lat":1.5,"name":"x"}',
    ]
    assert second == [""] * len(head)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x")'])
def test_text_that_a_spreadsheet_would_run(text: str) -> None:
    assert cells(pl.DataFrame({"a": [text]}))[1] == ["'" + text]


@pytest.mark.parametrize("text", ["a=1", "x-1", "", " =1", "'=1", 'say "hi", you', "two\nlines", "ünï", "0=1"])
def test_other_text_stays_as_it_is(text: str) -> None:
    rows = [[text]] if text else []
    assert cells(pl.DataFrame({"a": [text], "b": [1]}))[1][:1] == (rows[0] if rows else [""])


def test_numbers_and_headers() -> None:
    assert cells(pl.DataFrame({"=a": [-1], "b": [-0.5]})) == [["'=a", "b"], ["-1", "-0.5"]]


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_columns_come_back(kind: Format) -> None:
    content = io.BytesIO(exported(KINDS, kind))
    found = pl.read_parquet(content) if kind == "parquet" else pl.read_ipc_stream(content)
    assert_frame_equal(
        found.with_columns(pl.col("choice").cast(pl.String)), KINDS.with_columns(pl.col("choice").cast(pl.String))
    )


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_large_and_empty_exports(kind: Format) -> None:
    lazy = pl.LazyFrame({"a": range(3 * ROWS + 1)}).with_columns(b=pl.col("a").cast(pl.String))
    pieces = list(chunks(lazy, kind))
    assert len(pieces) >= 4
    assert len(read(b"".join(pieces), kind)) == 3 * ROWS + 1
    assert read(b"".join(pieces), kind)["a"].to_list()[-1] == 3 * ROWS
    assert read(exported(lazy.head(0), kind), kind).columns == ["a", "b"]
    assert read(exported(lazy.head(0), kind), kind).height == 0


def read(content: bytes, kind: Format) -> pl.DataFrame:
    how = {"csv": pl.read_csv, "parquet": pl.read_parquet, "arrow": pl.read_ipc_stream}
    return how[kind](io.BytesIO(content))


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.arrow"])
def test_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"old")
    size = write(KINDS, path)
    assert path.stat().st_size == size
    assert os.listdir(tmp_path) == [name]
    assert read(path.read_bytes(), format_of(name)).height == 2


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StorageFailedError, match="could not be written"):
        write(KINDS, tmp_path / "none" / "out.csv")
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(StorageFailedError):
        write(KINDS, tmp_path / "out.csv")
    assert os.listdir(tmp_path) == ["out.csv"]


def test_unknown_formats() -> None:
    assert [format_of(name) for name in ("csv", "a/b.CSV", "x.parquet", "x.ipc")] == ["csv", "csv", "parquet", "arrow"]
    for name in ("xlsx", "a.b", ""):
        with pytest.raises(WaysideError, match="no format"):
            format_of(name)
