"""How questions are answered: instants as text; and which tables are asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

UNHEARD = "Nothing is kept of what was heard around that moment: this is the timetable alone."


@dataclass(frozen=True)
class Tables:
    """Names of the tables of vehicles, predictions and notices."""

    vehicles: str
    predictions: str
    notices: str


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
