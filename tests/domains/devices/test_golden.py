"""Recorded messages and the rows that they must become, to the last digit.

The expected files were computed by hand from `messages.ndjson`; a change of them is a change of meaning.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tests.domains.devices.farm import Farm
from wayside.clock import ManualClock
from wayside.hot.memory import MemoryStore

GOLDEN = Path(__file__).parent / "golden"
RECEIVED = datetime(2026, 1, 5, 12, 10, tzinfo=UTC)
LINES = (GOLDEN / "messages.ndjson").read_bytes().splitlines()


def run(pieces: list[list[bytes]]) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the domain makes of the messages, handed over in these pieces."""
    farm = Farm(ManualClock(RECEIVED))
    with farm:
        for piece in pieces:
            farm.intakes["devices"].submit(piece).result(20)
        farm.settle()
        spec = farm.plan.windows["device_rollup"].spec
        store = farm.store
        assert isinstance(store, MemoryStore)
        closed = store.windows("device_rollup", datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
        shown = [pl.col("window_start").dt.to_string("%H:%M:%S"), *spec.by, *spec.outputs()]
        open = farm.engine.open_windows("device_rollup").sort("window_start", *spec.by)
        clock = pl.col("timestamp").dt.to_string("%H:%M:%S%.6f")
        return {
            "closed": closed.select(shown).rows(),
            "open": open.group_by("window_start", *spec.by, maintain_order=True)
            .agg(spec.combine())
            .select(shown)
            .rows(),
            "late": store.late("device_rollup").sort("timestamp").select(clock, "device_id", "value").rows(),
            "latest": store.table("device_latest").select("device_id", "sensor", clock, "value", "unit").rows(),
            "refused": farm.refused().select("rule", pl.col("raw").cast(pl.String).str.head(200)).rows(),
        }


def expected(name: str) -> list[tuple[object, ...]]:
    """A golden file: one row per line, cells of JSON."""
    return [tuple(json.loads(line)) for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def found() -> dict[str, list[tuple[object, ...]]]:
    return run([LINES])


@pytest.mark.parametrize("name", ["closed", "open", "late", "latest", "refused"])
def test_the_recorded_messages_become_the_golden_rows(found: dict[str, list[tuple[object, ...]]], name: str) -> None:
    assert found[name] == expected(name)


def test_how_the_messages_are_cut_into_requests_makes_no_difference(
    found: dict[str, list[tuple[object, ...]]],
) -> None:
    assert run([[line] for line in LINES]) == found
    chance = random.Random(7)
    cuts = sorted(chance.sample(range(1, len(LINES)), 5))
    pieces = [LINES[start:end] for start, end in zip([0, *cuts], [*cuts, len(LINES)], strict=True)]
    assert run(pieces) == found
