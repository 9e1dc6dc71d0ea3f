"""How questions are answered: instants and errors as text; and which tables are asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from wayside.domain import Answer


@dataclass(frozen=True)
class Tables:
    """Names of the tables of vehicles, predictions and notices."""

    vehicles: str
    predictions: str
    notices: str


def problem(status: int, title: str, detail: str) -> Answer:
    """An error as problem details."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Answer(status, body, {"content-type": "application/problem+json"})


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
