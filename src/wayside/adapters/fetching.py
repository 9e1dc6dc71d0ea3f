"""Fetching a document within limits of size and time, and only when it has changed."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx2

from wayside.adapters.entities import UnusableBodyError
from wayside.adapters.outbound import Outbound, packing
from wayside.adapters.reach import Reach
from wayside.adapters.waiting import retry_after
from wayside.clock import Clock
from wayside.errors import ConfigError

REFERENCE = re.compile(r"\$\{env:(\w+)\}")
RATIO, RATIO_AFTER = 100, 1 << 20
"""Bytes that one packed byte may become, once so many have come out."""
PIECE = 256 << 10
"""Bytes that are unpacked at a time."""


@dataclass(frozen=True)
class Limits:
    """Seconds to connect, without a byte, and in all; bytes of a document after it has been unpacked."""

    connect: float = 5.0
    silence: float = 15.0
    whole: float = 60.0
    size: int = 64 << 20


class RefusedError(UnusableBodyError):
    """The source answered that it will not; `after` are the seconds that it asks for, if it does."""

    def __init__(self, what: str, *, where: str, after: float | None) -> None:
        super().__init__(what, where=where)
        self.after = after


class Fetcher:
    """One address. Remembers the validators of the last good document, so that an unchanged one is not sent again."""

    def __init__(
        self, url: str, headers: Mapping[str, str], limits: Limits, clock: Clock, *, reach: Reach | None = None
    ) -> None:
        self._url = url
        self._limits = limits
        self._clock = clock
        self.validators: dict[str, str] = {}
        """Headers by which the server knows which document is here already."""
        self._waiting: dict[str, str] = {}
        own = {name: resolved(value) for name, value in headers.items()}
        self._outbound = Outbound(url, own, connect=limits.connect, silence=limits.silence, reach=reach)

    def fetch(self) -> bytes | None:
        """The document, or null when it has not changed.

        Raises RefusedError for an answer that is none, UnusableBodyError for one that breaks a limit, is cut off or
        would come from where nothing may be fetched, and httpx2.HTTPError when there is no answer.
        """
        content = bytearray()
        return bytes(content) if self._receive(content.extend) else None

    def download(self, path: Path) -> bool:
        """Write the document to a file as it comes; false when it has not changed. Raises as `fetch`, and OSError."""
        with path.open("wb") as file:
            return self._receive(file.write)

    def _receive(self, take: Callable[[bytes], object]) -> bool:
        until, size = self._clock.monotonic() + self._limits.whole, 0
        late = UnusableBodyError(f"The document took over {self._limits.whole:g} s.", where=self._url)
        try:
            with self._outbound.get(self.validators, seconds=self._limits.whole) as response:
                if response.status_code == 304:
                    return False
                if response.status_code != 200:
                    raise self._refusal(response, self._clock.now())
                for piece in unpacked(response):
                    size += len(piece)
                    self._bounded(size, response.num_bytes_downloaded)
                    if self._clock.monotonic() > until:
                        raise late
                    take(piece)
                self._waiting = validators(response.headers)
                return True
        except (zlib.error, EOFError) as error:
            raise UnusableBodyError("The document is packed, and damaged.", where=self._url, why=str(error)) from error
        except httpx2.HTTPError as error:  # the connection is cut when the time is over, wherever it is then
            if self._clock.monotonic() > until:
                raise late from error
            raise

    def _bounded(self, size: int, received: int) -> None:
        """Raises UnusableBodyError for a document that is too large, or larger than honest packing makes it."""
        if size > self._limits.size:
            raise UnusableBodyError(f"The document has more than {self._limits.size} bytes.", where=self._url)
        if size > RATIO_AFTER and size > RATIO * received:
            raise UnusableBodyError(f"The document unpacks to more than {RATIO} times its size.", where=self._url)

    def good(self) -> None:
        """The document that came last was of use: from now on only a newer one is wanted."""
        self.validators = self._waiting

    def close(self) -> None:
        """End the connection."""
        self._outbound.close()

    def _refusal(self, response: httpx2.Response, now: datetime) -> RefusedError:
        after = retry_after(response.headers.get("retry-after"), now)
        return RefusedError(f"The source answered {response.status_code}.", where=self._url, after=after)


def unpacked(response: httpx2.Response) -> Iterator[bytes]:
    """The body in pieces of bounded size, unpacked. Raises zlib.error, EOFError, NotAllowedError, httpx2.HTTPError."""
    if not packing(response):
        yield from response.iter_raw()
        return
    reader = zlib.decompressobj(wbits=31)
    for raw in response.iter_raw():
        left = raw
        while left:
            if reader.eof:  # several members are one document
                reader = zlib.decompressobj(wbits=31)
            yield reader.decompress(left, PIECE)
            left = reader.unconsumed_tail or reader.unused_data
    while not reader.eof:
        piece = reader.decompress(b"", PIECE)
        if not piece:
            raise EOFError("It ends too early.")
        yield piece


def validators(headers: httpx2.Headers) -> dict[str, str]:
    """The headers with which to ask for a newer document only."""
    pairs = (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since"))
    return {ask: headers[given] for given, ask in pairs if given in headers}


def resolved(value: str) -> str:
    """A header's value with `${env:NAME}` filled in. Raises ConfigError for a variable that is not there."""

    def variable(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(
                f"The environment variable {match[1]} is not set.",
                where="headers of a feed",
                next=f"Set {match[1]}, or take the header out.",
            )
        return os.environ[match[1]]

    return REFERENCE.sub(variable, value)
