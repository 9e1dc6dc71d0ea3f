from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import polars as pl
import pytest

from unit.runtime.world import Reading, reading, world
from wayside.clock import ManualClock
from wayside.domain import Domain, Topic, count, maximum
from wayside.lake.memory import MemoryLake
from wayside.lake.query import Sources, sql
from wayside.quarantine import QUARANTINE
from wayside.runtime.chosen import plan_of
from wayside.runtime.lakeflows import streams_of
from wayside.runtime.lakewriter import LONGEST_REST, LakeWriter
from wayside.runtime.trial import Trial


def filled() -> Trial:
    trial = Trial(world())
    trial.push("wells_push", [reading(second, second / 10) for second in range(0, 45, 3)])
    trial.push("wells_push", [reading(0, 5000.0)])
    return trial


def written(trial: Trial, lake: MemoryLake) -> int:
    return LakeWriter(trial.plan, trial.broker, trial.store, lake).round()


def test_each_tier_holds_each_row_once_whatever_is_repeated() -> None:
    trial, lake = filled(), MemoryLake()
    assert written(trial, lake) > 0
    assert written(trial, lake) == 0
    bronze = lake.scan("bronze", "wells_readings").collect()
    assert bronze["_offset"].to_list() == list(range(15))
    assert bronze["_appended"].null_count() == 0
    quarantined = lake.scan("bronze", QUARANTINE).collect()
    assert quarantined["rule"].to_list() == ["level.range"]
    assert json.loads(quarantined["raw"][0])["level"] == 5000.0
    silver = lake.scan("silver", "wells_high").collect()
    assert silver["level"].min() > 2
    gold = lake.scan("gold", "wells_rollup").collect()
    assert gold["count"].to_list() == [4, 3, 3, 4]
    assert gold.select("rows", "level__sum", "average").height == 4


def test_what_comes_later_is_appended() -> None:
    trial, lake = filled(), MemoryLake()
    written(trial, lake)
    trial.push("wells_push", [reading(50, 1.0), reading(70, 9.0)])
    written(trial, lake)
    assert lake.scan("bronze", "wells_readings").collect().height == 17
    assert lake.scan("gold", "wells_rollup").collect()["window_start"].is_unique().all()


def test_a_crash_between_silver_and_bronze_adds_nothing_twice() -> None:
    class Torn(MemoryLake):
        """Fails once, at the first append to bronze."""

        failed = False

        def append(self, tier: str, name: str, rows: pl.DataFrame, **rest: object) -> None:
            if tier == "bronze" and not self.failed:
                self.failed = True
                raise OSError("no space")
            super().append(tier, name, rows, **rest)  # type: ignore[arg-type]  # passed on as they came

    trial, lake = filled(), Torn()
    with pytest.raises(OSError, match="no space"):
        written(trial, lake)
    assert lake.scan("silver", "wells_high").collect().height == 8
    written(trial, lake)
    assert lake.scan("silver", "wells_high").collect().height == 8
    assert lake.scan("bronze", "wells_readings").collect().height == 15


def test_a_stop_ends_the_round_between_two_appends() -> None:
    trial, lake = filled(), MemoryLake()
    writer = LakeWriter(trial.plan, trial.broker, trial.store, lake, stopped=lambda: True)
    assert writer.round() == 0
    assert lake.tables() == []


def test_the_writer_rests_as_long_as_it_wrote_and_never_long() -> None:
    clock = ManualClock()

    class Slow(MemoryLake):
        """Each append takes its time."""

        seconds = 0.25

        def append(self, tier: str, name: str, rows: pl.DataFrame, **rest: object) -> None:
            clock.advance(self.seconds)
            super().append(tier, name, rows, **rest)  # type: ignore[arg-type]  # passed on as they came

    def round_of(rest: float, seconds: float) -> tuple[float, int]:
        trial, lake = filled(), Slow()
        lake.seconds = seconds
        began = clock.monotonic()
        writer = LakeWriter(trial.plan, trial.broker, trial.store, lake, rest=rest, clock=clock)
        assert writer.round() > 0
        return clock.monotonic() - began, len(lake.tables())

    took, tables = round_of(0.0, 0.25)
    assert took == tables * 0.25
    assert round_of(1.0, 0.25) == (2 * took, tables)
    took, tables = round_of(1.0, 10.0)
    assert tables * 10 < took <= tables * (10 + LONGEST_REST)


def test_what_comes_while_a_round_writes_is_left_to_the_next_one() -> None:
    class Busy(MemoryLake):
        """During each append something more arrives, as on a machine that is slow."""

        appends = 0

        def append(self, tier: str, name: str, rows: pl.DataFrame, **rest: object) -> None:
            super().append(tier, name, rows, **rest)  # type: ignore[arg-type]  # passed on as they came
            self.appends += 1
            if self.appends < 50:
                trial.push("wells_push", [reading(100 + self.appends, 1.0)])

    trial, lake = filled(), Busy()
    writer = LakeWriter(trial.plan, trial.broker, trial.store, lake)
    writer.round()
    first = lake.appends
    assert first < 10
    assert lake.scan("bronze", "wells_readings").collect().height == 15
    lake.appends = 50  # quiet now
    writer.round()
    assert lake.scan("bronze", "wells_readings").collect().height == 15 + first


def test_a_stream_that_fails_does_not_hold_up_the_others() -> None:
    def divided(rows: pl.LazyFrame) -> pl.LazyFrame:
        def divide(levels: pl.Series) -> pl.Series:
            return pl.Series([1 / (level - 0.3) for level in levels], dtype=pl.Float64)

        return rows.with_columns(pl.col("level").map_batches(divide, return_dtype=pl.Float64))

    topic = Topic("a", Reading)
    plan = plan_of([Domain("d", "D", flow=(topic.stream("s", into=Reading, transform=divided).table("t"),))])
    assert [flow.name for flow in streams_of(plan, "a")] == ["s"]
    trial = Trial(*plan.domains)
    trial.push("a", [reading(1, 0.3), reading(2, 0.4)])
    lake = MemoryLake()
    written(trial, lake)
    assert lake.scan("bronze", "a").collect().height == 2


def test_silver_holds_only_what_keeps_the_rules_of_its_record() -> None:
    def tenfold(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.with_columns(pl.col("level") * 10)

    topic = Topic("a", Reading)
    trial = Trial(Domain("d", "D", flow=(topic.stream("s", into=Reading, transform=tenfold).table("t"),)))
    trial.push("a", [reading(1, 5.0), reading(2, 50.0)])
    lake = MemoryLake()
    written(trial, lake)
    assert lake.scan("silver", "s").collect()["level"].to_list() == [50.0]
    assert trial.quarantine()["rule"].to_list() == ["level.range"]


class Step(Reading, key="station", time="at"):
    """A reading beside the one before it."""

    before: float | None
    highest: float | None


def remembering() -> Domain:
    """Readings beside the one before them and the highest before, and what a stream makes of that."""
    topic = Topic("a", Reading)
    steps = topic.previous(
        "steps", by=["station"], into=Step, columns={"before": "level"}, running={"highest": maximum("level")}
    )
    rising = steps.stream("rising", into=Step, transform=lambda rows: rows.filter(pl.col("level") > pl.col("before")))
    return Domain("d", "D", flow=(rising.table("t"),))


def levels(count: int) -> list[dict[str, Any]]:
    return [reading(second, float(second * 37 % 23), f"s{second % 3}") for second in range(count)]


@pytest.mark.parametrize("crash", ["none", "memory", "bronze"])
def test_silver_behind_a_step_that_remembers_is_the_same_over_restarts_and_crashes(crash: str) -> None:
    whole, parts = Trial(remembering()), Trial(remembering())
    expected, lake = MemoryLake(), MemoryLake()
    whole.push("a", levels(60))
    written(whole, expected)
    rows = expected.scan("silver", "rising").collect()
    assert rows.height > 5
    for start in range(0, 60, 10):
        parts.push("a", levels(60)[start : start + 10])
        writer = LakeWriter(parts.plan, parts.broker, parts.store, lake)  # a start of its own each time
        if crash == "memory" and start % 20:
            writer.flows.save = lambda *_: None  # type: ignore[method-assign]  # the process ends before it
        if crash == "bronze" and start == 30:
            broken = OSError("no space")
            failing = mock.patch.object(MemoryLake, "append", append_but("bronze", broken))
            with failing, pytest.raises(OSError, match="no space"):
                writer.round()
            continue
        writer.round()
    found = lake.scan("silver", "rising").collect()
    assert found.equals(rows)


def test_a_lake_that_begins_anew_begins_with_no_memory() -> None:
    trial, lake = Trial(remembering()), MemoryLake()
    trial.push("a", levels(30))
    assert written(trial, lake) > 0
    first = trial.store.checkpoint("lake a/0")
    again = MemoryLake()
    assert written(trial, again) > 0
    assert again.scan("silver", "rising").collect().equals(lake.scan("silver", "rising").collect())
    second = trial.store.checkpoint("lake a/0")
    assert first is not None
    assert second is not None
    assert second.sequence > first.sequence, "as a store on a server demands"


def append_but(tier: str, error: Exception) -> Any:
    """The lake's append, which fails for one tier."""
    real = MemoryLake.append

    def append(lake: MemoryLake, to: str, *given: Any, **named: Any) -> None:
        if to == tier:
            raise error
        real(lake, to, *given, **named)  # type: ignore[arg-type]  # passed on as it came

    return append


def test_running_totals_are_copied_to_the_lake_once_an_hour() -> None:
    topic = Topic("a", Reading)
    trial = Trial(Domain("d", "D", flow=(topic.window("ever", every="all time", by=["station"], n=count()),)))
    lake, clock = MemoryLake(), ManualClock(datetime(2026, 1, 5, 13, tzinfo=UTC))
    ports = (trial.plan, trial.broker, trial.store, lake)
    writer = LakeWriter(*ports, totals=trial.engine.open_windows, clock=clock)
    trial.push("a", levels(9))
    writer.round()
    trial.push("a", levels(12)[9:])
    writer.round()
    told = lake.scan("gold", "ever").collect()
    assert told.select("station", "n").rows() == [("s0", 3), ("s1", 3), ("s2", 3)]
    clock.advance(3601)
    writer.round()
    told = lake.scan("gold", "ever").collect()
    assert told.height == 6
    newest = told.sort("_seq").unique("station", keep="last").sort("station")
    assert newest.select("station", "n").rows() == [("s0", 4), ("s1", 4), ("s2", 4)]
    again = LakeWriter(*ports, totals=trial.engine.open_windows, clock=clock)
    assert again.round() == 3, "a start tells them at once"
    sources = Sources(lake, windows=[trial.plan.windows["ever"].spec])
    shown = sql("SELECT station, n FROM gold.ever ORDER BY station", sources)
    assert shown.rows() == [("s0", 4), ("s1", 4), ("s2", 4)]
