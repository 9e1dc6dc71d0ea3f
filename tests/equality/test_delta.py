"""Delta tables that one engine has written are read by the other, in a folder and in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cluster import spark as spark_jars
from wayside.lake.bucket import Bucket
from wayside.lake.delta import DeltaLake
from wayside.lake.places import Folder, LakePlace
from wayside.specs import TIME

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Address = Callable[[str], str]


@pytest.fixture
def bucket(spark: Any, tmp_path: Path) -> Iterator[tuple[LakePlace, Address]]:
    from cluster.objects import ObjectStore, missing

    if reason := missing():
        pytest.skip(f"tier servers: {reason}")
    store = ObjectStore.start(tmp_path / "objects")
    for name, value in spark_jars.s3a(store.config).items():
        spark.conf.set(name.removeprefix("spark.hadoop."), value)
    try:
        yield Bucket(store.make("lake"), store.config), "s3a://lake/{}".format
    finally:
        store.stop()


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[LakePlace, Address]:
    """Where the lake lies, and what Spark calls it."""
    if request.param == "bucket":
        return request.getfixturevalue("bucket")
    return Folder(tmp_path / "lake"), f"{tmp_path}/lake/{{}}".format


def rows(first: int, count: int) -> pl.DataFrame:
    numbers = range(first, first + count)
    columns = {"thing": [f"t{n}" for n in numbers], "at": [NOON + timedelta(hours=n) for n in numbers]}
    return pl.DataFrame({**columns, "value": [n / 3 for n in numbers]}, schema_overrides={"at": TIME})


def test_each_reads_and_goes_on_with_what_the_other_wrote(spark: Any, place: tuple[LakePlace, Address]) -> None:
    where, address = place
    lake = DeltaLake(where)
    lake.append("silver", "readings", rows(0, 30), app="wayside", version=1)
    theirs = spark.read.format("delta").load(address("silver/readings"))
    found = pl.DataFrame(pl.from_arrow(theirs.toArrow())).sort("at")
    assert found.drop("_date").equals(rows(0, 30))
    more = theirs.selectExpr("concat('again ', thing) AS thing", "at", "value * 2 AS value", "_date")
    more.write.format("delta").partitionBy("_date").save(address("gold/made"))
    saved = more.write.format("delta").mode("append")
    saved.option("txnAppId", "spark").option("txnVersion", 5).save(address("silver/readings"))
    assert lake.tables() == [("gold", "made"), ("silver", "readings")]
    both = lake.scan("silver", "readings").collect()
    assert both.height == 60
    again = both.filter(pl.col("thing").str.starts_with("again")).sort("at")
    assert again["value"].to_list() == [n / 3 * 2 for n in range(30)]
    assert lake.scan("gold", "made").collect().height == 30
    assert (lake.version("silver", "readings", "spark"), lake.version("silver", "readings", "wayside")) == (5, 1)
    lake.append("silver", "readings", rows(30, 2), app="wayside", version=2)
    lake.maintain(keep=timedelta(days=3650))
    assert spark.read.format("delta").load(address("silver/readings")).count() == 62
