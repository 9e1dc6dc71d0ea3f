"""The instant that a question to an endpoint is about: now, or one of the past, as a page's time slider has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from wayside.domain.views import BACK, Answer, Handler, Queries, problem

AT: dict[str, Any] = {
    "type": "string",
    "format": "date-time",
    "maxLength": 64,
    "description": "an instant of the past, with its zone: the answer is of then; now unless given",
}
FIRST = datetime(1970, 1, 2, tzinfo=UTC)


def dated(handler: Handler) -> Handler:
    """The same handler, asked of the instant `at` where one is given: its questions are as of then, and so is `now`."""

    def answer(queries: Queries, body: Any, given: Mapping[str, str]) -> Answer:
        try:
            then = as_asked(queries, given)
        except ValueError as error:
            return wrong_instant(error)
        return handler(then, body, given if then is not queries else {**given, "at": ""})

    return answer


def wrong_instant(error: ValueError) -> Answer:
    """The answer to a question about what is no instant of the past, as problem details."""
    return problem(422, "A parameter is wrong", str(error))


def as_asked(queries: Queries, given: Mapping[str, str], *, back: timedelta = BACK) -> Queries:
    """The questions of now, or as of the parameter `at`. Raises ValueError with what is wrong with it."""
    at = instant(given.get("at"))
    # A page whose clock runs ahead asks for now.
    return queries if at is None or at >= queries.now() else queries.past(at, back=back)


def instant(text: str | None) -> datetime | None:
    """The instant of a text; null without one. Raises ValueError with what is wrong."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("`at` is an instant in ISO 8601, such as 2026-11-26T08:00:00Z.") from None
    if at.tzinfo is None:
        raise ValueError("`at` needs a zone: write 2026-11-26T08:00:00Z.")
    try:
        found = at.astimezone(UTC)
    except OverflowError:
        found = FIRST
    if found <= FIRST:
        raise ValueError("`at` is no instant after 1970.")
    return found
