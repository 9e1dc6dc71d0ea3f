"""Many subscribers, some of them dead: bounded memory here and in the kernel, and the dead ones gone in time."""

from __future__ import annotations

import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest

from server_site import RECORDS, sample, wait_for

SECONDS = 45.0
PAGE = 4096
SITE = Path(__file__).parents[2] / "server_site.py"
ASK = b"GET /v1/live?tables=latest HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


@contextmanager
def process() -> Iterator[tuple[psutil.Process, int]]:
    """A server in a process of its own."""
    with subprocess.Popen([sys.executable, str(SITE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdin is not None
        try:
            yield psutil.Process(run.pid), int(run.stdout.readline())
        finally:
            run.stdin.close()
            run.wait(20)


def kernel_bytes() -> int:
    """Memory that TCP holds on this machine."""
    found = re.search(r"^TCP: .* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * PAGE


def metric(client: httpx2.Client, name: str) -> float:
    found = re.search(rf"^{name}(?:_total)? (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def dead_reader(port: int) -> socket.socket:
    """A subscriber that never reads. Its own kernel takes little for it, so that the server can notice soon."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    connection.connect(("127.0.0.1", port))
    connection.sendall(ASK)
    return connection


class Readers:
    """Subscribers that read, counted by what they have seen last."""

    def __init__(self, port: int, count: int) -> None:
        self.selector = selectors.DefaultSelector()
        self.tails: dict[socket.socket, bytes] = {}
        self.delays: list[float] = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            connection.sendall(ASK)
            connection.setblocking(False)
            self.selector.register(connection, selectors.EVENT_READ)
            self.tails[connection] = b""

    def read(self, seconds: float) -> None:
        """Take everything that comes within some time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for key, _ in self.selector.select(left):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                data = connection.recv(1 << 18)
                assert data, "a healthy reader was sent away"
                self.tails[connection] = (self.tails[connection] + data)[-4096:]
                if sent := re.findall(rb"posted:([0-9.]+)", data):
                    self.delays.append(time.monotonic() - float(sent[-1]))

    def close(self) -> None:
        for connection in self.tails:
            connection.close()


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("healthy", "dead_ones", "rate", "most_kernel"), [(150, 50, 20, 60), (900, 100, 10, 300)])
def test_many_subscribers_of_whom_some_are_dead(healthy: int, dead_ones: int, rate: int, most_kernel: int) -> None:
    everyone = healthy + dead_ones
    with process() as (server, port), httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        for number in range(1_000):  # what the server holds for each event, whoever listens, does not count
            client.post(RECORDS, json=sample(f"s{number % 50}", note="x" * 400))
            if number == 499:
                half = server.memory_info().rss
        base_rss, base_tcp = server.memory_info().rss, kernel_bytes()
        own = (base_rss - half) / 500
        readers = Readers(port, healthy)
        dead = [dead_reader(port) for _ in range(dead_ones)]
        wait_for(lambda: metric(client, "wayside_live_subscribers") == everyone, 30)
        began, gone, peak_tcp, number = time.monotonic(), None, 0, 0
        while time.monotonic() - began < SECONDS:
            note = f"posted:{time.monotonic():.4f} ".ljust(400, "x")
            assert client.post(RECORDS, json=sample(f"s{number % 50}", note=note)).status_code == 202
            number += 1
            readers.read(max(0.0, began + number / rate - time.monotonic()))
            if number % rate == 0:
                peak_tcp = max(peak_tcp, kernel_bytes())
                if gone is None and metric(client, "wayside_live_subscribers") == healthy:
                    gone = time.monotonic() - began
        client.post(RECORDS, json=sample("last"))
        readers.read(2)
        grown, held = server.memory_info().rss - base_rss - own * number, peak_tcp - base_tcp
        delays = sorted(readers.delays)
        p50, p99 = (delays[len(delays) * share // 100] * 1000 for share in (50, 99))
        each = grown / everyone / 1024
        print(f"{number} events to {healthy} readers beside {dead_ones} dead: memory +{each:.0f} KiB per subscriber,")
        print(f"kernel {held / 2**20:.1f} MiB, dead gone after {gone} s, delivery p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        assert all(b'"last"' in tail for tail in readers.tails.values())
        assert gone is not None
        assert gone <= 30
        assert grown <= everyone * 150 * 1024
        assert held <= most_kernel * 2**20
        readers.close()
        for connection in dead:
            connection.close()
        wait_for(lambda: metric(client, "wayside_live_subscribers") == 0, 30)
