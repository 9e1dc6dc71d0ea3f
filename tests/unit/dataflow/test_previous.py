"""A step that tells each row what came before it for its key: how it is declared, and row by row what it tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from wayside.clock import ManualClock
from wayside.dataflow import previous
from wayside.dataflow.previous import Kept
from wayside.dataflow.rows import Rows
from wayside.domain import Domain, Flow, Plan, Previous, Topic, count, maximum, mean, minimum
from wayside.errors import DeclarationError
from wayside.record import Record
from wayside.runtime.trial import Trial

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
MICROS = int(BEGAN.timestamp()) * 1_000_000
DAY = 86_400_000_000


class Reading(Record, key="thing", time="at"):
    """A number of a thing."""

    thing: str
    at: datetime
    value: float | None
    word: str | None


class Step(Record, key="thing", time="at"):
    """A number beside those before it."""

    thing: str
    at: datetime
    value: float | None
    before: float | None
    since: datetime | None
    low: float | None
    high: float | None


class Hasty(Record, key="thing", time="at"):
    """A number whose field for the one before is not optional."""

    thing: str
    at: datetime
    before: float


def step(source: Flow, **changed: Any) -> Previous:
    given: dict[str, Any] = {
        "by": ["thing"],
        "into": Step,
        "columns": {"before": "value", "since": "at"},
        "running": {"low": minimum("value"), "high": maximum("value")},
        "horizon": "60s",
    }
    return source.previous("steps", **given | changed)


def told(kept: Kept, *rows: tuple[str, int, float | None]) -> list[tuple[Any, ...]]:
    """What rows of (thing, second, value) are told: value, second, lowest and highest before."""
    frame = pl.DataFrame(
        [{"thing": t, "at": BEGAN + timedelta(seconds=s), "value": v, "word": None} for t, s, v in rows],
        schema=Reading.schema(),
    )
    offsets = pl.int_range(len(rows), eager=True).to_numpy()
    found = kept.run(Rows("readings", 0, frame, offsets, MICROS + DAY)).frame
    seconds = ((found["since"] - BEGAN).dt.total_seconds()).to_list()
    return list(zip(found["before"], seconds, found["low"], found["high"], strict=True))


NOTHING = (None, None, None, None)


def test_each_row_is_told_of_the_newest_before_it_and_of_the_extremes() -> None:
    kept = Kept(step(Topic("readings", Reading)))
    assert told(kept, ("a", 0, 2.0), ("b", 0, 9.0), ("a", 10, 5.0), ("a", 20, 1.0)) == [
        NOTHING, NOTHING, (2.0, 0, 2.0, 2.0), (5.0, 10, 2.0, 5.0),
    ]  # fmt: skip
    assert told(kept, ("a", 30, 0.0), ("b", 31, 1.0)) == [(1.0, 20, 1.0, 5.0), (9.0, 0, 9.0, 9.0)]


def test_an_older_row_is_told_nothing_and_changes_nothing() -> None:
    kept = Kept(step(Topic("readings", Reading)))
    assert told(kept, ("a", 10, 2.0), ("a", 5, 99.0), ("a", 20, 3.0))[1:] == [NOTHING, (2.0, 10, 2.0, 2.0)]
    assert told(kept, ("a", 19, -9.0), ("a", 20, 4.0), ("a", 20, 5.0)) == [
        NOTHING, (3.0, 20, 2.0, 3.0), (4.0, 20, 2.0, 4.0),
    ]  # fmt: skip


def test_a_null_is_told_as_null_and_is_no_extreme() -> None:
    kept = Kept(step(Topic("readings", Reading)))
    assert told(kept, ("a", 1, None), ("a", 2, 4.0), ("a", 3, None), ("a", 4, 1.0)) == [
        NOTHING, (None, 1, None, None), (4.0, 2, 4.0, 4.0), (None, 3, 4.0, 4.0),
    ]  # fmt: skip


def test_keys_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    one = pl.lit(7, pl.UInt64).alias(previous.HASH)
    monkeypatch.setattr(previous, "hashed", lambda rows, keys: rows.with_columns(one))
    kept = Kept(step(Topic("readings", Reading)))
    assert told(kept, ("a", 0, 1.0), ("b", 0, 5.0), ("a", 1, 2.0)) == [NOTHING, NOTHING, (1.0, 0, 1.0, 1.0)]
    assert told(kept, ("c", 2, 1.0), ("b", 2, 3.0)) == [NOTHING, (5.0, 0, 5.0, 5.0)]
    assert kept.rows == 3


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_a_key_is_forgotten_by_what_the_partition_has_seen_before_the_row(cut: int) -> None:
    rows = [("a", 0, 1.0), ("b", 60, 1.0), ("a", 61, 2.0), ("b", 200, 1.0), ("a", 70, 3.0)]
    kept = Kept(step(Topic("readings", Reading)))
    found = (told(kept, *rows[:cut]) if cut else []) + told(kept, *rows[cut:])
    assert found == [NOTHING, NOTHING, (1.0, 0, 1.0, 1.0), (1.0, 60, 1.0, 1.0), NOTHING]
    assert kept.rows == 1, "what is forgotten takes no memory"


def test_a_clock_that_runs_ahead_makes_nobody_forgotten() -> None:
    kept = Kept(step(Topic("readings", Reading)))
    assert told(kept, ("a", 0, 1.0), ("wrong", 20 * 3600, 1.0))[1] == NOTHING
    late = pl.DataFrame([{"thing": "a", "at": BEGAN, "value": 1.0, "word": None}], schema=Reading.schema())
    fresh = Kept(step(Topic("readings", Reading)))
    ahead = late.with_columns(at=pl.col("at") + timedelta(hours=20), thing=pl.lit("wrong"))
    offsets = pl.int_range(3, eager=True).to_numpy()
    found = fresh.run(Rows("readings", 0, pl.concat([late, ahead, late]), offsets, MICROS + 1_000_000))
    assert found.frame["since"].to_list() == [None, None, BEGAN]


def test_a_row_without_a_whole_key_is_told_nothing() -> None:
    trial = Trial(Domain("test", "Test", [step(Topic("readings", Reading), by=["thing", "word"]).table("latest")]))
    rows = [{"thing": "a", "at": f"2026-03-01T12:00:0{n}Z", "value": n, "word": w} for n, w in enumerate("xyx")]
    trial.push("readings", [*rows, {"thing": "a", "at": "2026-03-01T12:00:05Z", "value": 7}])
    assert trial.table("latest")["before"].to_list() == [None]
    trial.push("readings", [{"thing": "a", "at": "2026-03-01T12:00:06Z", "value": 8, "word": "x"}])
    assert trial.table("latest")["before"].to_list() == [2.0]


def test_the_memory_comes_back_as_it_was_saved() -> None:
    flow = step(Topic("readings", Reading))
    kept, other = Kept(flow), Kept(flow)
    told(kept, ("a", 0, 1.0), ("b", 100, 2.0))
    other.load("readings/0", kept.saved("readings/0"))
    assert told(other, ("a", 50, 3.0), ("b", 101, 4.0)) == [NOTHING, (2.0, 100, 2.0, 2.0)]


def test_a_memory_of_another_plan_begins_anew() -> None:
    kept = Kept(step(Topic("readings", Reading)))
    told(kept, ("a", 0, 1.0))
    other = Kept(step(Topic("readings", Reading), by=["thing", "word"]))
    other.load("readings/0", kept.saved("readings/0"))
    assert other.rows == 0


def test_the_engine_goes_on_after_a_restart_with_what_it_remembers() -> None:
    flow = step(Topic("readings", Reading))
    window = flow.window("spans", by=["thing"], every="10s", n=count(), before=mean("before"))
    trial = Trial(Domain("test", "Test", [window]), clock=ManualClock(BEGAN))
    trial.push("readings", [{"thing": "a", "at": "2026-03-01T12:00:01Z", "value": 3}])
    trial.engine.recover()
    trial.push("readings", [{"thing": "a", "at": "2026-03-01T12:00:02Z", "value": 4}])
    trial.finish()
    assert trial.windows("spans").select("n", "before").rows() == [(2, 3.0)]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"by": ["thnig"]}, "names the column 'thnig'"),
        ({"by": []}, "needs `by`"),
        ({"columns": {}, "running": {}}, "needs `by`, and `columns` or `running`"),
        ({"columns": {"before": "speed"}}, "names the column 'speed'"),
        ({"columns": {"value": "value"}}, "The field 'value' exists already"),
        ({"running": {"low": mean("value")}}, "`low` is a mean, which is not kept from row to row"),
        ({"running": {"low": minimum("word")}}, "neither a number nor a time"),
        ({"horizon": "0s"}, "`horizon` must be longer than nothing"),
        ({"columns": {"before": "word", "since": "at"}}, "'before' is String, required Float64"),
        ({"into": Hasty, "columns": {"before": "value"}, "running": {"low": minimum("value")}}, "must be optional"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_declared(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(DeclarationError, match=text):
        step(Topic("readings", Reading), **changed)


def test_a_key_in_several_partitions_is_refused() -> None:
    step(Topic("readings", Reading, partitions=4), by=["word", "thing"])
    step(Topic("readings", Reading, partitions=1), by=["word"])
    with pytest.raises(DeclarationError, match="may be in several partitions of 'readings', which have no order"):
        step(Topic("readings", Reading, partitions=4).where("some", pl.col("value") > 1), by=["word"])


def test_the_plan_knows_the_step_by_its_source() -> None:
    flow = step(Topic("readings", Reading))
    plan = Plan.of([Domain("test", "Test", [flow.table("latest")])])
    assert [(edge.source, edge.target) for edge in plan.edges()] == [("readings", "steps"), ("steps", "latest")]
