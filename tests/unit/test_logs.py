from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator

import pytest
import structlog

from wayside import logs

HOSTILE = "a\nlevel=critical\r\x1b[31mred\x00\u2028\u202eright\x85"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The logging of the test run itself, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def written(format: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level, format, stream)
    return stream


def test_json_has_one_object_per_event_from_both_kinds_of_logger() -> None:
    stream = written("json")
    structlog.get_logger("ours").info("started", address="http://x", count=3)
    logging.getLogger("theirs").warning("hello %s", "world")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["logger"], first["count"]) == ("started", "info", "ours", 3)
    assert first["at"].endswith("Z")
    assert (second["event"], second["level"], second["logger"]) == ("hello world", "warning", "theirs")


@pytest.mark.parametrize("format", ["json", "console"])
def test_nothing_that_a_client_sends_can_end_a_line_or_move_the_cursor(format: str) -> None:
    stream = written(format)
    structlog.get_logger("ours").error(HOSTILE, key=HOSTILE, nested={"a": [HOSTILE]}, raw=HOSTILE.encode())
    logging.getLogger("theirs").error("%s", HOSTILE)
    lines = stream.getvalue().split("\n")
    assert lines.pop() == ""
    assert len(lines) == 2
    assert not logs.UNSAFE.search("".join(lines))
    assert "\\x1b[31mred" in lines[0].replace("\\\\", "\\")


def test_an_exception_is_one_line_on_a_console_and_whole_in_json() -> None:
    for format in ("console", "json"):
        stream = written(format)
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            structlog.get_logger("ours").exception("failed")
        (line,) = stream.getvalue().splitlines()
        assert "ValueError" in line
    trace = json.loads(line)["exception"]
    assert trace.startswith("Traceback")
    assert "\x1b" not in trace


def test_levels_are_kept_and_warnings_are_events() -> None:
    stream = written("console", "warning")
    structlog.get_logger("ours").info("not shown")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    assert "not shown" not in stream.getvalue()
    assert "old ways" in stream.getvalue()


def test_auto_means_json_where_nobody_watches() -> None:
    stream = written("auto")
    structlog.get_logger("ours").info("started")
    assert json.loads(stream.getvalue())["event"] == "started"


def test_long_texts_are_cut() -> None:
    stream = written("json")
    structlog.get_logger("ours").info("big", body="x" * 100_000)
    body = json.loads(stream.getvalue())["body"]
    assert len(body) < 5_000
    assert body.endswith("(100000 characters)")


def test_configuring_again_replaces_what_was_set() -> None:
    first = written("json")
    second = written("json")
    structlog.get_logger("ours").info("once")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1
    assert sys.stderr is not first
