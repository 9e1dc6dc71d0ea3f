"""Spark's tasks leave out the very records that readers of the broker leave out."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("confluent_kafka", reason="the extra 'kafka' is not installed")

from wayside.broker.kafka.repeats import Repeats as BrokersRepeats
from wayside.broker.kafka.repeats import Rows
from wayside.dataflow.spark.repeats import Repeats
from wayside.dataflow.steps import packed, unpacked

START = 1_770_000_000_000_000


@given(
    rows=st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.integers(0, 90_000)), min_size=1, max_size=40),
    cuts=st.sets(st.integers(1, 39)),
    horizon=st.sampled_from([60, 86_400]),
)
def test_the_broker_agrees(rows: list[tuple[str | None, int]], cuts: set[int], horizon: int) -> None:
    times = np.cumsum([moved * 1000 for _, moved in rows]) + START
    ids = pl.Series("id", [name for name, _ in rows], dtype=pl.String)
    whole = Rows(ids, np.arange(len(rows)), times, len(rows))
    expected = BrokersRepeats(horizon).judge(0, whole, lambda time, offset: [])
    repeats, found = Repeats(horizon), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
        part = slice(start, min(end, len(rows)))
        keep = repeats.fresh(ids[part], times[part])
        found += [True] * len(ids[part]) if keep is None else keep.tolist()
        repeats = Repeats(horizon, unpacked(packed(repeats.recent)))
    assert found == expected.tolist()
