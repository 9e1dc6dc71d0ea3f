"""Any cut into batches, any crash, any duplicate: the engine's answer is the oracle's."""

from __future__ import annotations

import os

from hypothesis import given, settings

from tests.properties.harness import Case, cases, check, run

CASES = 2000 if os.environ.get("CI") else 300


@settings(max_examples=CASES)
@given(cases())
def test_engine_equals_oracle(case: Case) -> None:
    engine, store = run(case)
    check(case, engine, store)
