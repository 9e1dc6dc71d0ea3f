"""Files of any bytes: every message is handed on once, or the file is refused in a sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.adapters.world import START, Level, levels
from wayside.adapters import Files
from wayside.adapters.convert import Converter
from wayside.adapters.merging import merged, named, timed
from wayside.adapters.reading import chunks
from wayside.clock import ManualClock
from wayside.errors import WaysideError
from wayside.record import Record

SOURCE = Files(nulls=("", "NA"))
feed = levels.feed("property files", SOURCE)


class Loose(Record):
    """What any table can be."""

    a: str | None
    b: str | None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(['"', '""', "NA", "a,b", "\n"])
tables = st.lists(st.lists(cells, min_size=1, max_size=4), max_size=8).map(
    lambda rows: "\n".join(",".join(row) for row in rows).encode()
)


@given(
    st.binary(max_size=300) | tables, st.sampled_from([".csv", ".ndjson", ".csv.gz", ".jsonl.zst", ".parquet", ".gz"])
)
def test_any_bytes_under_any_name(folder: Path, content: bytes, ending: str) -> None:
    path = written(folder / f"x{ending}", content)
    try:
        found = list(chunks(path, SOURCE, Loose))
    except WaysideError:
        return
    assert [chunk.first for chunk in found] == [sum(map(len, found[:n])) for n in range(len(found))]
    for chunk in found:
        if isinstance(chunk.content, pl.DataFrame):
            assert set(chunk.content.columns) <= {"a", "b"}
            assert Converter(levels.feed("any", SOURCE)).frame(chunk.content, START).frame.is_empty()


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=30), st.booleans())
def test_lines_come_out_as_they_went_in(folder: Path, lines: list[bytes], packed: bool) -> None:
    content = b"\n".join(lines)
    name = "x.ndjson.gz" if packed else "x.ndjson"
    path = written(folder / name, gzip.compress(content) if packed else content)
    found = [line for chunk in chunks(path, SOURCE, Level) for line in chunk.content]
    assert found == [line for line in lines if line and not line.isspace()]


steps = st.lists(st.integers(-5, 60) | st.none(), max_size=40)


@given(st.lists(steps, min_size=1, max_size=4))
def test_merged_files_keep_every_message_and_the_order_of_time(folder: Path, files: list[list[int | None]]) -> None:
    paths = []
    for number, seconds in enumerate(files):
        rows = [f"{number}-{row},{'' if s is None else START.timestamp() + s},1" for row, s in enumerate(seconds)]
        paths.append(written(folder / f"{number}.csv", "\n".join(["gauge,at,level", *rows]).encode()))
    clock = ManualClock(START)
    lanes = [timed(feed, named(str(n), chunks(path, SOURCE, Level)), clock) for n, path in enumerate(paths)]
    parcels = list(merged(lanes))
    ids = [id for parcel in parcels for id in parcel.ids]
    assert sorted(ids) == sorted(f"{n}#{row}" for n, seconds in enumerate(files) for row in range(len(seconds)))
    gauges = [gauge for parcel in parcels for gauge in parcel.content["gauge"]]  # type: ignore[index, call-overload]  # frames
    assert gauges == [id.replace("#", "-") for id in ids]
    times = [time for parcel in parcels if parcel.times is not None for time in parcel.times.tolist()]
    assert times == sorted(times)
    for number in range(len(files)):
        own = [int(id.split("#")[1]) for id in ids if id.startswith(f"{number}#")]
        assert own == sorted(own)
