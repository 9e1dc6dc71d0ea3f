"""A server of this machine that answers as it is told to, well or badly, and remembers what it was asked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import polars as pl

from wayside.values import Appended, Receipt

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request: the next of the scripted answers, the last one again and again."""

    protocol_version = "HTTP/1.1"
    server: Stranger

    def do_GET(self) -> None:
        with self.server.lock:
            number = len(self.server.asked)
            self.server.asked.append((time.monotonic(), {key.lower(): value for key, value in self.headers.items()}))
        answers = self.server.answers
        with suppress(BrokenPipeError, ConnectionResetError):
            answers[min(number, len(answers) - 1)](self)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def give(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        """An answer with its length, or with another one than it has."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def hang_up(self) -> None:
        """No answer at all."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def stream(self, *pieces: bytes, hold: float = 0.0, **headers: str) -> None:
        """Server-sent events in pieces, then the end of the connection, `hold` seconds later."""
        self.send_response(200)
        self.send_header("Content-Type", headers.pop("content_type", "text/event-stream"))
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(0.001)
        until = time.monotonic() + hold
        while time.monotonic() < until and not self.server.closing.is_set():
            time.sleep(0.01)
        self.close_connection = True


class Stranger(ThreadingHTTPServer):
    """Opened by `with`; `answers` are given one after the other."""

    daemon_threads = True

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.asked: list[tuple[float, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/feed"

    def __enter__(self) -> Stranger:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


class Kept:
    """An intake that keeps what it is given; `broken` says how often it fails first."""

    feed, topic = "kept", "kept"

    def __init__(self, broken: int = 0) -> None:
        self.lines: list[bytes] = []
        self.ids: list[str] = []
        self.broken = broken

    def submit(self, lines: Any, *, ids: Any = None) -> Future[Receipt]:
        done: Future[Receipt] = Future()
        if self.broken:
            self.broken -= 1
            done.set_exception(OSError("the log is down"))
            return done
        self.lines += lines
        self.ids += ids or []
        places = pl.Series([0] * len(lines), dtype=pl.Int64)
        done.set_result(Receipt(Appended(places, places)))
        return done


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
