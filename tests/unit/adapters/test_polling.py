"""Polling a server that misbehaves: what was known stays, and the budget of requests is kept."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.adapters.strangers import Answer, Handler, Kept, Stranger, until
from wayside.adapters import Change, Polling
from wayside.adapters.entities import Entities
from wayside.adapters.polling import PollingRunner
from wayside.adapters.waiting import Backoff, retry_after
from wayside.errors import ConfigError, DeclarationError

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
THREE = {"things": [{"id": name, "level": 1} for name in "abc"]}


def read(body: bytes) -> Change:
    found = json.loads(body)
    at = datetime.fromisoformat(found["at"]) if "at" in found else None
    return Change("reset", [{**thing, "at": NOW} for thing in found["things"]], at)


def body(*names: str, level: int = 1) -> bytes:
    return json.dumps({"things": [{"id": name, "level": level} for name in names]}).encode()


def good(*names: str, level: int = 1, **headers: str) -> Answer:
    return lambda handler: handler.give(200, body(*names, level=level), **headers)


def source(url: str, **more: Any) -> Polling:
    given: dict[str, Any] = {"every": 0.03, "back_off": (0.01, 0.05), "timeouts": (2.0, 1.0, 2.0), "largest": 100_000}
    return Polling(url, read, identity=("id",), **{**given, **more})


def told(kept: Kept) -> list[tuple[str, Any]]:
    """What was handed over: names, and their levels or that they are gone."""
    found = [json.loads(line) for line in kept.lines]
    return [(one["id"], "gone" if one["removed"] else one["level"]) for one in found]


class Polled:
    """A runner over a stranger, for as long as the block lasts."""

    def __init__(self, *answers: Answer, kept: Kept | None = None, **more: Any) -> None:
        self.stranger = Stranger(*answers)
        self.kept = kept or Kept()
        self.runner = PollingRunner(source(self.stranger.url, **more), self.kept, "at")  # type: ignore[arg-type]  # enough of an intake

    def __enter__(self) -> Polled:
        self.stranger.__enter__()
        self.runner.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.stop()
        self.stranger.__exit__()

    def asked(self, times: int) -> None:
        """Wait until it was asked so many times."""
        until(lambda: len(self.stranger.asked) >= times)


def test_what_changes_is_handed_over_once_and_what_goes_is_told() -> None:
    with Polled(good("a", "b"), good("a", "b"), good("a", "b", level=2), good("b", level=2)) as polled:
        polled.asked(6)
        assert told(polled.kept) == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", "gone")]
        assert polled.runner.status().state == "running"
    assert len(set(polled.kept.ids)) == 5


def cut_gzip(handler: Handler) -> None:
    packed = gzip.compress(json.dumps(THREE).encode() * 50)
    handler.give(200, packed[: len(packed) // 2], Content_Encoding="gzip")


def bomb(handler: Handler) -> None:
    handler.give(200, gzip.compress(bytes(5_000_000)), Content_Encoding="gzip")


def hang(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.flush()
    handler.server.closing.wait(3)


def trickle(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b"{")
        handler.wfile.flush()
        if handler.server.closing.wait(0.1):
            return


def round_and_round(handler: Handler) -> None:
    handler.give(302, Location=handler.server.url)


BAD: list[Callable[[Handler], None]] = [
    lambda handler: handler.give(200, b""),
    lambda handler: handler.give(200, b"<html>502</html>", Content_Type="text/html"),
    lambda handler: handler.give(200, b'{"things": [1'),
    lambda handler: handler.give(200, b"[]"),
    lambda handler: handler.give(200, body("a"), length=5_000),
    lambda handler: handler.give(404),
    lambda handler: handler.give(500, b"no"),
    lambda handler: handler.give(200, b" " * 200_000),
    lambda handler: handler.hang_up(),
    cut_gzip,
    bomb,
    round_and_round,
]
NAMES = [
    "empty",
    "html",
    "cut off",
    "array",
    "too short",
    "404",
    "500",
    "too long",
    "closed",
    "cut gzip",
    "bomb",
    "loop",
]


@pytest.mark.parametrize("bad", BAD, ids=NAMES)
def test_a_bad_answer_changes_nothing(bad: Answer) -> None:
    with Polled(good("a", "b"), bad, bad, good("a", "b", "c")) as polled:
        until(lambda: ("c", 1) in told(polled.kept))
        assert told(polled.kept) == [("a", 1), ("b", 1), ("c", 1)]
        until(lambda: polled.runner.status().state == "running")


@pytest.mark.parametrize("bad", [hang, trickle], ids=["hangs", "trickles"])
def test_a_server_that_does_not_come_to_an_end_is_left(bad: Answer) -> None:
    with Polled(good("a"), bad, good("a", "b"), timeouts=(2.0, 0.5, 0.8)) as polled:
        until(lambda: told(polled.kept) == [("a", 1), ("b", 1)])


def test_while_it_fails_it_is_stale_and_says_why_and_since_when() -> None:
    with Polled(good("a"), lambda handler: handler.give(200, b"")) as polled:
        until(lambda: polled.runner.status().state == "stale")
        assert "The document is empty." in polled.runner.status().last_error
        assert "UTC stays." in polled.runner.status().last_error
        assert told(polled.kept) == [("a", 1)]


def test_a_document_that_says_it_is_old_is_stale_and_one_that_goes_back_is_not_taken() -> None:
    def dated(minutes: int, *names: str) -> Answer:
        content = {**json.loads(body(*names)), "at": (NOW + timedelta(minutes=minutes)).isoformat()}
        return lambda handler: handler.give(200, json.dumps(content).encode())

    with Polled(dated(0, "a", "b"), dated(-1), dated(1, "a"), fresh=60.0) as polled:
        until(lambda: told(polled.kept) == [("a", 1), ("b", 1), ("b", "gone")])
        until(lambda: polled.runner.status().state == "stale")
        until(lambda: "s old" in polled.runner.status().last_error)


def test_only_a_newer_document_is_asked_for_and_a_useless_one_is_not_remembered() -> None:
    unchanged: Answer = lambda handler: handler.give(304)  # noqa: E731  # a name for what it means
    with Polled(
        good("a", ETag='"1"', Last_Modified="Thu, 26 Nov 2026 12:00:00 GMT"),
        unchanged,
        lambda handler: handler.give(200, b"<html>", ETag='"2"'),
        unchanged,
    ) as polled:
        polled.asked(5)
        headers = [asked for _, asked in polled.stranger.asked]
        assert "if-none-match" not in headers[0]
        for later in headers[1:5]:
            assert later["if-none-match"] == '"1"'
            assert later["if-modified-since"] == "Thu, 26 Nov 2026 12:00:00 GMT"
        assert told(polled.kept) == [("a", 1)]


def test_who_asks_to_be_left_alone_is_left_alone() -> None:
    with Polled(lambda handler: handler.give(429, Retry_After="1"), good("a")) as polled:
        until(lambda: told(polled.kept) == [("a", 1)])
        first, second = (at for at, _ in polled.stranger.asked[:2])
        assert second - first >= 1.0


def test_the_budget_of_requests_holds_for_failures_too() -> None:
    with Polled(lambda handler: handler.give(500), every=0.1) as polled:
        polled.asked(5)
        times = [at for at, _ in polled.stranger.asked]
        assert min(b - a for a, b in pairwise(times)) >= 0.095


def test_what_the_log_could_not_take_is_handed_over_later() -> None:
    kept = Kept(broken=2)
    with Polled(good("a", "b"), good("a"), good("a"), good("a", "c"), kept=kept) as polled:
        until(lambda: ("c", 1) in told(kept))
        assert told(kept) == [("a", 1), ("b", 1), ("b", "gone"), ("c", 1)]
        assert polled.runner.status().accepted == 4


def test_a_source_that_is_not_there_is_tried_again() -> None:
    with Stranger(good("a")) as stranger:
        url = stranger.url
    kept = Kept()
    runner = PollingRunner(source(url), kept, "at")  # type: ignore[arg-type]  # enough of an intake
    runner.start()
    until(lambda: runner.status().state == "stale")
    assert "Nothing was fetched yet." in runner.status().last_error
    runner.stop()
    assert runner.status().state == "stopped"


def test_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_KEY", "s3cret")
    with Polled(good("a"), headers={"X-Key": "${env:FEED_KEY}"}) as polled:
        polled.asked(1)
        assert polled.stranger.asked[0][1]["x-key"] == "s3cret"
    monkeypatch.delenv("FEED_KEY")
    runner = PollingRunner(source("http://127.0.0.1:9/", headers={"X-Key": "${env:FEED_KEY}"}), Kept(), "at")  # type: ignore[arg-type]  # enough of an intake
    with pytest.raises(ConfigError, match="FEED_KEY"):
        runner.start()


@pytest.mark.parametrize("url", ["", "ftp://x/", "file:///etc/passwd", "javascript:1"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(DeclarationError, match="no web address"):
        Polling(url, read)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("999999", 3600.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Thu, 26 Nov 2026 12:00:30 GMT", 30.0),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0.0),
        ("Thu, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_waits_grow_and_are_never_longer_than_they_may() -> None:
    backoff, chance = Backoff(1.0, 300.0), random.Random(1)
    waits = [[backoff.seconds(failures, chance) for _ in range(200)] for failures in range(1, 15)]
    assert all(1.0 <= wait <= min(300.0, 2.0**n) for n, row in enumerate(waits, 1) for wait in row)
    assert max(waits[-1]) > 200


def test_what_is_told_with_another_time_only_is_as_it_was_where_times_are_those_of_documents() -> None:
    entities = Entities(("id",), "at", steady=True)

    def said(seconds: int, *things: dict[str, Any]) -> list[dict[str, Any]]:
        at = NOW + timedelta(seconds=seconds)
        change = Change("reset", [{**thing, "at": at} for thing in things], at)
        return [json.loads(line) for line in entities.apply(change, NOW + timedelta(seconds=99))]

    def moment(text: str) -> float:
        return (datetime.fromisoformat(text) - NOW).total_seconds()

    assert [moment(one["at"]) for one in said(0, {"id": "a", "level": 1}, {"id": "b"})] == [0, 0]
    assert said(15, {"id": "a", "level": 1}, {"id": "b"}) == []
    (changed,) = said(30, {"id": "a", "level": 2}, {"id": "b"})
    assert (changed["id"], moment(changed["at"])) == ("a", 30)
    (left,) = said(45, {"id": "a", "level": 2})
    assert (left["removed"], moment(left["at"]), moment(left["gone"])) == (True, 0, 45)


def test_a_thing_that_goes_leaves_no_earlier_than_it_was_last_seen() -> None:
    entities = Entities(("id",), "at")
    entities.apply(Change("put", [{"id": "a", "at": NOW + timedelta(seconds=20)}]), NOW)
    (line,) = entities.apply(Change("remove", [{"id": "a"}], NOW), NOW)
    assert datetime.fromisoformat(json.loads(line)["at"]) == NOW + timedelta(seconds=20)
    assert entities.apply(Change("remove", [{"id": "a"}], NOW), NOW) == []
