"""Tables as of an instant of the past, and what only the lake still has: for endpoints, windows and maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from server_site import Sample
from wayside.clock import ManualClock
from wayside.domain import Domain, Topic, count, mean, minimum, total
from wayside.errors import UnknownPastError
from wayside.lake.memory import MemoryLake
from wayside.record import Record
from wayside.runtime.lakewriter import LakeWriter
from wayside.runtime.trial import Trial
from wayside.server.history import readings, source_of
from wayside.server.problems import ProblemError
from wayside.server.queries import LiveQueries
from wayside.server.services import Services
from wayside.values import Tier

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Step(Sample, key=("station", "sensor"), time="at"):
    """A sample beside the one before it."""

    before: float | None


class Offer(Record, key="name", time="since"):
    """Something that is there until it has gone."""

    name: str
    since: datetime
    price: int
    removed: bool
    gone: datetime | None


class Word(Record, key="station", time="since"):
    """What a station is called."""

    station: str
    since: datetime
    word: str


class Named(Sample, key=("station", "sensor"), time="at"):
    """A sample beside what a table knows of its station."""

    word: str | None


def domain() -> Domain:
    """Tables of a topic itself, of streams that keep rows and that drop some, and of a step that remembers."""
    samples = Topic("samples", Sample)
    warmer = samples.stream("warmer", into=Sample, transform=lambda rows: rows.with_columns(pl.col("value") + 1))
    warm = samples.where("warm", pl.col("value") > 10)
    steps = samples.previous("steps", by=["station", "sensor"], into=Step, columns={"before": "value"})
    latest = Topic("words", Word).table("words_latest")
    named = samples.join("named", latest, on=["station"], into=Named, how="left")
    known = samples.join("known", latest, on=["station"], into=Named)
    offers = Topic("offers", Offer, retention="400d")
    cheap = offers.stream("cheap", into=Offer, transform=lambda rows: rows.filter(pl.col("price") < 50))
    left = {"deleted": pl.col("removed"), "gone": "gone"}
    return Domain(
        "weather",
        "Weather",
        flow=[
            offers.table("offers_latest", **left),
            cheap.table("cheap_latest", **left),
            samples.table("latest", deleted=pl.col("note") == "gone"),
            samples.table("stations", by=["station"]),
            warmer.table("warmer_latest"),
            warm.table("warm_latest"),
            steps.table("steps_latest"),
            named.window("ever", by=["station", "sensor", "word"], every="all time", n=count(), mean=mean("value")),
            known.window("ever_known", by=["station"], every="all time", n=count()),
            samples.window("extremes", by=["station"], every="all time", least=minimum("value")),
            warm.window("warm_ever", by=["station"], every="all time", n=count(), sum=total("value")),
            samples.window("minutes", by=["station"], every="1m", n=count(), mean=mean("value")),
        ],
    )


def sample(second: int, value: float, station: str = "north", sensor: str = "air", note: str = "") -> dict[str, Any]:
    at = (NOON + timedelta(seconds=second)).isoformat()
    return {"station": station, "sensor": sensor, "at": at, "value": value, "note": note or None}


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


class World:
    """A trial, its lake, and questions of it."""

    def __init__(self) -> None:
        self.clock = ManualClock(at(600))
        self.trial, self.lake = Trial(domain(), clock=self.clock), MemoryLake(clock=self.clock)

    def push(self, *samples: dict[str, Any]) -> None:
        assert self.trial.push("samples", samples).rejected == 0

    @property
    def services(self) -> Services:
        trial = self.trial
        ports = (trial.plan, trial.broker, trial.store, trial.engine)
        return Services(*ports, {}, lake=self.lake, clock=self.clock)

    @property
    def queries(self) -> LiveQueries:
        return LiveQueries(self.services)

    def then(self, table: str, second: int, **where: Any) -> list[tuple[Any, ...]]:
        found = self.queries.past(at(second), back=timedelta(minutes=5)).table(table, where or None)
        return found.select("station", "sensor", "value").rows()

    def forget(self) -> None:
        """Write the lake, and let log and store forget everything."""
        LakeWriter(self.trial.plan, self.trial.broker, self.trial.store, self.lake).round()
        self.clock.advance(timedelta(days=30).total_seconds())
        self.push(sample(30 * 86_400, 0.0))
        self.trial.broker.maintain()
        self.trial.store.expire(self.clock.now() - timedelta(days=14))


@pytest.fixture
def world() -> World:
    found = World()
    found.push(
        sample(0, 5.0), sample(10, 20.0, "south"), sample(20, 6.0, sensor="water"), sample(60, 15.0),
        sample(60, 16.0, "south", note="gone"), sample(30, 79.0, "south"), sample(90, 3.0),
    )  # fmt: skip
    return found


NOW = (
    ("latest", 59, [("north", "air", 5.0), ("north", "water", 6.0), ("south", "air", 79.0)]),
    ("latest", 60, [("north", "air", 15.0), ("north", "water", 6.0)]),
    ("latest", 25, [("north", "air", 5.0), ("north", "water", 6.0), ("south", "air", 20.0)]),
    ("latest", 89, [("north", "air", 15.0), ("north", "water", 6.0)]),
    ("latest", 321, [("north", "air", 3.0)]),
    ("latest", -1, []),
    ("stations", 25, [("north", "water", 6.0), ("south", "air", 20.0)]),
    ("warmer_latest", 59, [("north", "air", 6.0), ("north", "water", 7.0), ("south", "air", 80.0)]),
    ("warm_latest", 91, [("north", "air", 15.0), ("south", "air", 16.0)]),
)


@pytest.mark.parametrize(("table", "second", "rows"), NOW)
def test_a_table_is_what_it_was_then(world: World, table: str, second: int, rows: list[Any]) -> None:
    assert world.then(table, second) == rows
    world.forget()
    assert world.then(table, second) == rows, "from the lake"


@pytest.mark.parametrize("table", ["offers_latest", "cheap_latest"])
def test_what_has_gone_since_was_there_however_long_ago_it_was_told(world: World, table: str) -> None:
    def offer(day: int, name: str, price: int, gone: int | None = None) -> dict[str, Any]:
        when = None if gone is None else (NOON + timedelta(days=gone)).isoformat()
        since = (NOON + timedelta(days=day)).isoformat()
        return {"name": name, "since": since, "price": price, "removed": gone is not None, "gone": when}

    for days, said in (
        (0, offer(0, "tea", 1)), (1, offer(1, "tea", 2)), (1, offer(1, "rum", 9)), (2, offer(1, "rum", 9, gone=2)),
        (4, offer(4, "rum", 8)), (30, offer(1, "tea", 2, gone=30)), (40, offer(40, "ink", 70)),
    ):  # fmt: skip
        world.clock.advance(max(0.0, (NOON + timedelta(days=days) - world.clock.now()).total_seconds()))
        assert world.trial.push("offers", [said]).rejected == 0

    def then(day: float) -> dict[str, int]:
        found = world.queries.past(NOON + timedelta(days=day), back=None).table(table)
        return dict(found.select("name", "price").rows())

    wanted = {0.5: {"tea": 1}, 1.5: {"tea": 2, "rum": 9}, 3: {"tea": 2}, 29: {"tea": 2, "rum": 8}, 31: {"rum": 8}}
    assert {day: then(day) for day in wanted} == wanted
    world.forget()
    assert {day: then(day) for day in wanted} == wanted
    assert then(-1) == {}


def test_rows_can_be_chosen(world: World) -> None:
    assert world.then("latest", 59, station=["south"]) == [("south", "air", 79.0)]
    assert world.then("latest", 59, value=[6.0]) == [("north", "water", 6.0)]
    assert world.then("warm_latest", 91, station=["south"], value=[15.0]) == []


def test_now_is_then(world: World) -> None:
    assert world.queries.past(at(5)).now() == at(5)
    assert world.queries.past(at(5)).past(at(9)).now() == at(9)


def test_what_neither_log_nor_lake_keeps_is_refused(world: World) -> None:
    with pytest.raises(ProblemError, match="no history of single readings"):
        world.then("steps_latest", 59)


def test_windows_that_only_the_lake_has_are_told_as_before(world: World) -> None:
    world.trial.finish()
    span = (at(-60), at(3_600))
    before = world.queries.windows("minutes", *span)
    assert before["n"].sum() == 6, "one came too late"
    one = world.queries.summary("minutes", *span, by=["station"], where={"station": ["north"]})
    world.forget()
    assert world.trial.windows("minutes").is_empty()
    assert world.queries.windows("minutes", *span).equals(before)
    assert world.queries.summary("minutes", *span, by=["station"], where={"station": ["north"]}).equals(one)
    half = world.queries.windows("minutes", at(60), at(120))
    assert half["window_start"].unique().to_list() == [at(60)]


def test_without_a_lake_there_is_what_the_log_has(world: World) -> None:
    world.forget()
    world.lake = MemoryLake()
    assert world.then("latest", 59) == []


EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
TOTALS = ((-1, {}), (0, {"north": 1}), (29, {"north": 2, "south": 1}), (60, {"north": 3, "south": 3}))


def ever(world: World, second: int, window: str = "ever", **where: Any) -> dict[str, int]:
    found = world.queries.past(at(second)).summary(window, *EVER, by=["station"], where=where or None)
    return dict(found.select("station", "n").rows())


@pytest.mark.parametrize(("second", "wanted"), TOTALS)
def test_a_total_is_what_had_been_counted_by_then(world: World, second: int, wanted: dict[str, int]) -> None:
    assert ever(world, second) == wanted
    world.push(sample(-3_600, 1.0, "north"), sample(25, 1.0, "west"))  # late, and counted all the same
    wanted = {**wanted, "north": wanted.get("north", 0) + 1, **({"west": 1} if second >= 25 else {})}
    assert ever(world, second) == wanted
    assert ever(world, second, station=["north"]) == {"north": wanted["north"]}
    world.forget()
    assert ever(world, second) == wanted, "with what only the lake has of the records since"


def test_totals_of_the_past_have_sums_and_means_and_need_no_groups(world: World) -> None:
    past = world.queries.past(at(20))
    assert past.summary("ever", *EVER, by=[], where=None).select("n", "mean").rows() == [(3, pytest.approx(31 / 3))]
    assert past.summary("warm_ever", *EVER, by=["station"], where=None).rows() == [("south", 1, 20.0)]
    assert past.windows("warm_ever", *EVER).select("station", "n", "window_start", "open").rows() == [
        ("south", 1, EVER[0], True)
    ]
    assert past.summary("ever", *EVER, by=["sensor"], where=None)["n"].sum() == 3


@pytest.mark.parametrize(
    ("window", "by", "why"),
    [
        ("extremes", "station", "least and the greatest"),
        ("ever_known", "station", "'known' drops rows"),
        ("ever", "word", "which the log does not keep"),
    ],
)
def test_a_total_that_cannot_be_found_again_says_why(world: World, window: str, by: str, why: str) -> None:
    with pytest.raises(UnknownPastError, match=why):
        world.queries.past(at(20)).summary(window, *EVER, by=[by], where=None)


def test_what_was_appended_but_not_counted_yet_does_not_matter(world: World) -> None:
    world.trial.broker.append(
        "samples", pl.DataFrame([sample(70, 1.0) | {"at": at(70), "count": None}], Sample.schema())
    ).result()
    assert ever(world, 60) == TOTALS[-1][1]


class Told(MemoryLake):
    """A lake to which something is appended while it is read."""

    meanwhile: Callable[[], object] | None = None

    def scan(self, tier: Tier, name: str) -> pl.LazyFrame:
        found = super().scan(tier, name)
        if self.meanwhile is not None:
            (work, self.meanwhile) = (self.meanwhile, None)
            work()
        return found


def passing(world: World, table: str = "warm_latest") -> tuple[list[Any], int]:
    """Readings of a minute and a half, and how many records had to be read for them."""
    services = world.services
    source = source_of(services.plan, "test", table, {"station"}, "at")
    seen = 0

    def counted(rows: pl.DataFrame) -> pl.DataFrame:
        nonlocal seen
        seen += rows.height
        return rows

    steps = (lambda rows: rows.map_batches(counted, schema=Sample.schema()), *source.steps)
    found = readings(services, replace(source, steps=steps), (at(0), at(91)), {})
    return found.select("station", "at", "value").sort("station", "at").rows(), seen


def test_what_streams_have_made_is_taken_from_the_lake(world: World) -> None:
    wanted, seen = passing(world)
    assert (len(wanted), seen) == (4, 7), "nothing is in the lake yet"
    writer = LakeWriter(world.trial.plan, world.trial.broker, world.trial.store, world.lake)
    writer.round()
    assert passing(world) == (wanted, 0)
    world.push(sample(45, 50.0, "west"))
    assert passing(world) == ([*wanted, ("west", at(45), 50.0)], 1), "the rest from the log"
    writer.round()
    assert passing(world) == ([*wanted, ("west", at(45), 50.0)], 0)
    world.forget()
    assert passing(world) == ([*wanted, ("west", at(45), 50.0)], 1), "the one of a month later"


def test_rows_that_reach_the_lake_while_it_is_read_are_there_once(world: World) -> None:
    world.lake = lake = Told(clock=world.clock)
    writer = LakeWriter(world.trial.plan, world.trial.broker, world.trial.store, lake)
    writer.round()
    world.push(sample(45, 50.0, "west"))
    lake.meanwhile = writer.round
    rows, seen = passing(world)
    assert (len(rows), seen) == (5, 0)
    assert rows[-1] == ("west", at(45), 50.0)


def test_a_lake_that_misses_what_the_log_let_go_of_is_not_asked_for_the_rest(world: World) -> None:
    wanted, _ = passing(world)
    world.forget()
    gap = MemoryLake(clock=world.clock)
    found = world.lake.scan("bronze", "samples").collect()
    gap.append("bronze", "samples", found, app="samples/0", version=7, time="at")
    world.lake = gap
    assert passing(world)[0] == wanted, "silver is away, bronze is not"
