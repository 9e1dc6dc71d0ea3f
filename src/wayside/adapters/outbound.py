"""Asking a web address, with every step checked: where it leads, how long it takes, what is told to whom."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2

from wayside.adapters.entities import UnusableBodyError
from wayside.adapters.reach import Address, Reach

REDIRECTS = 3
MOVED = (301, 302, 303, 307, 308)
SCHEMES = ("http", "https")
GZIP = "gzip"
MOST_ADDRESSES = 4
"""Addresses of one name that are tried."""


class NotAllowedError(UnusableBodyError):
    """The request would have gone where none may go; nothing was sent there."""


class Outbound:
    """GET requests to one configured address, one at a time; few redirects are followed.

    Names are resolved once per request, and the connection is made to an address that was checked. Nothing is taken
    from the environment: no proxy, no credentials. Other servers that a redirect leads to get none of `headers`. Bodies
    may come packed with gzip and with nothing else, because of others it is not known what they unpack to.
    `connect` and `silence` are seconds: to connect, and without a byte.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], *, connect: float, silence: float, reach: Reach | None = None
    ) -> None:
        self._url = httpx2.URL(url)
        self._headers = dict(headers)
        self._timeout = httpx2.Timeout(silence, connect=connect)
        self._reach = reach or Reach()
        self._client = self._opened()
        self._socket: socket.socket | None = None

    @contextmanager
    def get(self, headers: Mapping[str, str], *, seconds: float, endless: bool = False) -> Iterator[httpx2.Response]:
        """The answer, whose body is still to be read. After `seconds` the connection is cut.

        Of an `endless` answer only the beginning must have come by then.

        Raises NotAllowedError, and httpx2.HTTPError or httpx2.InvalidURL when there is no answer; when it was cut, at
        the latest at the end of the block.
        """
        with ExitStack() as ending:
            cut = threading.Event()
            timer = threading.Timer(seconds, self._cut, (cut,))
            timer.daemon = True
            timer.start()
            ending.callback(timer.cancel)
            url, client = self._url, self._client
            for _ in range(REDIRECTS + 1):
                own = same(self._url, url)
                given = {**self._headers, **headers} if own else {"Accept": headers.get("Accept", "*/*")}
                given["Accept-Encoding"] = GZIP
                response = self._ask(client, url, given, configured=own)
                ending.callback(response.close)
                if response.status_code not in MOVED or "location" not in response.headers:
                    packing(response)
                    if endless:
                        timer.cancel()
                    yield response
                    if cut.is_set():  # a body that ends with its connection looks whole
                        raise httpx2.ReadTimeout(f"The answer took over {seconds:g} s.")
                    return
                url = followed(url, response.headers["location"])
                response.close()
                if origin(url) != origin(self._url):  # another server gets a connection of its own
                    client = ending.enter_context(self._opened())
            raise httpx2.TooManyRedirects(f"The source led on more than {REDIRECTS} times.")

    def _cut(self, cut: threading.Event) -> None:
        cut.set()
        self.hang_up()

    def hang_up(self) -> None:
        """Cut the connection, from any thread: whoever reads from it gets an error."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it has ended by itself

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _opened(self) -> httpx2.Client:
        return httpx2.Client(
            timeout=self._timeout, follow_redirects=False, trust_env=False, limits=httpx2.Limits(max_connections=1)
        )

    def _ask(
        self, client: httpx2.Client, url: httpx2.URL, headers: Mapping[str, str], *, configured: bool
    ) -> httpx2.Response:
        """One request to one of the host's addresses, the next one when it does not answer."""
        host = url.raw_host.decode()
        try:
            addresses, why = self._reach.addresses(host, port_of(url), configured=configured)
        except (OSError, ValueError) as error:
            raise httpx2.ConnectError(f"The name {host!r} is not known: {error}.") from error
        if why:
            raise NotAllowedError("The request is not made.", where=str(url.copy_with(userinfo=b"")), why=why)
        failed: httpx2.HTTPError = httpx2.ConnectError(f"The name {host!r} has no address.")
        for address in addresses[:MOST_ADDRESSES]:
            request = self._request(client, url, address, headers)
            try:
                return client.send(request, stream=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failed = error
        raise failed

    def _request(
        self, client: httpx2.Client, url: httpx2.URL, address: Address, headers: Mapping[str, str]
    ) -> httpx2.Request:
        """A request to an address in the name of a host: its `Host` header, and the certificate that it must show."""
        extensions: dict[str, Any] = {"trace": self._trace, "sni_hostname": url.raw_host.decode()}
        named = {"Host": url.netloc.decode(), **headers}
        return client.build_request("GET", url.copy_with(host=str(address)), headers=named, extensions=extensions)

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember the socket of the newest connection, which may have to be cut before there is an answer."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")


def same(configured: httpx2.URL, url: httpx2.URL) -> bool:
    """Whether an address is of the server that was configured, or of its host over TLS."""
    if origin(url) == origin(configured):
        return True
    return url.raw_host == configured.raw_host and origin(url)[::2] == ("https", 443) and port_of(configured) == 80


def origin(url: httpx2.URL) -> tuple[str, bytes, int]:
    """What tells servers apart."""
    return url.scheme, url.raw_host, port_of(url)


def port_of(url: httpx2.URL) -> int:
    """The port of an address, or that of its scheme."""
    return url.port or (443 if url.scheme == "https" else 80)


def followed(url: httpx2.URL, location: str) -> httpx2.URL:
    """Where a redirect leads. Raises NotAllowedError, httpx2.InvalidURL."""
    target = url.join(location)
    shown = str(target.copy_with(userinfo=b""))[:200]
    if target.scheme not in SCHEMES or not target.raw_host:
        raise NotAllowedError("The source leads to no web address.", where=shown)
    if url.scheme == "https" and target.scheme == "http":
        raise NotAllowedError("The source leads from https to http, where anybody may answer.", where=shown)
    return target.copy_with(userinfo=b"")


def packing(response: httpx2.Response) -> bool:
    """Whether a body is packed. Raises NotAllowedError for what was not asked for."""
    name = response.headers.get("content-encoding", "").strip().lower()
    if name not in ("", "identity", GZIP, "x-gzip"):
        raise NotAllowedError(
            "The answer is packed in a way that was not asked for.", why=f"Content-Encoding: {name[:40]}."
        )
    return name not in ("", "identity")
