from __future__ import annotations

import json

import polars as pl
import pytest

from unit.runtime.world import Reading, reading, world
from wayside.domain import Domain, Topic
from wayside.lake.memory import MemoryLake
from wayside.quarantine import QUARANTINE
from wayside.runtime.chosen import plan_of
from wayside.runtime.lakewriter import LakeWriter, streams_of
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


def test_a_stream_that_fails_does_not_hold_up_the_others() -> None:
    def divided(rows: pl.LazyFrame) -> pl.LazyFrame:
        def divide(levels: pl.Series) -> pl.Series:
            return pl.Series([1 / (level - 0.3) for level in levels], dtype=pl.Float64)

        return rows.with_columns(pl.col("level").map_batches(divide, return_dtype=pl.Float64))

    topic = Topic("a", Reading)
    plan = plan_of([Domain("d", "D", flow=(topic.stream("s", into=Reading, transform=divided).table("t"),))])
    assert [[flow.name for flow in chain] for chain in streams_of(plan, "a")] == [["s"]]
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
