"""Fetching a document within limits of size and time, and only when it has changed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx2

from wayside.adapters.entities import UnusableBodyError
from wayside.adapters.waiting import retry_after
from wayside.clock import Clock
from wayside.errors import ConfigError

REFERENCE = re.compile(r"\$\{env:(\w+)\}")
REDIRECTS = 3


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

    def __init__(self, url: str, headers: Mapping[str, str], limits: Limits, clock: Clock) -> None:
        self._url = url
        self._limits = limits
        self._clock = clock
        self.validators: dict[str, str] = {}
        """Headers by which the server knows which document is here already."""
        self._waiting: dict[str, str] = {}
        self._client = client(headers, limits)

    def fetch(self) -> bytes | None:
        """The document, or null when it has not changed.

        Raises RefusedError for an answer that is none, UnusableBodyError for one that breaks a limit or is cut off, and
        httpx2.HTTPError when there is no answer.
        """
        content = bytearray()
        return bytes(content) if self._receive(content.extend) else None

    def download(self, path: Path) -> bool:
        """Write the document to a file as it comes; false when it has not changed. Raises as `fetch`, and OSError."""
        with path.open("wb") as file:
            return self._receive(file.write)

    def _receive(self, take: Callable[[bytes], object]) -> bool:
        until, size = self._clock.monotonic() + self._limits.whole, 0
        try:
            with self._client.stream("GET", self._url, headers=self.validators) as response:
                if response.status_code == 304:
                    return False
                if response.status_code != 200:
                    raise self._refusal(response, self._clock.now())
                for piece in response.iter_bytes():
                    size += len(piece)
                    if size > self._limits.size:
                        raise UnusableBodyError(
                            f"The document has more than {self._limits.size} bytes.", where=self._url
                        )
                    if self._clock.monotonic() > until:
                        raise UnusableBodyError(f"The document took over {self._limits.whole:g} s.", where=self._url)
                    take(piece)
                self._waiting = validators(response.headers)
                return True
        except httpx2.DecodingError as error:
            raise UnusableBodyError("The document is packed, and damaged.", where=self._url, why=str(error)) from error

    def good(self) -> None:
        """The document that came last was of use: from now on only a newer one is wanted."""
        self.validators = self._waiting

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _refusal(self, response: httpx2.Response, now: datetime) -> RefusedError:
        after = retry_after(response.headers.get("retry-after"), now)
        return RefusedError(f"The source answered {response.status_code}.", where=self._url, after=after)


def client(headers: Mapping[str, str], limits: Limits) -> httpx2.Client:
    """A client that follows few redirects and takes no proxy or credentials from the environment."""
    return httpx2.Client(
        headers={name: resolved(value) for name, value in headers.items()},
        timeout=httpx2.Timeout(limits.silence, connect=limits.connect),
        follow_redirects=True,
        max_redirects=REDIRECTS,
        trust_env=False,
        limits=httpx2.Limits(max_connections=1),
    )


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
