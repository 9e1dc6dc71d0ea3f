"""Request bodies: read up to a cap, decompressed under a cap and a ratio, never deeper than one encoding."""

from __future__ import annotations

import asyncio
import functools
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import msgspec
import pyarrow as pa
from starlette.types import Receive

from wayside.server.limits import MIB, Limits
from wayside.server.problems import ProblemError

T = TypeVar("T")
ENCODINGS = ("gzip", "zstd")
STEP = 256 * 1024
LARGE = 64 * 1024
"""Compressed bytes beyond which another thread unpacks them."""
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_WINDOW = 8 * MIB
"""RFC 9659: a zstd body may not need a larger window."""


class Budget:
    """Bytes of bodies that are being read, all clients together. Used from the event loop only."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held = 0

    def take(self, size: int) -> None:
        """Count bytes that have come. Raises ProblemError 503 when all clients together hold too many."""
        self.held += size
        if self.held > self.limits.pending_bytes:
            raise ProblemError(
                503,
                "Too many bytes of bodies are on their way at once.",
                why=f"At most {self.limits.pending_bytes // MIB} MiB, all clients together.",
                next="Retry after 1 s.",
                headers={"Retry-After": "1"},
            )


class ClientLeftError(ProblemError):
    """The client closed the connection before its body was complete; the answer goes nowhere."""

    def __init__(self) -> None:
        super().__init__(400, "The body was not complete.")


def too_large(cap: int, *, what: str = "body") -> ProblemError:
    """The answer to a body over its cap."""
    size = f"{cap // MIB} MiB" if cap % MIB == 0 else f"{cap:,} bytes"
    return ProblemError(
        413,
        f"The {what} is larger than {size}.",
        why="The limit counts decompressed bytes.",
        next="Send fewer records per request.",
    )


def declared_length(value: bytes | None, cap: int) -> None:
    """Refuse by Content-Length before the first byte is read."""
    if value is not None and value.isdigit() and (len(value) > 18 or int(value) > cap):
        raise too_large(cap)


async def collect(receive: Receive, cap: int, budget: Budget) -> bytes:
    """The whole body as it was sent.

    Raises ProblemError 413 over `cap` and 503 over the budget, ClientLeftError when the client is gone.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] != "http.request":
        raise ClientLeftError
    if len(body) > cap:
        raise too_large(cap)
    if not message.get("more_body", False):
        return body
    size = 0
    parts: list[bytes] = []
    try:
        while True:
            parts.append(body)
            size += len(body)
            budget.take(len(body))
            if size > cap:
                raise too_large(cap)
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await receive()
            if message["type"] != "http.request":
                raise ClientLeftError
            body = message.get("body", b"")
    finally:
        budget.held -= size


def encoding(header: bytes | None) -> str | None:
    """The one encoding of a body. Raises ProblemError 415 for others and for encodings within encodings."""
    if header is None:
        return None
    name = header.decode("latin-1").strip().lower()
    if name in ("", "identity"):
        return None
    if name in ENCODINGS:
        return name
    nested = "," in name
    raise ProblemError(
        415,
        "The body is encoded more than once." if nested else f"The content encoding {name[:40]!r} is not understood.",
        where="header Content-Encoding",
        why="Required: gzip or zstd, once, or none.",
        headers={"Accept-Encoding": "gzip, zstd"},
    )


def decompress(body: bytes, name: str, cap: int, limits: Limits) -> bytes:
    """The decoded body. Raises ProblemError: 413 over the cap or the ratio, 400 for a broken stream."""
    if name == "zstd":
        check_window(body)
    stream = gunzip(body) if name == "gzip" else unzstd(body)
    parts, size = [], 0
    try:
        for part in stream:
            size += len(part)
            if size > cap:
                raise too_large(cap)
            if size > limits.ratio_after and size > limits.ratio * len(body):
                raise ProblemError(
                    413,
                    f"The body decompresses to more than {limits.ratio} times its size.",
                    why="Records do not compress like that; bombs do.",
                    next="Send it uncompressed, or in smaller requests.",
                )
            parts.append(part)
    except (zlib.error, OSError, EOFError) as error:
        raise ProblemError(
            400,
            f"The body is not valid {name}: {str(error)[:200]}.",
            where="body",
            why="The stream is broken or cut off.",
        ) from error
    return b"".join(parts)


def gunzip(body: bytes) -> Iterator[bytes]:
    """Pieces of a gzip stream; several members are one body."""
    left = body
    while True:
        reader = zlib.decompressobj(wbits=31)
        while not reader.eof:
            part = reader.decompress(left, STEP)
            left = reader.unconsumed_tail
            if not part and not left and not reader.eof:
                raise EOFError("it ends too early")
            yield part
        left = reader.unused_data
        if not left:
            return


def unzstd(body: bytes) -> Iterator[bytes]:
    """Pieces of a zstd stream."""
    with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
        if not body:
            raise EOFError("it is empty")
        while part := stream.read(STEP):
            yield part


def check_window(body: bytes) -> None:
    """Refuse a zstd frame that asks for a large window, which is memory before the first byte comes out."""
    if not body.startswith(ZSTD_MAGIC) or len(body) < 6:
        return
    if body[4] & 0x20:  # a single segment: its window is its size, which the cap bounds
        return
    exponent, mantissa = body[5] >> 3, body[5] & 7
    base = 1 << (10 + exponent)
    if base + (base >> 3) * mantissa > ZSTD_WINDOW:
        raise ProblemError(
            413, "The zstd body asks for a window larger than 8 MiB.", why="RFC 9659 allows no larger one."
        )


async def read(receive: Receive, headers: Mapping[bytes, bytes], budget: Budget, *, lines: bool) -> bytes:
    """The decoded body of a request for records: NDJSON and arrays up to the batch cap, one object up to its own."""
    limits = budget.limits
    name = encoding(headers.get(b"content-encoding"))
    declared_length(headers.get(b"content-length"), limits.body_batch)
    body = await collect(receive, limits.body_batch, budget)
    if name is not None:
        unpack = functools.partial(decompress, body, name, limits.body_batch, limits)
        body = await asyncio.to_thread(unpack) if len(body) > LARGE else unpack()
    if len(body) > limits.body_single and not lines and body.lstrip()[:1] != b"[":
        raise too_large(limits.body_single, what="record")
    return body


def decoded(decode: Callable[[bytes], T], raw: bytes, *, why: str = "", next: str = "") -> T:
    """A body of JSON as what `decode` makes of it, which is msgspec's. Raises ProblemError.

    400 for broken JSON, 422 for a wrong shape, with what would be right as `why` or `next`.
    """
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise ProblemError(422, f"{error}.", where="body", why=why, next=next) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(400, f"The body is not valid JSON: {str(error)[:200]}.", where="body") from error
    except RecursionError as error:
        raise ProblemError(400, "The body is nested too deeply.", where="body") from error
