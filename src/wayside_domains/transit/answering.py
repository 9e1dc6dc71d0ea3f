"""How questions are answered: instants and errors as text, and the instant that a question is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wayside.domain import Answer, Queries

Handler = Callable[[Queries, Any, Mapping[str, str]], Answer]
AT: dict[str, Any] = {
    "type": "string",
    "format": "date-time",
    "maxLength": 64,
    "description": "an instant of the past, with its zone: the answer is of then; now unless given",
}
FIRST = datetime(1970, 1, 2, tzinfo=UTC)


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


def dated(handler: Handler) -> Handler:
    """The same handler, asked of the instant `at` where one is given: its questions are as of then, and so is `now`."""

    def answer(queries: Queries, body: Any, given: Mapping[str, str]) -> Answer:
        try:
            then = as_asked(queries, given)
        except ValueError as error:
            return problem(422, "A parameter is wrong", str(error))
        return handler(then, body, given if then is not queries else {**given, "at": ""})

    return answer


def as_asked(queries: Queries, given: Mapping[str, str]) -> Queries:
    """The questions of now, or as of the parameter `at`. Raises ValueError with what is wrong with it."""
    at = instant(given.get("at"))
    # A page whose clock runs ahead asks for now.
    return queries if at is None or at >= queries.now() else queries.past(at)


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
