"""A stream of events from a server that misbehaves: the state is that of a clean run, and nothing is wiped."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.adapters.strangers import Answer, Handler, Kept, Stranger, until
from wayside.adapters import Change, EventStream
from wayside.adapters.events import EventsRunner

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def decode(event: str, data: str) -> Change | None:
    if event not in ("reset", "put", "remove"):
        return None
    found = json.loads(data)
    messages = [{"at": NOW, **thing} for thing in (found if isinstance(found, list) else [found])]
    return Change(event, messages)  # type: ignore[arg-type]  # one of the three


def event(name: str, data: Any, **fields: object) -> bytes:
    lines = [f"{key}: {value}" for key, value in fields.items()]
    return ("\n".join([*lines, f"event: {name}", f"data: {json.dumps(data, ensure_ascii=False)}"]) + "\n\n").encode()


def thing(name: str, level: int | None = 1, **more: Any) -> dict[str, Any]:
    return {"id": name, "level": level, **more}


RESET = event("reset", [thing("a"), thing("b")], id=1)


class State:
    """What the messages that were handed over add up to."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for line in self.kept.lines:
            message = json.loads(line)
            found.pop(message["id"], None)
            if not message["removed"]:
                found[message["id"]] = message.get("level")
        return found


class Listening:
    """A runner that listens to a stranger, for as long as the block lasts."""

    def __init__(self, *answers: Answer, kept: Kept | None = None, **more: Any) -> None:
        self.stranger = Stranger(*answers)
        self.kept = kept or Kept()
        self.state = State(self.kept)
        given: dict[str, Any] = {"back_off": (0.01, 0.05), "silence": 5.0, "largest": 100_000, **more}
        source = EventStream(self.stranger.url, decode, ("id",), **given)
        self.runner = EventsRunner(source, self.kept, "at")  # type: ignore[arg-type]  # enough of an intake

    def __enter__(self) -> Listening:
        self.stranger.__enter__()
        self.runner.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.stop()
        self.stranger.__exit__()

    def becomes(self, **state: Any) -> None:
        until(lambda: self.state() == state)


def streams(*pieces: bytes, hold: float = 0.0, **headers: str) -> Answer:
    return lambda handler: handler.stream(*pieces, hold=hold, **headers)


def test_things_come_change_and_go() -> None:
    pieces = (RESET, event("put", thing("c", 3)), event("put", thing("a", 2)), event("remove", {"id": "b"}))
    with Listening(streams(*pieces, hold=20)) as listening:
        listening.becomes(a=2, c=3)
        assert listening.runner.status().state == "running"


def test_a_reset_purges_what_it_does_not_hold_and_a_cleared_field_is_cleared() -> None:
    pieces = (RESET, event("put", thing("a", None)), event("reset", [thing("c"), thing("a", None)]))
    with Listening(streams(*pieces, hold=20)) as listening:
        listening.becomes(a=None, c=1)
        gone = [json.loads(line)["id"] for line in listening.kept.lines if json.loads(line)["removed"]]
        assert gone == ["b"]


def test_a_lost_connection_is_resumed_where_it_broke_off() -> None:
    with Listening(
        streams(RESET, event("put", thing("c"), id=2), b'id: 3\nevent: remove\ndata: {"id": "a"}'),  # cut off: no end
        streams(event("remove", {"id": "b"}, id=3), hold=20),
    ) as listening:
        listening.becomes(a=1, c=1)
        first, second = (headers for _, headers in listening.stranger.asked[:2])
        assert "last-event-id" not in first
        assert second["last-event-id"] == "2", "the event that was cut off does not count"


def test_a_server_that_resets_after_a_gap_is_believed() -> None:
    with Listening(streams(RESET), streams(event("reset", [thing("b", 5)], id=9), hold=20)) as listening:
        listening.becomes(b=5)


@pytest.mark.parametrize("seed", range(5))
def test_wherever_the_stream_is_cut_and_however_it_ends_its_lines_the_state_is_the_same(seed: int) -> None:
    chance = random.Random(seed)
    events = [event("reset", [thing("ä", 1), thing("🚋", 1)], id=1)]
    state = {"ä": 1, "🚋": 1}
    for number in range(2, 40):
        name = chance.choice(["ä", "🚋", "c", "d", "e"])
        if chance.random() < 0.3:
            events.append(event("remove", {"id": name}, id=number))
            state.pop(name, None)
        else:
            level = chance.randrange(9)
            events.append(event("put", thing(name, level), id=number))
            state[name] = level
    events.append(event("put", thing("end", 0), id=40))
    ending = chance.choice([b"\n", b"\r\n", b"\r"])
    written = [one.replace(b"\n", ending) for one in events]

    def serve(handler: Handler) -> None:
        last = int(handler.server.asked[-1][1].get("last-event-id", "0"))
        rest = b": hello" + ending + b"".join(written[last:])
        if last < 38:  # drops in the middle of an event, of a line, of a character
            rest = rest[: chance.randrange(max(2, len(rest) // 2), len(rest))]
        size = chance.choice([1, 3, 7, 1000])
        handler.stream(*[rest[n : n + size] for n in range(0, min(len(rest), 400 * size), size)], hold=0.0)
        if last >= 38:
            handler.server.closing.wait(20)

    with Listening(serve) as listening:
        until(lambda: "end" in listening.state(), 60)
        assert listening.state() == {**state, "end": 0}


def test_a_byte_order_mark_comments_and_unknown_events_are_no_obstacle() -> None:
    pieces = ("\ufeff".encode() + RESET, b": still here\n\n", event("ping", {}), b"nonsense\n\n", b"data\n\n")
    with Listening(streams(*pieces, event("put", thing("c")), hold=20)) as listening:
        listening.becomes(a=1, b=1, c=1)


def test_an_event_that_cannot_be_read_is_left_out_and_told() -> None:
    odd = (b"event: put\ndata: {broken\n\n", b"event: reset\ndata: 5\n\n")
    with Listening(streams(RESET, *odd, hold=20)) as listening:
        listening.becomes(a=1, b=1)
        until(lambda: "cannot be read" in listening.runner.status().last_error)


def test_a_storm_of_resets_says_nothing_new() -> None:
    again = event("reset", [thing("a"), thing("b")])
    with Listening(streams(RESET, *([again] * 200), event("put", thing("c")), hold=20)) as listening:
        listening.becomes(a=1, b=1, c=1)
        assert len(listening.kept.lines) == 3


@pytest.mark.parametrize(
    "bad",
    [
        lambda handler: handler.give(200, b"<html>", Content_Type="text/html"),
        lambda handler: handler.give(500),
        lambda handler: handler.give(404),
        lambda handler: handler.hang_up(),
        streams(b"event: put\ndata: " + b"x" * 200_000),
        streams(b"event: reset\ndata: []", content_type="application/json"),
    ],
    ids=["html", "500", "404", "closed", "endless line", "another type"],
)
def test_a_bad_answer_wipes_nothing(bad: Answer) -> None:
    with Listening(streams(RESET), bad, bad, streams(event("put", thing("c"), id=2), hold=20)) as listening:
        listening.becomes(a=1, b=1, c=1)
        assert len(listening.kept.lines) == 3


def test_a_server_that_falls_silent_is_left_and_asked_again() -> None:
    with Listening(streams(RESET, hold=20), streams(event("put", thing("c"), id=2), hold=20), silence=0.3) as listening:
        listening.becomes(a=1, b=1, c=1)


def test_it_comes_back_when_the_server_said_and_not_before() -> None:
    with Listening(streams(b"retry: 700\n\n", RESET), streams(event("put", thing("c")), hold=20)) as listening:
        listening.becomes(a=1, b=1, c=1)
        (first, _), (second, _) = listening.stranger.asked[:2]
        assert second - first >= 0.7


def test_who_asks_to_be_left_alone_is_left_alone() -> None:
    with Listening(lambda handler: handler.give(429, Retry_After="1"), streams(RESET, hold=20)) as listening:
        listening.becomes(a=1, b=1)
        (first, _), (second, _) = listening.stranger.asked[:2]
        assert second - first >= 1.0


def test_what_the_log_could_not_take_is_handed_over_later() -> None:
    with Listening(streams(RESET, event("put", thing("c")), hold=0.1), kept=Kept(broken=2)) as listening:
        listening.becomes(a=1, b=1, c=1)


def test_it_ends_while_it_listens() -> None:
    with Listening(streams(RESET, hold=60)) as listening:
        listening.becomes(a=1, b=1)
        listening.runner.stop()
        assert listening.runner.status().state == "stopped"
        assert listening.state() == {"a": 1, "b": 1}
