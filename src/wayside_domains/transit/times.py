"""Times of a service day: `25:10:00` is ten past one on the morning after, and days with 23 or 25 hours exist.

GTFS counts from "noon minus twelve hours" of the service day in the agency's zone. On a day on which the clocks
change that is not midnight, and every time of that day is still as many real seconds after it as it says.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import polars as pl

CLOCK = re.compile(r" *(\d{1,3}):([0-5]\d):([0-5]\d) *", re.ASCII)
DAY = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
HALF = timedelta(hours=12)
PATTERN = r"^ *([0-9]{1,3}):([0-5][0-9]):([0-5][0-9]) *$"


def seconds_of(text: str) -> int:
    """Seconds of a service day that a clock text means. Raises ValueError for anything but H:MM:SS."""
    found = CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a time of a service day: write HH:MM:SS.")
    hours, minutes, seconds = map(int, found.groups())
    return hours * 3600 + minutes * 60 + seconds


def clock_of(seconds: int) -> str:
    """The clock text of seconds of a service day: 90600 is `25:10:00`."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def seconds_column(texts: pl.Expr) -> pl.Expr:
    """Seconds of a column of clock texts; null where a text is no time of a service day."""
    parts = [texts.str.extract(PATTERN, index).cast(pl.Int32) for index in (1, 2, 3)]
    return parts[0] * 3600 + parts[1] * 60 + parts[2]


def day_of(text: str) -> date:
    """The day of a text like `20260329`. Raises ValueError."""
    found = DAY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a day: write YYYYMMDD.")
    return date(*map(int, found.groups()))


def day_or_none(text: str) -> date | None:
    """The same; null for what is no day."""
    try:
        return day_of(text)
    except ValueError:
        return None


def text_of(day: date) -> str:
    """A day as GTFS writes it."""
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


@lru_cache(maxsize=1024)
def anchor(day: date, zone: str) -> datetime:
    """The instant from which the times of a service day count: noon in the zone, less twelve hours."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))
    return noon.astimezone(UTC) - HALF


def instant(day: date, seconds: float, zone: str) -> datetime:
    """The instant of a time of a service day, in UTC."""
    return anchor(day, zone) + timedelta(seconds=seconds)


def service_days(at: datetime, zone: str, latest: int) -> list[date]:
    """Service days of which a time up to `latest` seconds may be at this instant, the newest first."""
    today = at.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)  # a day may begin before its midnight
    found = []
    for back in range(latest // 86_400 + 4):
        day = today - timedelta(days=back)
        if 0 <= (at - anchor(day, zone)).total_seconds() <= latest:
            found.append(day)
    return found
