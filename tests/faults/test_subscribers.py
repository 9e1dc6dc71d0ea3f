"""T-L2 and T-L3: listeners that never read and clients that never finish cost little, and not for long."""

from __future__ import annotations

import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tests.faults.checks import eventually
from tests.faults.listeners import Dead, Readers, connect, tcp_memory
from tests.faults.process import Wayside, running

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
STREAM = "/v1/live?tables=device_latest"
EVENTS = 20.0
"""Per second."""
KIB, MIB = 1 << 10, 1 << 20
EVICTED_WITHIN = 30.0


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """As many open files as this machine lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass
class Talk:
    """Posts readings all the time, each with the moment of its sending; notes how its posts were answered."""

    wayside: Wayside
    things: int
    statuses: list[int] = field(default_factory=list)
    slowest: float = 0.0
    memory: int = 0

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Talk:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(1 / EVENTS):
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            rows = [self.row(thing, at) for thing in range(self.things)]
            began = time.monotonic()
            self.statuses.append(self.wayside.post(rows).status)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.memory = max(self.memory, tcp_memory())

    def row(self, thing: int, at: str) -> dict[str, object]:
        note = f"mark {time.time():.3f};" if thing == 0 else "-"
        return {"device_id": f"thing-{thing:03d}", "timestamp": at, "sensor": "s", "value": 1.0, "unit": note}


def resident(wayside: Wayside) -> int:
    assert wayside.process is not None
    return psutil.Process(wayside.process.pid).memory_info().rss


def listen(wayside: Wayside, *, alive: int, dead: int, things: int, seconds: float) -> str:
    """Listen while somebody talks; returns the figures in words."""
    with Talk(wayside, things):
        time.sleep(3)  # what talking alone costs is not the listeners' fault
    before, kernel = resident(wayside), tcp_memory()
    readers = Readers([connect(wayside.port, STREAM) for _ in range(alive)])
    silent = Dead([connect(wayside.port, STREAM, receive=4096) for _ in range(dead)])
    eventually(lambda: counted(wayside, alive + dead), 30)
    began = time.monotonic()
    with Talk(wayside, things) as talk:
        gone_after = 0.0
        peak = 0
        while time.monotonic() - began < seconds or silent.held():
            peak = max(peak, resident(wayside))
            if not gone_after and not silent.held():
                gone_after = time.monotonic() - began
            assert time.monotonic() - began < 90, f"{silent.held()} dead listeners are still held"
            time.sleep(0.1)
        gone_after = gone_after or time.monotonic() - began
    per_reader = (peak - before) / (alive + dead) / KIB
    memory = (talk.memory - kernel) / MIB
    figures = (
        f"{alive} listeners and {dead} dead ones: {per_reader:.0f} KiB of memory each, {memory:.0f} MiB in the kernel, "
        f"the dead gone after {gone_after:.1f} s; delivered after {readers.quantile(0.5) * 1000:.0f} ms (median), "
        f"{readers.quantile(0.99) * 1000:.0f} ms (99 %), {len(talk.statuses)} posts, the slowest {talk.slowest:.2f} s"
    )
    print(figures)
    readers.stop()
    silent.close()
    assert set(talk.statuses) == {202}
    assert not readers.gone, "listeners that read were sent away"
    assert min(readers.received.values()) > 0
    assert per_reader < 150
    assert memory < 300
    assert gone_after < EVICTED_WITHIN
    eventually(lambda: counted(wayside, 0), 20)
    return figures


def counted(wayside: Wayside, expected: int) -> None:
    """The server's own count of subscribers."""
    assert wayside.metric("wayside_live_subscribers") == expected


def test_two_hundred_listeners(tmp_path: Path) -> None:
    patience = {"limits": json.dumps({"send_seconds": 5})}  # a quarter of what it is, for the sake of CI's time
    with running(tmp_path / "data", settings=patience) as wayside:
        listen(wayside, alive=150, dead=50, things=60, seconds=8)


@pytest.mark.slow
def test_a_thousand_listeners(tmp_path: Path) -> None:
    with running(tmp_path / "data") as wayside:
        listen(wayside, alive=900, dead=100, things=60, seconds=60)


SLOW = {"limits": json.dumps({"header_seconds": 2, "body_grace": 2})}
HEAD = b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = (
    b"POST /v1/topics/processed_messages/records HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n["
)


@pytest.mark.parametrize("count", [200, pytest.param(1_800, marks=pytest.mark.slow)])
def test_slow_senders(tmp_path: Path, count: int) -> None:
    """Half of them never end their headers, half send a body by the byte; both are cut off at their deadline."""
    with running(tmp_path / "data", settings=SLOW) as wayside:
        clients = [open_slowly(wayside, HEAD if number % 2 else BODY) for number in range(count)]
        dead = Dead(clients)
        began = time.monotonic()
        answers, slowest = 0, 0.0
        while dead.held():
            assert time.monotonic() - began < 30, f"{dead.held()} of {count} are still held"
            for client in clients:
                drip(client)
            asked = time.monotonic()
            assert wayside.get("/livez").status == 200
            slowest = max(slowest, time.monotonic() - asked)
            assert wayside.post({"device_id": "x"}).status == 422
            answers += 1
            time.sleep(0.1)
        seconds = time.monotonic() - began
        refusals = [client.recv(4096) for client in clients[:4]]
        dead.close()
        print(f"{count} slow senders gone after {seconds:.1f} s; /livez at most {slowest * 1000:.0f} ms meanwhile")
        assert answers > 3
        assert seconds < 15
        assert all(b" 408 " in refusal for refusal in refusals), refusals
        assert json.loads(refusals[0].partition(b"\r\n\r\n")[2])["status"] == 408


def open_slowly(wayside: Wayside, first: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", wayside.port), timeout=10)
    client.sendall(first)
    return client


def drip(client: socket.socket) -> None:
    """One more byte."""
    try:
        client.sendall(b"x")
    except OSError:
        return  # it has been cut off
