"""Where each key of a joined table has one version, rows meet it without sorting, and meet what they did with it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Literal

import polars as pl
import pytest

from wayside.dataflow.graph import marked
from wayside.dataflow.joins import Versions, joined, looked_up, met_as_of
from wayside.domain import Topic
from wayside.domain.flow import Join, Table
from wayside.record import Record

START = datetime(2026, 3, 1, tzinfo=UTC)
HOW: list[Literal["inner", "left"]] = ["inner", "left"]


class Call(Record, key="name", time="at"):
    """Something that happened to a thing."""

    name: str
    at: datetime


class Thing(Record, key="name", time="since"):
    """Where a thing stands."""

    name: str
    since: datetime
    place: str | None
    gone: bool


class CallAt(Record, key="name", time="at"):
    """The same with the place."""

    name: str
    at: datetime
    place: str | None


def declared(how: Literal["inner", "left"]) -> tuple[Join, Table]:
    table = Topic("things", Thing).table("here", deleted=pl.col("gone"))
    return Topic("calls", Call).join("placed", table, on=["name"], into=CallAt, how=how), table


def moment(random: random.Random) -> datetime:
    return START + timedelta(seconds=random.randrange(20))


def calls(random: random.Random, count: int) -> pl.DataFrame:
    rows = [{"name": f"t{random.randrange(40)}", "at": moment(random)} for _ in range(count)]
    return pl.DataFrame(rows, schema=Call.schema())


def things(random: random.Random, names: list[int]) -> pl.DataFrame:
    rows = [
        {
            "name": f"t{name}",
            "since": moment(random),
            "place": random.choice(["north", "south", None]),
            "gone": random.random() < 0.2,
        }
        for name in names
    ]
    return pl.DataFrame(rows, schema=Thing.schema())


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("seed", range(20))
def test_one_version_per_key_is_met_as_any_number_is(how: Literal["inner", "left"], seed: int) -> None:
    random_ = random.Random(seed)
    join, table = declared(how)
    versions = Versions(table)
    versions.add(marked(table, things(random_, random_.sample(range(40), 30))))
    rows = calls(random_, 200)
    assert versions.single
    right = versions.frame.select("name", pl.col("since").alias("_time"), "_deleted", "place")
    live = ~pl.col("_deleted").fill_null(True)
    quick, sorted_ = looked_up(join, right, rows), met_as_of(join, right, rows)
    for column in ("_row", "name", "at"):
        assert quick[column].equals(sorted_[column])
    assert quick.filter(live)["_row", "place"].equals(sorted_.filter(live)["_row", "place"])
    met = joined(join, versions, rows)
    versions.known_single = False
    assert met.equals(joined(join, versions, rows))
    assert met.height == (rows.height if how == "left" else quick.filter(live).height)


def test_a_second_version_of_a_key_is_told_apart() -> None:
    join, table = declared("inner")
    versions = Versions(table)
    schema = Thing.schema()
    first = {"name": "t1", "since": START, "place": "north", "gone": False}
    versions.add(marked(table, pl.DataFrame([first], schema=schema)))
    assert versions.single
    second = first | {"since": START + timedelta(seconds=5), "place": "south"}
    versions.add(marked(table, pl.DataFrame([second], schema=schema)))
    assert not versions.single
    rows = pl.DataFrame([{"name": "t1", "at": START + timedelta(seconds=at)} for at in (7, 2)], schema=Call.schema())
    assert joined(join, versions, rows)["place"].to_list() == ["south", "north"]
    versions.load(versions.frame[:1])
    assert versions.single
    assert joined(join, versions, rows)["place"].to_list() == ["north", "north"]
