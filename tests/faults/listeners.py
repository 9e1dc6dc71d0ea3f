"""Many subscribers of the live stream in one thread, some of which never read a byte."""

from __future__ import annotations

import contextlib
import re
import select
import selectors
import socket
import threading
import time
from pathlib import Path

MARK = re.compile(rb"mark (\d+\.\d+);")


def connect(port: int, path: str, *, receive: int | None = None) -> socket.socket:
    """A connection that has asked for the stream. `receive` bounds what the kernel keeps for it."""
    client = socket.socket()
    if receive is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode())
    return client


class Readers:
    """Subscribers that read; each note of time in what they read gives the delay of its delivery."""

    def __init__(self, clients: list[socket.socket]) -> None:
        self.received = dict.fromkeys(clients, 0)
        self.gone: list[socket.socket] = []
        self.delays: list[float] = []
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        for client in clients:
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select(0.1):
                client = key.fileobj
                assert isinstance(client, socket.socket)
                with contextlib.suppress(BlockingIOError):
                    data = self._read(client)
                    if data:
                        self.received[client] += len(data)
                        now = time.time()
                        self.delays += [now - float(found) for found in MARK.findall(data)]
                    else:
                        self.gone.append(client)
                        self._selector.unregister(client)

    def _read(self, client: socket.socket) -> bytes:
        try:
            return client.recv(1 << 18)
        except ConnectionError:
            return b""

    def stop(self) -> None:
        self._stopping = True
        self._thread.join()
        for client in self.received:
            client.close()

    def quantile(self, share: float) -> float:
        """A quantile of the delays so far, in seconds."""
        ordered = sorted(self.delays)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Dead:
    """Subscribers that never read. Whether the server has let go of one is seen without reading."""

    def __init__(self, clients: list[socket.socket]) -> None:
        self.clients = clients

    def held(self) -> int:
        """How many connections the server still keeps."""
        poll = select.poll()
        for client in self.clients:
            poll.register(client, select.POLLRDHUP)
        ended = poll.poll(0)
        return len(self.clients) - len(ended)

    def close(self) -> None:
        for client in self.clients:
            client.close()


def tcp_memory() -> int:
    """Bytes that the kernel holds for all TCP connections of this machine."""
    line = next(line for line in Path("/proc/net/sockstat").read_text().splitlines() if line.startswith("TCP:"))
    words = line.split()
    return int(words[words.index("mem") + 1]) * 4096
