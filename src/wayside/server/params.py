"""Query parameters, read strictly: an unknown name, a repeated one or a wrong value is an error that says so.

A misspelt filter that is silently ignored answers another question than the one that was asked.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl
from starlette.requests import Request

from wayside.server.problems import ProblemError

Kind = Literal["int", "text", "time", "choice"]
INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
NUMBER = re.compile(r"-?[0-9]{1,310}(\.[0-9]{1,340})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?([Zz]|[+\- ]\d\d:?\d\d)", re.ASCII)
FIRST_SECOND = -62_135_596_800
LAST_SECOND = 253_402_300_799
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
TEXT_LENGTH = 1_024
VALUES = 1_000
MOMENT: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "number", "minimum": FIRST_SECOND, "maximum": LAST_SECOND, "description": "seconds since 1970"},
    ]
}


@dataclass(frozen=True)
class Param:
    """One query parameter: what it may hold and what it means."""

    name: str
    kind: Kind
    doc: str
    default: Any = None
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()
    repeat: bool = False
    pattern: str = ""
    example: Any = None

    def schema(self) -> dict[str, Any]:
        """JSON Schema of a value."""
        if self.kind == "int":
            bounds = {"minimum": self.least, "maximum": self.most, "default": self.default}
            return {"type": "integer", **{k: v for k, v in bounds.items() if v is not None}}
        if self.kind == "time":
            return MOMENT
        if self.choices:
            return {"type": "string", "enum": list(self.choices)}
        pattern = {"pattern": self.pattern} if self.pattern else {}
        return {"type": "string", "maxLength": TEXT_LENGTH, **pattern}

    def read(self, text: str) -> Any:
        """The value that a text means. Raises ProblemError."""
        if self.kind == "int":
            return self.bounded(integer(self.name, text))
        if self.kind == "time":
            return instant(self.name, text)
        if self.choices and text not in self.choices:
            raise refused(self.name, text, f"one of {', '.join(self.choices)}")
        return checked(self.name, text)

    def bounded(self, value: int) -> int:
        """A number within its bounds."""
        if (self.least is not None and value < self.least) or (self.most is not None and value > self.most):
            ends = [f"at least {self.least}"] if self.least is not None else []
            ends += [f"at most {self.most:,}"] if self.most is not None else []
            raise refused(self.name, str(value), " and ".join(ends))
        return value


def refused(name: str, text: str, required: str) -> ProblemError:
    """A value that cannot be used."""
    return ProblemError(
        422,
        f"The parameter `{name}` cannot be {text[:80]!r}.",
        where=f"query parameter {name}",
        why=f"Required: {required}.",
    )


def integer(name: str, text: str) -> int:
    """Digits only: no signs of plus, no underscores, no digits of other scripts."""
    if not INTEGER.fullmatch(text):
        raise refused(name, text, "a whole number")
    return int(text)


def number(name: str, text: str) -> float:
    """A finite decimal number."""
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise refused(name, text, "a finite number")
    return float(text)


def instant(name: str, text: str) -> datetime:
    """ISO 8601 with an offset, or seconds since 1970. A plus that the URL turned into a space is understood."""
    if NUMBER.fullmatch(text):
        seconds = float(text)
        if not FIRST_SECOND <= seconds <= LAST_SECOND:
            raise refused(name, text, "a time between the years 1 and 9999 (in seconds, not milliseconds)")
        return clamp(seconds)
    found = INSTANT.fullmatch(text)
    if found is None:
        raise refused(name, text, "ISO 8601 with an offset (2026-11-23T10:40:00Z), or seconds since 1970")
    day, clock, fraction, offset = found.groups()
    offset = "+00:00" if offset in "zZ" else offset.replace(" ", "+")
    try:
        local = datetime.fromisoformat(f"{day}T{clock}{(fraction or '')[:7]}{offset}")
    except ValueError as error:
        raise refused(name, text, "a time that exists") from error
    try:
        return local.astimezone(UTC)
    except OverflowError:
        return FIRST if local.year == 1 else LAST


def clamp(seconds: float) -> datetime:
    """Seconds since 1970 as an instant within the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError):
        return FIRST if seconds < 0 else LAST


def checked(name: str, text: str) -> str:
    """Text of a bearable length that UTF-8 can carry."""
    if len(text) > TEXT_LENGTH:
        raise refused(name, text, f"at most {TEXT_LENGTH} characters")
    return text


def of_column(name: str, text: str, dtype: pl.DataType) -> Any:
    """A filter's value in the type of its column."""
    if dtype.is_integer():
        return integer(name, text)
    if dtype.is_float():
        return number(name, text)
    if isinstance(dtype, pl.Datetime):
        return instant(name, text)
    if isinstance(dtype, pl.Boolean):
        if text not in ("true", "false"):
            raise refused(name, text, "true or false")
        return text == "true"
    return checked(name, text)


@dataclass(frozen=True)
class Given:
    """What a request asked for: one value per parameter, and the allowed values per filtered column."""

    values: Mapping[str, Any]
    where: Mapping[str, list[Any]]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def read(request: Request, params: Sequence[Param], filters: Mapping[str, pl.DataType] | None = None) -> Given:
    """Read all parameters of a request. Raises ProblemError for anything that is not declared."""
    known = {param.name: param for param in params}
    columns = dict(filters or {})
    values: dict[str, Any] = {param.name: [] if param.repeat else param.default for param in params}
    where: dict[str, list[Any]] = {}
    seen: set[str] = set()
    pairs = request.query_params.multi_items()
    if len(pairs) > VALUES:
        raise ProblemError(422, "The request has too many parameters.", why=f"At most {VALUES:,}; got {len(pairs):,}.")
    for name, text in pairs:
        param = known.get(name)
        if param is None and name in columns:
            where.setdefault(name, []).append(of_column(name, text, columns[name]))
        elif param is None:
            raise unknown(name, [*known, *columns])
        elif param.repeat:
            values[name].append(param.read(text))
        elif name in seen:
            raise ProblemError(422, f"The parameter `{name}` is given twice.", where=f"query parameter {name}")
        else:
            values[name] = param.read(text)
        seen.add(name)
    return Given(values, where)


def unknown(name: str, names: Sequence[str]) -> ProblemError:
    """A parameter that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(name, names, n=1)
    return ProblemError(
        422,
        f"There is no parameter `{name[:80]}` here.",
        where="query string",
        why=f"Parameters: {', '.join(names)}." if names else "This address takes none.",
        next=f"Did you mean `{near[0]}`?" if near else "",
    )
