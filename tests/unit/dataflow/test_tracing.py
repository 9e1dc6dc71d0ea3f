"""Rows keep their place in the log through transforms of every kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from wayside.dataflow.tracing import ROW, Tracer
from wayside.domain import Topic
from wayside.record import Record
from wayside.specs import TIME

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Point(Record, key="name", time="at"):
    """A number with a name."""

    name: str
    at: datetime
    value: float


def fields(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("name", "at", "value")


def even(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col("value") % 2 == 0)


def twice(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(copy=pl.lit([1, 2])).explode("copy").select(["name", "at", "value"])


def numbers_touched(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.selectors.numeric() * 10).filter(pl.col("value") > 10)


def one_row(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(pl.col("name").first(), pl.col("at").max(), pl.col("value").sum())


def through_a_group(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.group_by("name", maintain_order=True).agg(pl.all().first()).select("name", "at", "value")


def frame(count: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"name": ["a"] * count, "at": pl.Series([AT] * count, dtype=TIME), "value": [float(n) for n in range(count)]}
    )


@pytest.mark.parametrize(
    ("transform", "numbers", "values"),
    [
        (fields, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        (even, [0, 2, 4], [0, 2, 4]),
        (lambda rows: fields(even(rows)), [0, 2, 4], [0, 2, 4]),
        (lambda rows: rows.pipe(even).pipe(fields), [0, 2, 4], [0, 2, 4]),
        (lambda rows: rows.select(pl.all()).filter(pl.col("value") > 2), [3, 4], [3, 4]),
        (lambda rows: even(rows).select(pl.col(name) for name in Point.fields), [0, 2, 4], [0, 2, 4]),
        (twice, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
        (numbers_touched, [2, 3, 4], [20, 30, 40]),
        (lambda rows: rows.sort("value", descending=True), [4, 3, 2, 1, 0], [4, 3, 2, 1, 0]),
    ],
)
def test_rows_are_traced(
    transform: Callable[[pl.LazyFrame], pl.LazyFrame], numbers: list[int], values: list[float]
) -> None:
    made = Tracer(Topic("points", Point).stream("made", into=Point, transform=transform))(frame(5))
    assert made[ROW].to_list() == numbers
    assert made["value"].to_list() == values
    assert made.columns == ["name", "at", "value", ROW]


@pytest.mark.parametrize("transform", [one_row, through_a_group])
def test_rows_that_cannot_be_traced_are_what_the_transform_makes(
    transform: Callable[[pl.LazyFrame], pl.LazyFrame],
) -> None:
    tracer = Tracer(Topic("points", Point).stream("made", into=Point, transform=transform))
    for count in (1, 5, 3):
        made = tracer(frame(count))
        assert made.drop(ROW).equals(transform(frame(count).lazy()).collect())
        assert made[ROW].to_list() == [0]


def test_a_failing_transform_fails_as_it_did() -> None:
    def picky(rows: pl.LazyFrame) -> pl.LazyFrame:
        def refuse(batch: pl.DataFrame) -> pl.DataFrame:
            if (batch["value"] == 3).any():
                raise ValueError("three")
            return batch

        return rows.map_batches(refuse).select("name", "at", "value")

    tracer = Tracer(Topic("points", Point).stream("made", into=Point, transform=picky))
    with pytest.raises(Exception, match="three"):
        tracer(frame(5))
    assert tracer(frame(3)).height == 3
