"""Limits below the application: headers, bodies, silence, floods, and readers that do not read."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import orjson
import psutil
import pytest

from server_site import RECORDS, Site, answer_of, sample, wait_for
from wayside.server.limits import Limits

HOST = b"host: 127.0.0.1\r\n"
QUICK = replace(
    Limits(),
    header_seconds=1.0,
    request_seconds=4.0,
    body_grace=1.5,
    keep_alive_seconds=1,
    send_seconds=2.0,
    connections=40,
)


@pytest.fixture(scope="module")
def quick() -> Iterator[Site]:
    """A server whose patience is short."""
    with Site(limits=QUICK) as opened:
        yield opened


def status(answer: bytes) -> int:
    """The status of an answer; 0 for none."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def get(path: bytes = b"/livez", *headers: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"".join(h + b"\r\n" for h in headers) + b"\r\n"


def post(*headers: bytes) -> bytes:
    head = [b"POST " + RECORDS.encode() + b" HTTP/1.1", b"host: 127.0.0.1", b"content-type: application/json", *headers]
    return b"\r\n".join(head) + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (get(b"/livez", b"x: " + b"y" * 17_000), 431),
        (get(b"/livez", *[b"x%d: 1" % number for number in range(101)]), 431),
        (get(b"/" + b"a" * 17_000), 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"x: " + b"y" * 100_000, 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nhost: 127.0.0.1.evil.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nhost: [::1]:8000\r\n\r\n", 404),
        (b"GET http://evil.example/livez HTTP/1.1\r\nhost: evil.example\r\n\r\n", 421),
        (b"GET http://evil.example/livez HTTP/1.1\r\n" + HOST + b"\r\n", 200),
        (b"GET /livez HTTP/1.0\r\n" + HOST + b"\r\n", 200),
        (b"GET /livez\r\n\r\n", 400),
        (b"BREW /livez HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\x00" * 64, 400),
        (b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (get(b"/%ff%fe"), 404),
        (get(b"/v1/tables/%00"), 404),
        (get(b"/v1/tables/latest?q=%ff%fe"), 200),
        (get(b"/v1/tables/latest?q=%00"), 200),
        (b"GET /livez HTTP/1.1\r\n" + HOST + b"bad name: x\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n" + HOST + b"x: a\rb\r\n\r\n", 400),
        (post(b"content-length: 5", b"content-length: 6") + b"hello", 400),
        (post(b"content-length: 5", b"transfer-encoding: chunked") + b"0\r\n\r\n", 400),
        (post(b"content-length: -1"), 400),
        (post(b"content-length: 99999999999999999999"), 400),
        (post(b"content-length: 9000000"), 413),
        (post(b"transfer-encoding: chunked") + b"zz\r\n", 400),
        (get(b"/livez", b"upgrade: websocket", b"connection: upgrade"), 200),
        (b"TRACE /livez HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ],
    ids=lambda value: str(value[:40]) if isinstance(value, bytes) else "",
)
def test_what_the_wire_may_bring(site: Site, request_: bytes, wanted: int) -> None:
    answer = site.raw(request_, timeout=5)
    assert status(answer) == wanted, answer
    if wanted >= 400:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"application/problem+json" in head
        assert orjson.loads(body)["status"] == wanted
    assert site.client.get("/livez").status_code == 200


def test_slow_headers_end_after_their_deadline(quick: Site) -> None:
    with socket.create_connection(("127.0.0.1", quick.port), timeout=6) as connection:
        began = time.monotonic()
        connection.sendall(b"GET /livez HTTP/1.1\r\n")
        answer = b""
        while not answer and time.monotonic() - began < 5:
            connection.settimeout(0.3)
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                connection.sendall(b"x: y\r\n")
        assert status(answer) == 408
        assert time.monotonic() - began < 4


@pytest.mark.parametrize("said", [b"", b"\r\n"])
def test_silent_connections_end(quick: Site, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", quick.port), timeout=6) as connection:
        connection.sendall(said)
        began = time.monotonic()
        answer = answer_of(connection)
        assert status(answer) in (0, 408)
        assert time.monotonic() - began < 4


def test_a_kept_connection_ends_even_when_it_is_fed_line_breaks(quick: Site) -> None:
    with socket.create_connection(("127.0.0.1", quick.port), timeout=6) as connection:
        connection.sendall(get())
        assert status(answer_of(connection)) == 200
        began = time.monotonic()
        connection.settimeout(0.3)
        ended = False
        while not ended and time.monotonic() - began < 5:
            try:
                connection.sendall(b"\r\n")
                ended = not connection.recv(1000)
            except TimeoutError:
                continue
            except OSError:
                ended = True
        assert ended


def test_a_body_has_a_least_rate_and_a_whole_time(quick: Site) -> None:
    with socket.create_connection(("127.0.0.1", quick.port), timeout=6) as connection:
        connection.sendall(post(b"content-length: 100000") + b"{")
        began = time.monotonic()
        assert status(answer_of(connection)) == 408
        assert 1 < time.monotonic() - began < 4
    with socket.create_connection(("127.0.0.1", quick.port), timeout=6) as connection:
        connection.sendall(post(b"transfer-encoding: chunked"))
        began = time.monotonic()
        connection.settimeout(0.2)
        answer = b""
        while not answer and time.monotonic() - began < 8:
            try:
                connection.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
                answer = connection.recv(65536)
            except TimeoutError:
                continue
        assert status(answer) == 408
        assert time.monotonic() - began < 7


def test_a_body_without_length_stops_at_the_cap(site: Site) -> None:
    process = psutil.Process(os.getpid())
    before = process.memory_info().rss
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(post(b"transfer-encoding: chunked"))
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        sent, answer = 0, b""
        connection.setblocking(False)
        began = time.monotonic()
        while not answer and sent < 100 << 20 and time.monotonic() - began < 10:
            try:
                sent += connection.send(chunk[sent % len(chunk) :])
            except BlockingIOError:
                time.sleep(0.001)
            try:
                answer = connection.recv(65536)
            except BlockingIOError:
                continue
        assert status(answer) == 413
        assert sent < 20 << 20
    assert process.memory_info().rss - before < 40 << 20


def test_early_refusals_are_readable_and_the_connection_lives(site: Site) -> None:
    body = b"x" * 9_000_000
    answer = site.client.post(RECORDS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert site.client.get("/livez").status_code == 200


def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    body = orjson.dumps(sample("piped"))
    one = post(b"content-length: %d" % len(body)) + body
    with socket.create_connection(("127.0.0.1", site.port), timeout=5) as connection:
        connection.sendall(one + get() + one + get(b"/nope"))
        found = b""
        while found.count(b"HTTP/1.1 ") < 4 or not found.endswith(b"}"):
            found += connection.recv(65536)
    assert [int(part[:3]) for part in found.split(b"HTTP/1.1 ")[1:]] == [202, 200, 202, 404]


def test_a_flood_of_connections_meets_a_cap(quick: Site) -> None:
    opened = [socket.create_connection(("127.0.0.1", quick.port), timeout=5) for _ in range(60)]
    try:
        answers = []
        for connection in opened:
            connection.settimeout(0.05)
            try:
                answers.append(status(connection.recv(65536)))
            except TimeoutError:
                answers.append(0)
        assert answers.count(503) >= 15
    finally:
        for connection in opened:
            connection.close()
    wait_for(lambda: status(quick.raw(get())) == 200)


def test_a_download_that_nobody_reads_is_cut_off(quick: Site) -> None:
    for start in range(0, 5000, 500):
        quick.post([sample(f"big-{number}", note="x" * 1000) for number in range(start, start + 500)])
    quick.settle()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", quick.port))
        connection.sendall(get(b"/v1/tables/latest?limit=100000"))
        wait_for(lambda: len(quick.server.server_state.connections) >= 1)
        count = len(quick.server.server_state.connections)
        wait_for(lambda: len(quick.server.server_state.connections) < count, 12)
