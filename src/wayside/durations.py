"""Durations as people write them: `10s`, `2m`, `1h30m`, `7d`."""

from __future__ import annotations

import re
from datetime import timedelta

from wayside.errors import ConfigError

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def duration(text: str | float | timedelta) -> timedelta:
    """Parse a duration; a bare number means seconds. Raises ConfigError for anything else."""
    if isinstance(text, timedelta):
        return text
    if isinstance(text, int | float):
        return timedelta(seconds=text)
    parts = PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        raise ConfigError(
            f"{text!r} is not a duration.",
            why="Required: numbers with a unit of ms, s, m, h, d or w.",
            next="Write it like 10s, 2m, 1h30m or 7d.",
        )
    return timedelta(seconds=sum(float(number) * UNITS[unit] for number, unit in parts))


def spoken(span: timedelta) -> str:
    """The shortest way to write a duration: 90 s is `1m30s`."""
    left = round(span.total_seconds() * 1000)
    text = ""
    for unit in ("d", "h", "m", "s", "ms"):
        size = round(UNITS[unit] * 1000)
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
