"""Frames as Arrow messages: what a slice drags along, and what added columns become."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest

from wayside.broker import columns, entry
from wayside.specs import TIME


def back(layout: columns.Layout, payload: object, flags: int = 0) -> pl.DataFrame:
    batch = columns.read_batch(payload, columns.with_extras(layout.arrow, flags))
    batch.validate(full=True)
    return columns.to_frame([batch])


def test_a_slice_does_not_drag_the_whole_text_along() -> None:
    frame = pl.DataFrame({"text": [f"a text that is longer than a view {i}" for i in range(100_000)]})
    layout = columns.Layout(frame.schema)
    whole = len(layout.payload(frame, None))
    for part in (frame.slice(50_000, 10), frame.filter(pl.col("text").str.ends_with("7777")), frame.tail(1)):
        payload = layout.payload(part, None)
        assert len(payload) < whole / 1000
        assert back(layout, payload).equals(part)


def test_a_frame_in_pieces_is_one_batch() -> None:
    frame = pl.DataFrame({"n": [1, 2], "s": ["x", None]})
    pieces = pl.concat([frame, frame, frame], rechunk=False)
    layout = columns.Layout(frame.schema)
    assert back(layout, layout.payload(pieces, None)).equals(pieces)


def test_no_rows_are_a_batch_too() -> None:
    frame = pl.DataFrame(schema={"n": pl.Int64(), "s": pl.String()})
    layout = columns.Layout(frame.schema)
    assert back(layout, layout.payload(frame, None)).equals(frame)


def test_ids_and_offsets_travel_beside_the_columns() -> None:
    frame = pl.DataFrame({"n": [1, 2]})
    layout = columns.Layout(frame.schema)
    payload = layout.payload(frame, pl.Series(["a", None]), pl.Series([7, 9]))
    found = back(layout, payload, entry.WITH_IDS | entry.WITH_OFFSETS)
    assert found.columns == ["n", columns.ID, columns.OFFSET]
    assert found.rows() == [(1, "a", 7), (2, None, 9)]
    assert layout.restore(found).equals(frame)


def test_added_columns_are_null_in_old_rows_and_enums_may_grow() -> None:
    old = pl.DataFrame({"kind": ["b", None]}, schema={"kind": pl.Enum(["a", "b"])})
    before = columns.Layout(old.schema)
    after = columns.Layout(pl.Schema({"new": pl.List(pl.Float64()), "kind": pl.Enum(["c", "b", "a"])}))
    found = after.restore(back(before, before.payload(old, None)))
    assert found.schema == after.schema
    assert found.rows() == [(None, "b"), (None, None)]


def test_wide_numbers_survive_any_place_in_a_chunk() -> None:
    """Payloads are slices of a chunk that was read, so they begin at any multiple of 16 bytes or none."""
    frame = pl.DataFrame(
        {
            "money": pl.Series([Decimal("1.50"), None, Decimal("-99999999999999999999.99")], dtype=pl.Decimal(38, 2)),
            "at": pl.Series([datetime(2026, 1, 1, tzinfo=UTC), None, None], dtype=TIME),
            "s": ["a text that is longer than a view", None, "short"],
        }
    )
    layout = columns.Layout(frame.schema)
    message = bytes(layout.payload(frame, None))
    for shift in range(0, 64, 8):
        chunk = pa.py_buffer(bytes(shift) + message)
        assert back(layout, chunk.slice(shift)).equals(frame)


def test_many_small_batches_become_one_frame_and_large_ones_stay() -> None:
    small = pl.DataFrame({"n": range(10)})
    layout = columns.Layout(small.schema)
    batch = columns.read_batch(layout.payload(small, None), layout.arrow)
    assert columns.to_frame([batch] * 50).n_chunks() == 1
    large = pl.DataFrame({"n": range(5000)})
    batch = columns.read_batch(layout.payload(large, None), layout.arrow)
    assert columns.to_frame([batch] * 3).height == 15_000


@pytest.mark.parametrize("values", [{"n": pl.Int64()}, {"n": pl.String()}])
def test_the_schema_has_a_checksum_that_depends_on_it(values: dict[str, pl.DataType]) -> None:
    layout = columns.Layout(pl.Schema(values))
    assert layout.crc == columns.Layout(pl.Schema(values)).crc
    assert layout.crc != columns.Layout(pl.Schema({"m": pl.Int64()})).crc
    assert columns.arrow_schema(layout.message).equals(layout.arrow)
