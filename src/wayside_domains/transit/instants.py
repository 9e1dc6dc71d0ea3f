"""The instant that a question is about: now, or one of the past, as the map's time slider has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wayside.domain import Queries

AT: dict[str, Any] = {
    "type": "string",
    "format": "date-time",
    "maxLength": 64,
    "description": "as it was at this instant of the past, with its zone; now unless given",
}


class WrongInstantError(ValueError):
    """A text that is no instant of the past."""


def instant_of(queries: Queries, given: Mapping[str, str]) -> datetime:
    """The parameter `at`, in UTC; now without one. Raises WrongInstantError."""
    now, text = queries.now(), given.get("at")
    if not text:
        return now
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise WrongInstantError("`at` is an instant in ISO 8601, such as 2026-11-26T08:00:00Z.") from None
    if at.tzinfo is None:
        raise WrongInstantError("`at` needs a zone: write 2026-11-26T08:00:00Z.")
    if not datetime(1970, 1, 2, tzinfo=UTC) <= at:
        raise WrongInstantError("`at` is no instant after 1970.")
    # A page whose clock runs a little ahead asks for now.
    return min(at.astimezone(UTC), now)
