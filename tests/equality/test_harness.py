"""The comparison bites: whatever is planted in the rows of one world is found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tests.equality.job_a import plan_of, recorded
from tests.equality.worlds import differences, embedded, rows_of

Change = Callable[[pl.DataFrame], pl.DataFrame]


def nudged(frame: pl.DataFrame) -> pl.DataFrame:
    """One sum by its last bit."""
    sums = frame["value__sum"].to_numpy().copy()
    sums[3] = np.nextafter(sums[3], np.inf)
    return frame.with_columns(pl.Series("value__sum", sums))


def first(column: str, value: pl.Expr) -> Change:
    """The first row with another value."""
    return lambda frame: frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(value).otherwise(column).alias(column)
    )


PLANTED: dict[str, tuple[str, Change]] = {
    "a window is missing": ("closed", lambda frame: frame[1:]),
    "a window came twice": ("closed", lambda frame: pl.concat([frame, frame[:1]])),
    "the last bit of a sum": ("closed", nudged),
    "minus zero": ("closed", first("value__min", pl.lit(-0.0))),
    "an open window counts one more": ("open", first("rows", pl.col("rows") + 1)),
    "a late row is missing": ("late", lambda frame: frame[:-1]),
    "a late row has another place": ("late", first("_offset", pl.col("_offset") + 1)),
    "a late row in another partition": ("late", first("_partition", 1 - pl.col("_partition"))),
    "an older row in the table": ("table", first("timestamp", pl.col("timestamp") - timedelta(microseconds=1))),
    "another reason": ("quarantine", first("rule", pl.lit("value.range"))),
    "other bytes": ("quarantine", first("raw", pl.lit(b"#"))),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    plan = plan_of("planted", 2)
    broker, store, engine = embedded(plan, recorded("planted", 2, 60_000), tmp_path_factory.mktemp("world"))
    return rows_of(plan, broker, store, engine)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_found(name: str, world: dict[str, pl.DataFrame]) -> None:
    kind, change = PLANTED[name]
    target = next(each for each in world if each.startswith(kind))
    other = {**world, target: change(world[target])}
    assert differences(world, dict(world)) == []
    (found,) = differences(world, other)
    assert found.startswith(target)
