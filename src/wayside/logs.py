"""Structured logs on stderr: one line per event, whatever a record or a client has put into it.

`get_logger` of structlog and `logging.getLogger` of the standard library come out alike.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from wayside.clock import SYSTEM

# Control characters of ASCII and Latin-1, line and paragraph separators, and characters that change direction.
UNSAFE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
LONGEST = 4_096
COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "31;1"}
Event = MutableMapping[str, Any]


def configure(level: str = "info", format: str = "auto", stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (stderr). Calling it again replaces what was set."""
    out = stream or sys.stderr
    console = format == "console" or (format == "auto" and out.isatty())
    render = Console(colours=out.isatty()) if console else as_json
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        stamp,
        one_line_exception if console else structlog.processors.format_exc_info,
        clean,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render]
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # What these say below a warning, our own events say better.
    for noisy in ("asyncio", "mqtt", "uvicorn.error", "httpx2", "httpcore"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def stamp(_logger: Any, _method: str, event: Event) -> Event:
    """The moment, in UTC to the millisecond."""
    event["at"] = SYSTEM.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def one_line_exception(_logger: Any, _method: str, event: Event) -> Event:
    """On a terminal an exception is its type and message; the whole of it is in the JSON form and with --debug."""
    info = event.pop("exc_info", None)
    if info:
        error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
        if error is not None:
            event["exception"] = f"{type(error).__name__}: {error}"
    return event


def clean(_logger: Any, _method: str, event: Event) -> Event:
    """Make every text safe for a terminal and for a reader of lines."""
    trace = event.pop("exception", None)
    found = {safe(str(name)): cleaned(value) for name, value in event.items()}
    if trace is not None:  # its line ends are our own, and JSON writes them as two characters
        found["exception"] = "\n".join(safe(line) for line in str(trace).split("\n"))
    return found


def cleaned(value: Any) -> Any:
    """A value with all of its texts made safe; anything that JSON has no word for becomes text."""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, Mapping):
        return {safe(str(name)): cleaned(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [cleaned(part) for part in value]
    if isinstance(value, logging.LogRecord):
        return value
    return safe(str(value))


def safe(text: str) -> str:
    r"""Text without characters that end a line, move a cursor or turn the reading direction; they become `\xNN`."""
    shown = UNSAFE.sub(lambda match: ascii(match[0])[1:-1], text)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}… ({len(text)} characters)"


def as_json(_logger: Any, _method: str, event: Event) -> str:
    """One JSON object, the words for people first."""
    first = {name: event.pop(name) for name in ("at", "level", "event") if name in event}
    return json.dumps({**first, **event}, ensure_ascii=False, default=str)


class Console:
    """One line for people: time, level, what happened, and the details as `name=value`."""

    def __init__(self, *, colours: bool) -> None:
        self.colours = colours

    def __call__(self, _logger: Any, _method: str, event: Event) -> str:
        at, level, what = (str(event.pop(name, "")) for name in ("at", "level", "event"))
        event.pop("logger", None)
        details = " ".join(f"{name}={shown(value)}" for name, value in event.items())
        clock = at[11:23]
        if self.colours:
            clock, details = f"\x1b[2m{clock}\x1b[0m", f"\x1b[2m{details}\x1b[0m" if details else ""
            level = f"\x1b[{COLOURS.get(level, '0')}m{level:<7}\x1b[0m"
        return f"{clock} {level:<7} {what} {details}".rstrip()


def shown(value: Any) -> str:
    """A detail's value; quoted where a reader could not tell its end."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    plain = bool(text) and not re.search(r"\s", text)
    return text if plain else json.dumps(text, ensure_ascii=False)
