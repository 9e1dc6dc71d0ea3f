from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import polars as pl
import pytest

from unit.runtime.world import Reading
from wayside.clock import ManualClock
from wayside.errors import OverloadedError, WaysideError
from wayside.runtime.remote import RECORDS, WAITING, RemoteIntake, lines_of, parts


class Script(BaseHTTPRequestHandler):
    """A server that answers what the test says, in order, and keeps what it was asked."""

    answers: ClassVar[list[tuple[int, dict[str, str], Any]]] = []
    asked: ClassVar[list[tuple[str, str | None, list[Any]]]] = []
    held: ClassVar[threading.Event] = threading.Event()

    def do_POST(self) -> None:
        self.held.wait(10)
        body = self.rfile.read(int(self.headers["content-length"]))
        self.asked.append((self.path, self.headers["idempotency-key"], [json.loads(x) for x in body.splitlines()]))
        status, headers, answer = self.answers.pop(0)
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Script)
    Script.answers.clear()
    Script.asked.clear()
    Script.held.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def accepted(number: int, **more: Any) -> tuple[int, dict[str, str], Any]:
    ranges = [{"partition": 1, "first": 5, "count": number}] if number else []
    return 202, {}, {"accepted": number, "rejected": 0, "duplicates": 0, "offsets": ranges, "errors": [], **more}


def test_a_receipt_tells_what_the_server_said(address: str) -> None:
    error = {"row": 1, "rule": "level.range", "message": "no"}
    Script.answers[:] = [accepted(2, rejected=1, duplicates=1, errors=[error])]
    intake = RemoteIntake(address, "my feed", "levels", Reading)
    receipt = intake.submit([b'{"a":1}', b'{"a":2}'], ids=["f#0", "f#1"]).result(10)
    intake.close()
    assert Script.asked[0][:2] == ("/v1/topics/levels/records?feed=my+feed", "f#0@0")
    assert (len(receipt.appended.offsets), receipt.appended.duplicates, receipt.rejected) == (3, 1, 1)
    assert receipt.appended.offsets.to_list() == [5, 6, -1]
    assert receipt.rejections[0].rule == "level.range"


def test_what_is_wholly_refused_is_no_error_and_a_busy_server_is_asked_again(address: str) -> None:
    refused = (422, {}, {"detail": "All refused.", "errors": [{"row": 0, "rule": "json.syntax", "message": "no"}]})
    Script.answers[:] = [(503, {"retry-after": "2"}, {}), refused]
    clock = ManualClock()
    intake = RemoteIntake(address, "f", "levels", Reading, clock=clock)
    receipt = intake.submit([b"{}"]).result(10)
    assert (receipt.rejected, len(receipt.appended.offsets)) == (1, 0)
    assert clock.monotonic() == 2.0
    Script.answers[:] = [(413, {}, {"detail": "Too large.", "why": "8 MiB"})]
    with pytest.raises(WaysideError, match="Too large") as caught:
        intake.submit([b"{}"]).result(10)
    assert caught.value.why == "8 MiB"
    assert isinstance(intake.error, WaysideError)
    intake.close()


def test_hand_overs_do_not_pile_up(address: str) -> None:
    Script.held.clear()
    Script.answers[:] = [accepted(1)] * WAITING
    intake = RemoteIntake(address, "f", "levels", Reading)
    sent = [intake.submit([b"{}"]) for _ in range(WAITING)]
    with pytest.raises(OverloadedError):
        intake.submit([b"{}"])
    Script.held.set()
    assert len(wait(sent, 10).done) == WAITING
    intake.close()


def test_nobody_there_is_said_in_words() -> None:
    intake = RemoteIntake("http://127.0.0.1:1", "f", "levels", Reading)
    with pytest.raises(WaysideError, match="No Wayside answers"):
        intake.submit([b"{}"]).result(10)
    intake.close()


def test_requests_stay_within_the_servers_bounds() -> None:
    lines = [b"x"] * (2 * RECORDS + 1)
    assert [(first, len(part)) for first, part in parts(lines)] == [(0, RECORDS), (RECORDS, RECORDS), (2 * RECORDS, 1)]
    large = [b"x" * 3_000_000] * 3
    assert [first for first, _ in parts(large)] == [0, 1, 2]
    assert list(parts([])) == []


def test_numbers_that_came_as_text_travel_as_numbers_and_others_stay_as_they_are() -> None:
    frame = pl.DataFrame(
        {"station": ["1", "2", "3"], "at": ["2026-01-01T00:00:00Z"] * 3, "level": [" 1.5", "n/a", None]}
    )
    found = [json.loads(line) for line in lines_of(frame, Reading)]
    assert [row["level"] for row in found] == [1.5, "n/a", None]
    assert [row["station"] for row in found] == ["1", "2", "3"]
