"""How far the reader of a connection has come: what the kernel still holds for it, and what it has taken.

A reader that has died keeps its connection open, and the kernel keeps up to a quarter of a megabyte for it. Whether our
own buffer is full tells nothing until then, so the kernel is asked, where it can be (Linux).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
import termios
from dataclasses import dataclass

ACKED = 120
"""Where `tcpi_bytes_acked` lies in the kernel's `tcp_info`."""


@dataclass
class Mark:
    """Where a reader was at a moment, and how far it would be had it taken everything that waited then."""

    since: float
    taken: int
    waiting: int


def standing(transport: asyncio.Transport) -> tuple[int, int]:
    """Bytes that wait for the reader, and bytes that it has taken so far (or a number that grows like them)."""
    buffered = transport.get_write_buffer_size()
    found = transport.get_extra_info("socket")
    if sys.platform != "linux" or found is None:
        return buffered, -buffered
    try:
        queued = struct.unpack("i", fcntl.ioctl(found.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
        if not queued and not buffered:
            return 0, 0
        info = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except OSError:
        return 0, 0  # the connection has just ended
    return buffered + queued, struct.unpack_from("Q", info, ACKED)[0] if len(info) >= ACKED + 8 else -buffered


def cut(transport: asyncio.Transport) -> None:
    """End a connection together with what the kernel holds for it.

    Closed in the ordinary way, the kernel would go on offering that to a dead reader for many minutes.
    """
    found = transport.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):  # it has just ended by itself
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def judge(mark: Mark | None, transport: asyncio.Transport, now: float, *, seconds: float, rate: int) -> Mark | None:
    """The mark to keep; raises TimeoutError for a reader that took less than `rate` bytes/s of what waited.

    A reader that has taken everything that waited is fine, however little that was, and time counts from there.
    """
    waiting, taken = standing(transport)
    if not waiting:
        return None
    if mark is None:
        return Mark(now, taken, waiting)
    progress = taken - mark.taken
    if progress >= mark.waiting:
        return Mark(now, taken, waiting)
    if now - mark.since <= seconds:
        return mark
    if progress < rate * (now - mark.since):
        raise TimeoutError(f"{waiting} bytes wait, {progress} were taken in {now - mark.since:.0f} s")
    return Mark(now, taken, waiting)
