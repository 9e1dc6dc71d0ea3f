"""A load generator in plain Python, on raw asyncio protocols: closed loop, or at a constant rate.

`python pyload.py URL BODIES [--connections N] [--seconds S] [--rate R]` posts the lines of BODIES in turn and
prints JSON. At a constant rate latency counts from when a request was due, so that a server that stalls does
not hide it. Uses nothing but the standard library.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request in flight."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.transport: asyncio.Transport
        self.due = 0.0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] - a TCP connection gives a Transport

    def send(self, due: float) -> None:
        """Send the next request, which was due at `due`."""
        self.due = due
        self.transport.write(self.load.next_request())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < head_end + 4 + length:
            return
        self._buffer = b""
        self.load.answered(self, ok=head[9:10] == b"2")

    def connection_lost(self, error: Exception | None) -> None:
        self.load.lost += 1


class Load:
    """All connections of one run."""

    def __init__(self, url: str, bodies: list[bytes], *, seconds: float, rate: float) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        self._requests = [f"{head}Content-Length: {len(b)}\r\n\r\n".encode() + b for b in bodies]
        self._next = 0
        self.seconds, self.rate = seconds, rate
        self.took: list[float] = []
        self.failures = self.lost = 0
        self.free: deque[Connection] = deque()
        self.waiting: deque[float] = deque()
        self.ends = 0.0

    def next_request(self) -> bytes:
        """The next request, in turn."""
        self._next += 1
        return self._requests[self._next % len(self._requests)]

    def answered(self, connection: Connection, *, ok: bool) -> None:
        """Count an answer, and give the connection its next request."""
        now = time.perf_counter()
        if now < self.ends:
            self.took.append(now - connection.due)
            self.failures += not ok
        if not self.rate:
            connection.send(now)
        elif self.waiting:
            connection.send(self.waiting.popleft())
        else:
            self.free.append(connection)

    async def run(self, connections: int) -> dict[str, float]:
        """Connect, load, and sum up."""
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: Connection(self), self.host, self.port) for _ in range(connections)
        ]
        began = time.perf_counter()
        self.ends = began + self.seconds
        if self.rate:
            self.free.extend(protocol for _, protocol in made)
            await self._constant(began)
        else:
            for _, protocol in made:
                protocol.send(began)
            await asyncio.sleep(self.seconds)
        lost = self.lost
        for transport, _ in made:
            transport.abort()
        self.took.sort()
        at = lambda share: round(self.took[int(len(self.took) * share)] * 1e3, 3) if self.took else None  # noqa: E731 - a name for two uses
        return {
            "requests": len(self.took),
            "seconds": self.seconds,
            "failures": self.failures + lost,
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
        }

    async def _constant(self, began: float) -> None:
        sent = 0
        while (now := time.perf_counter()) < self.ends:
            while began + sent / self.rate <= now:
                due = began + sent / self.rate
                if self.free:
                    self.free.popleft().send(due)
                else:
                    self.waiting.append(due)
                sent += 1
            await asyncio.sleep(0.0005)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path, help="a file with one body a line")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=0, help="requests per second; without it as many as possible")
    told = parser.parse_args()
    load = Load(told.url, told.bodies.read_bytes().splitlines(), seconds=told.seconds, rate=told.rate)
    print(json.dumps(asyncio.run(load.run(told.connections))))


if __name__ == "__main__":
    main()
