"""Clients that post numbered readings and remember, in a synced file of their own, what was acknowledged.

A reading is (client, number): its device's name begins with the client, its value is the number. Event time runs
faster than ours, so that windows close all the time, and some readings are late.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

TOPIC = "/v1/topics/processed_messages/records"
RECENT = timedelta(hours=20)
"""How far in the past event time begins; it must not overtake ours."""


@dataclass(frozen=True)
class EventClock:
    """Event time: begins `RECENT` ago and runs `speed` times as fast as ours."""

    speed: float
    began: float = field(default_factory=time.monotonic)
    origin: datetime = field(default_factory=lambda: datetime.now(UTC) - RECENT)

    def now(self) -> datetime:
        return self.origin + timedelta(seconds=(time.monotonic() - self.began) * self.speed)


@dataclass
class Request:
    """What is posted at once, possibly several times under the same key."""

    path: str
    body: bytes
    headers: dict[str, str]
    numbers: list[int]
    broken: list[int]
    key: str | None
    tries: int = 0


class Client:
    """One thread that posts until it is told to stop. Requests with a key are repeated until they are answered."""

    def __init__(self, number: int, port: int, clock: EventClock, journal: Path, *, seed: int, pause: float) -> None:
        self.number = number
        self.port = port
        self.clock = clock
        self.pause = pause
        self.random = random.Random(seed * 1_000 + number)
        self.journal = journal
        self.file = journal.open("ab")
        self.next = 0
        self.requests = 0
        self.error: BaseException | None = None
        self.stopping = threading.Event()
        self.hold = threading.Lock()
        """Taken by whoever wants the log to stand still: no request is under way then, and none begins."""
        self.thread = threading.Thread(target=self.run, name=f"client {number}", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Finish the request at hand; the server must be up."""
        self.stopping.set()
        self.thread.join(60)
        assert not self.thread.is_alive(), "a client got no answer for a minute"
        self.file.close()
        if self.error is not None:
            raise self.error

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                with self.hold:
                    self.settle(self.request())
                self.stopping.wait(self.random.random() * self.pause)
        except BaseException as error:
            self.error = error

    def reading(self, *, broken: bool) -> dict[str, Any]:
        late = self.random.choice([0, 0, 0, 0, 0, 0, 0.5, 1, 6, 20])
        number, self.next = self.next, self.next + 1
        return {
            "device_id": f"c{self.number}-{self.random.randrange(6)}",
            "timestamp": (self.clock.now() - timedelta(seconds=late)).isoformat(timespec="milliseconds"),
            "sensor": "count",
            "value": f"broken {self.number}/{number};" if broken else number,
            "unit": "1",
        }

    def request(self) -> Request:
        """One reading or a batch, as JSON or lines, to the topic or as a device sends it."""
        count = self.random.choice([1, 1, 3, 20, 60])
        broken = [self.random.random() < 0.02 for _ in range(count)]
        first = self.next
        rows = [self.reading(broken=each) for each in broken]
        self.requests += 1
        key = f"client {self.number} request {self.requests}" if self.random.random() < 0.75 else None
        path, body, kind = TOPIC, json.dumps(rows[0] if count == 1 else rows).encode(), "application/json"
        if count > 1 and self.random.random() < 0.5:
            body, kind = "\n".join(map(json.dumps, rows)).encode(), "application/x-ndjson"
        if count == 1 and self.number % 2:
            tagged = {name: rows[0][name] for name in ("device_id", "timestamp")}
            body = json.dumps(tagged | {"tag": "Barometer", "pressure": rows[0]["value"]}).encode()
            path = TOPIC + "?feed=devices" if self.random.random() < 0.5 else "/api/v1/device"
        headers = {"Content-Type": kind} | ({"Idempotency-Key": key} if key else {})
        numbers = [first + row for row in range(count) if not broken[row]]
        return Request(path, body, headers, numbers, [first + row for row in range(count) if broken[row]], key)

    def settle(self, request: Request) -> None:
        """Post until answered, or once where a repetition could not be recognised."""
        self.note("sent", request)
        while True:
            request.tries += 1
            try:
                status, answer = self.post(request)
            except (OSError, http.client.HTTPException):
                status, answer = 0, b""
            if status in (200, 202, 422):
                self.note("answered", request, status=status, answer=json.loads(answer or b"{}"))
                return
            assert status in (0, 503), (status, answer)
            if request.key is None:
                return
            time.sleep(0.02)

    def post(self, request: Request) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", request.path, request.body, request.headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def note(self, what: str, request: Request, **more: Any) -> None:
        """One line of the journal; an answer is on disk before the client goes on."""
        line = {"what": what, "client": self.number, "request": self.requests, "numbers": request.numbers}
        line |= {"broken": request.broken, "key": request.key, "tries": request.tries, **more}
        self.file.write(json.dumps(line).encode() + b"\n")
        if what == "answered":
            self.file.flush()
            os.fsync(self.file.fileno())
