"""What Spark's tasks and driver do is the oracle's answer, whatever the cut into batches, crashes and repeats."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings

pytest.importorskip("pyspark", reason="the extra 'spark' is not installed")

from pyspark import cloudpickle

from tests.properties.harness import Case, cases, check, run
from tests.properties.tasks import TaskEngine

CASES = 150 if os.environ.get("CI") else 60


def engine(*given: object, **named: object) -> TaskEngine:
    return TaskEngine(*given, **named, pickled=cloudpickle.dumps)  # type: ignore[arg-type]  # as the harness calls it


@settings(max_examples=CASES)
@given(cases())
def test_tasks_and_ledger_equal_the_oracle(case: Case) -> None:
    made, store = run(case, engines=engine)  # type: ignore[arg-type]  # what is asked of an engine here, it has
    check(case, made, store)  # type: ignore[arg-type]  # the same
