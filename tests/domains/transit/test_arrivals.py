"""Arrivals and departures from positions alone, compared with what was simulated, and case by case."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from wayside_domains.transit import city
from wayside_domains.transit.arrivals import dwell, ghosts, headways, inferred, word_events
from wayside_domains.transit.matching import enriched
from wayside_domains.transit.records import StopEvent, VehiclePosition
from wayside_domains.transit.simulation import events_of, positions_of

BEGAN = datetime(2026, 11, 26, 17, 30, tzinfo=UTC)
EVERY = 15
CALL = ["trip_id", "start_date", "stop_sequence", "event"]


@pytest.fixture(scope="module")
def hour() -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the city's vehicles told in 40 minutes of the evening peak, matched, and what really happened."""
    places, calls = (of(city.timetable)(90, random.Random(50)) for of in (positions_of, events_of))
    said: list[dict[str, Any]] = []
    happened: list[dict[str, Any]] = []
    for step in range(2400 // EVERY):
        at = BEGAN + timedelta(seconds=EVERY * step)
        for thing in range(90):
            said += [dict(message) for message in places.messages(thing, at) if not message.get("removed")]
            happened += [dict(message) for message in calls.messages(thing, at)]
    rows = pl.DataFrame(
        [
            {**dict.fromkeys(VehiclePosition.fields), **m, "timestamp": datetime.fromisoformat(m["timestamp"])}
            for m in said
        ],
        schema=VehiclePosition.schema(),
    )
    truth = pl.DataFrame([{name: m[name] for name in (*CALL, "timestamp", "delay")} for m in happened])
    return enriched(rows, lambda _: city.timetable()), truth.with_columns(
        pl.col("timestamp").str.to_datetime(time_unit="us", time_zone="UTC")
    )


def test_nearly_every_arrival_is_found_within_seconds(hour: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    states, truth = hour
    found = inferred(states, lambda _: city.timetable())
    assert found.schema == StopEvent.schema()
    assert found.select(CALL).is_duplicated().sum() == 0
    inner = truth.filter(pl.col("timestamp").is_between(BEGAN + timedelta(minutes=3), BEGAN + timedelta(minutes=37)))
    both = inner.join(found.select(*CALL, "timestamp", "delay"), on=CALL, suffix="_found")
    share = both.height / inner.height
    error = (both["timestamp_found"] - both["timestamp"]).dt.total_milliseconds() / 1000
    delay = both["delay_found"] - both["delay"]
    print(f"{inner.height} events, {share:.1%} found, median error {error.abs().median():.1f} s")
    assert share > 0.97
    assert error.abs().median() < EVERY / 2
    assert error.abs().quantile(0.95) < 20
    assert (delay - error).abs().max() < 1.5, "the delay is the error of the moment, and nothing else"


def test_half_of_the_positions_give_the_same_events_less_exactly(hour: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    states, _ = hour
    every, second = (
        inferred(rows, lambda _: city.timetable()).select(*CALL, "timestamp")
        for rows in (states, states.filter(pl.col("timestamp").dt.epoch("s") % (2 * EVERY) == 0))
    )
    both = every.join(second, on=CALL)
    assert both.height > 0.9 * second.height
    assert (both["timestamp"] - both["timestamp_right"]).dt.total_seconds().abs().median() < 10


def test_shuffled_and_doubled_positions_change_nothing(hour: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    states, _ = hour
    some = states.head(3_000)
    mixed = pl.concat([some, some.head(500)]).sample(fraction=1.0, shuffle=True, seed=1)
    columns = [*CALL, "stop_id", "timestamp", "delay"]
    one, other = (inferred(rows, lambda _: city.timetable()).select(columns).sort(columns) for rows in (some, mixed))
    assert one.equals(other)


def test_headways_and_bunching(hour: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    states, _ = hour
    events = inferred(states, lambda _: city.timetable())
    found = headways(events).filter(pl.col("event") == "departure", pl.col("stop_id") == "central-m1-0")
    times = found["timestamp"].to_list()
    assert found["headway"].drop_nulls().to_list() == pytest.approx(
        [(b - a).total_seconds() for a, b in pairwise(times)], abs=0.01
    )
    assert found["headway"][0] is None
    rows = pl.DataFrame(
        [
            {
                "network": "x",
                "stop_id": "s",
                "route_id": "r",
                "direction_id": 0,
                "event": "arrival",
                "timestamp": at,
                "planned": due,
            }
            for at, due in ((BEGAN, BEGAN), (BEGAN + timedelta(seconds=60), BEGAN + timedelta(seconds=300)))
        ]
    )
    assert headways(rows).select("headway", "planned_headway", "bunched").rows() == [
        (None, None, None), (60.0, 300.0, True),
    ]  # fmt: skip
    waits = dwell(events)
    assert waits["dwell"].min() >= 0
    assert 10 < waits["dwell"].median() < 60


def test_who_is_silent_is_a_ghost(hour: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    table = city.timetable()
    now = BEGAN + timedelta(minutes=20)
    everybody = set(ghosts(table, now, set()))
    assert len(everybody) > 40
    states, _ = hour
    heard = states.filter(pl.col("timestamp").is_between(now - timedelta(seconds=90), now)).drop_nulls("trip_id")
    silent = ghosts(table, now, set(heard.select("trip_id", "start_date").iter_rows()))
    assert 0 < len(silent) < 0.25 * len(everybody), "silent runs, and those that begin late"


@pytest.mark.parametrize(
    ("story", "events"),
    [
        # (second, number of the stop, word): what is to be read from it
        ([(0, 1, "moving"), (30, 1, "stopped"), (60, 2, "moving")], [("arrival", 1, 30), ("departure", 1, 45)]),
        ([(0, 1, "moving"), (30, 2, "moving")], [("arrival", 1, 15), ("departure", 1, 15)]),
        ([(0, 1, "stopped"), (30, 1, "stopped"), (60, 1, "moving"), (90, 2, "moving")], [("departure", 1, 75)]),
        ([(0, 1, "moving"), (30, 2, "stopped")], [("arrival", 1, 15), ("departure", 1, 15), ("arrival", 2, 30)]),
        ([(0, 1, "moving"), (400, 2, "moving")], []),
        ([(0, 2, "moving"), (30, 1, "moving"), (60, 2, "moving")], []),
        (
            [(0, 2, "moving"), (30, 1, "moving"), (60, 2, "moving"), (90, 3, "moving")],
            [("arrival", 2, 75), ("departure", 2, 75)],
        ),
        ([(0, 1, "moving"), (10, 1, "stopped"), (20, 1, "moving"), (30, 1, "stopped")], [("arrival", 1, 10)]),
        ([(0, 1, None), (30, 2, None)], [("arrival", 1, 15), ("departure", 1, 15)]),
        ([(0, 1, "stopped")], []),
        ([], []),
    ],
)
def test_what_the_words_of_a_feed_mean(
    story: list[tuple[float, int, str | None]], events: list[tuple[str, int, float]]
) -> None:
    times, numbers, words = ([one[part] for one in story] for part in range(3))
    found = [(event, numbers[index], at) for event, index, at in word_events(times, numbers, words)]
    assert found == events
