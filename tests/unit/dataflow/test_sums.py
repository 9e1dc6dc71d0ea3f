"""Sums of floats are the same bits for any order, any grouping and any state in between."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.dataflow.sessions import SessionOperator
from wayside.dataflow.spans import SpanOperator
from wayside.domain import Topic, count, mean, total
from wayside.record import Record
from wayside.specs import TIME, WindowSpec

BASE = datetime(2026, 1, 1, tzinfo=UTC)
AT = int(BASE.timestamp()) * 1_000_000


class Number(Record, key="name", time="at"):
    """A number, and a whole one."""

    name: str
    at: datetime
    value: float | None
    whole: int


def spec_of(**window: Any) -> WindowSpec:
    topic = Topic("numbers", Number)
    sums = {"n": count(), "sum": total("value"), "mean": mean("value"), "whole": total("whole")}
    return topic.window("spans", by=["name"], lateness=timedelta(hours=1), **sums, **window).spec


def rows(values: list[float | None]) -> pl.DataFrame:
    number = len(values)
    return pl.DataFrame(
        {"name": ["a"] * number, "at": [BASE] * number, "value": values, "whole": list(range(number))},
        schema={"name": pl.String, "at": TIME, "value": pl.Float64, "whole": pl.Int64},
    )


def summed(kind: type[SpanOperator] | type[SessionOperator], spec: WindowSpec, parts: list[pl.DataFrame]) -> bytes:
    """The sum's bytes, when each part is added by an operator of its own and one takes their states in."""
    operator = kind(spec)
    for part in parts:
        other = kind(spec)
        other.add(part, np.full(part.height, AT), -(2**62))
        operator.absorb([other.save()])
    made = operator.peek(operator.frames())
    return made.select("value__sum", "value__n", "whole__sum", "rows").to_numpy().tobytes()


DECIMALS = st.integers(-(10**7), 10**7).map(lambda number: number / 1000)


@pytest.mark.parametrize(("kind", "window"), [(SpanOperator, {"every": "1h"}), (SessionOperator, {"gap": "1h"})])
@given(values=st.lists(DECIMALS | st.none(), min_size=1, max_size=40), data=st.data())
def test_order_and_grouping_change_no_bit(kind: Any, window: Any, values: list[float | None], data: Any) -> None:
    spec = spec_of(**window)
    frame = rows(values)
    expected = summed(kind, spec, [frame])
    order = data.draw(st.permutations(range(len(values))))
    cut = data.draw(st.integers(0, len(values)))
    mixed = frame[order]
    assert summed(kind, spec, [part for part in (mixed[:cut], mixed[cut:]) if part.height]) == expected
    operator = kind(spec)
    operator.add(frame, np.full(frame.height, AT), -(2**62))
    found = operator.peek(operator.frames())["value__sum"][0]
    assert found == math.fsum(value for value in values if value is not None)


def test_numbers_out_of_the_exact_range_are_added_as_doubles_are() -> None:
    for values in ([1e300, 1.0, -1e300, 2.5e-300], [1e17, 0.1, -1e17], [3e-320, 1e-12, 7e-19]):
        operator = SpanOperator(spec_of(every="1h"))
        operator.add(rows(values), np.full(len(values), AT), -(2**62))
        found = operator.peek(operator.frames())["value__sum"][0]
        assert abs(found - math.fsum(values)) <= 1e-12 * sum(map(abs, values))


def test_a_state_of_the_time_before_sums_had_parts_is_taken_over() -> None:
    for kind, window in ((SpanOperator, {"every": "1h"}), (SessionOperator, {"gap": "1h"})):
        operator = kind(spec_of(**window))
        operator.add(rows([0.1, 0.2]), np.full(2, AT), -(2**62))
        state = operator.save()
        old = state.drop("value__sum.2", "value__sum.3").with_columns(pl.lit(0.3).alias("value__sum"))
        again = kind(spec_of(**window))
        again.load(old)
        again.add(rows([0.5]), np.full(1, AT), -(2**62))
        assert again.peek(again.frames())["value__sum"].to_list() == [0.8]
