"""Times of service days: more than two hundred cases, in four zones and over both changes of the clocks.

The expected instants come from the definition (noon of the day in the zone, less twelve hours), worked out by hand as
offsets from UTC: none of them is computed with the code under test or with a library of zones.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from wayside_domains.transit.times import clock_of, day_of, instant, seconds_column, seconds_of, service_days, text_of

# Per zone: a winter day, a summer day, the two days on which its clocks change in 2026, with the offset from UTC in
# hours that holds at NOON of that day. (New York changes on 8 March and 1 November, Berlin and Lisbon on 29 March and
# 25 October, Sydney on 5 April back and on 4 October ahead.)
NOON = {
    "America/New_York": {
        date(2026, 1, 14): -5,
        date(2026, 7, 15): -4,
        date(2026, 3, 8): -4,
        date(2026, 11, 1): -5,
    },
    "Europe/Berlin": {
        date(2026, 1, 14): 1,
        date(2026, 7, 15): 2,
        date(2026, 3, 29): 2,
        date(2026, 10, 25): 1,
    },
    "Europe/Lisbon": {
        date(2026, 1, 14): 0,
        date(2026, 7, 15): 1,
        date(2026, 3, 29): 1,
        date(2026, 10, 25): 0,
    },
    "Australia/Sydney": {
        date(2026, 1, 14): 11,
        date(2026, 7, 15): 10,
        date(2026, 4, 5): 10,
        date(2026, 10, 4): 11,
    },
}
CLOCKS = (
    "00:00:00", "00:30:00", "1:59:59", "02:00:00", "02:30:00", "3:00:00", "08:15:30", "12:00:00", "17:45:00",
    "23:59:59", "24:00:00", "25:10:00", "26:30:15", "28:00:00",
)  # fmt: skip


def expected(day: date, offset: int, clock: str) -> datetime:
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - timedelta(hours=offset)
    return noon + timedelta(hours=hours - 12, minutes=minutes, seconds=seconds)


CASES = [
    (zone, day, clock, expected(day, offset, clock))
    for zone, days in NOON.items()
    for day, offset in days.items()
    for clock in CLOCKS
]


def test_there_are_enough_cases() -> None:
    assert len(CASES) == 224


@pytest.mark.parametrize(("zone", "day", "clock", "at"), CASES, ids=lambda value: str(value).replace(" ", "T"))
def test_a_time_of_a_service_day_is_one_instant(zone: str, day: date, clock: str, at: datetime) -> None:
    assert instant(day, seconds_of(clock), zone) == at


@pytest.mark.parametrize(
    ("zone", "day", "clock", "at"),
    [
        # On the day on which the clocks go ahead, times before the change begin an hour before midnight.
        ("America/New_York", date(2026, 3, 8), "00:00:00", "2026-03-07T23:00:00-05:00"),
        ("America/New_York", date(2026, 3, 8), "01:30:00", "2026-03-08T00:30:00-05:00"),
        ("America/New_York", date(2026, 3, 8), "03:00:00", "2026-03-08T03:00:00-04:00"),
        ("America/New_York", date(2026, 11, 1), "00:00:00", "2026-11-01T01:00:00-04:00"),
        ("America/New_York", date(2026, 11, 1), "01:00:00", "2026-11-01T01:00:00-05:00"),
        ("Europe/Berlin", date(2026, 10, 25), "02:30:00", "2026-10-25T02:30:00+01:00"),
        ("Europe/Berlin", date(2026, 10, 25), "01:30:00", "2026-10-25T02:30:00+02:00"),
        ("Europe/Berlin", date(2026, 3, 28), "26:30:00", "2026-03-29T03:30:00+02:00"),
        ("Australia/Sydney", date(2026, 4, 4), "27:00:00", "2026-04-05T02:00:00+10:00"),
        # The day after a change is a day like any other.
        ("Europe/Lisbon", date(2026, 3, 30), "00:00:00", "2026-03-30T00:00:00+01:00"),
    ],
)
def test_around_the_changes_of_the_clocks(zone: str, day: date, clock: str, at: str) -> None:
    assert instant(day, seconds_of(clock), zone) == datetime.fromisoformat(at)


@pytest.mark.parametrize(
    "text", ["", "8", "08:15", "08:60:00", "08:00:61", "-1:00:00", "08:15:30.5", "8h15", "١٢:00:00", "1000:00:00", "x"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        seconds_of(text)
    assert pl.select(seconds_column(pl.lit(text)).alias("s"))["s"].to_list() == [None]


@pytest.mark.parametrize("clock", CLOCKS)
def test_columns_are_read_like_single_texts(clock: str) -> None:
    found = pl.select(seconds_column(pl.lit(f" {clock} ")).alias("s"))["s"].to_list()
    assert found == [seconds_of(clock)]
    assert seconds_of(clock_of(seconds_of(clock))) == seconds_of(clock)


def test_days_are_read_and_written() -> None:
    assert day_of("20260329") == date(2026, 3, 29)
    assert text_of(date(2026, 3, 9)) == "20260309"
    for text in ("2026-03-29", "20261301", "20260230", "", "2026032"):
        with pytest.raises(ValueError):
            day_of(text)


def test_at_one_in_the_morning_two_service_days_are_under_way() -> None:
    at = datetime.fromisoformat("2026-07-15T01:10:00-04:00")
    assert service_days(at, "America/New_York", 28 * 3600) == [date(2026, 7, 15), date(2026, 7, 14)]
    assert service_days(at, "America/New_York", 25 * 3600) == [date(2026, 7, 15)]
    early = datetime.fromisoformat("2026-03-07T23:30:00-05:00")
    assert service_days(early, "America/New_York", 20 * 3600) == [date(2026, 3, 8)]
