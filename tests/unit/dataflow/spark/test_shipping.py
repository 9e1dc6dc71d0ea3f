"""A plan with feeds, pages and endpoints travels to workers and comes out with its flows, windows and tables."""

from __future__ import annotations

import pickle

import pytest

pytest.importorskip("pyspark", reason="the extra 'spark' is not installed")

from wayside.dataflow.spark.shipping import pickled
from wayside.domain import Plan, discover


@pytest.mark.parametrize("name", ["devices", "transit"])
def test_a_plan_travels_without_what_tasks_do_not_need(name: str) -> None:
    plan = Plan.of(discover([name]))
    arrived = pickle.loads(pickled(plan))
    assert list(arrived.flows) == list(plan.flows)
    assert {name: window.spec for name, window in arrived.windows.items()} == {
        name: window.spec for name, window in plan.windows.items()
    }
    assert list(arrived.tables) == list(plan.tables)
    assert arrived.domains == ()
