"""Requests to other servers: where they may lead, what they carry, and when they end."""

from __future__ import annotations

import gzip
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from tests.unit.adapters.strangers import Answer, Handler, Stranger
from wayside.adapters.entities import UnusableBodyError
from wayside.adapters.fetching import Fetcher, Limits
from wayside.adapters.outbound import NotAllowedError, Outbound, followed
from wayside.adapters.reach import Reach, networks
from wayside.clock import SYSTEM

DAY = timedelta(days=1)
KEY = {"X-Api-Key": "secret", "Authorization": "Bearer secret"}


def good(handler: Handler) -> None:
    handler.give(200, b"good")


def leading_to(location: str, status: int = 302) -> Answer:
    return lambda handler: handler.give(status, Location=location)


@pytest.fixture
def canary() -> Iterator[Stranger]:
    with Stranger(good) as server:
        yield server


def ask(url: str, reach: Reach | None = None, *, seconds: float = 30, endless: bool = False) -> bytes:
    outbound = Outbound(url, KEY, connect=5, silence=5, reach=reach)
    try:
        with outbound.get({}, seconds=seconds, endless=endless) as response:
            return response.read()
    finally:
        outbound.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_server_may_lead_on_to_itself(status: int) -> None:
    with Stranger(leading_to("/elsewhere", status), good) as server:
        assert ask(server.url) == b"good"
        assert [headers.get("x-api-key") for _, headers in server.asked] == ["secret"] * 2


LOCATIONS = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "//127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://user:word@127.0.0.1:{port}/",
    "http://8.8.8.8@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/#@8.8.8.8/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::1]:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::]:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
    "data:text/plain,good",
]


@pytest.mark.parametrize("location", LOCATIONS)
def test_no_redirect_leads_into_our_own_network(canary: Stranger, location: str) -> None:
    with Stranger(leading_to(location.format(port=canary.server_address[1]))) as server:
        with pytest.raises((NotAllowedError, httpx2.HTTPError, httpx2.InvalidURL)):
            ask(server.url)
        assert len(server.asked) == 1
    assert canary.asked == []


def test_one_may_be_allowed_and_is_told_no_secret(canary: Stranger) -> None:
    with Stranger(leading_to(canary.url)) as server:
        assert ask(server.url, Reach(networks(["127.0.0.0/8"], where="here"))) == b"good"
    ((_, headers),) = canary.asked
    assert not {"x-api-key", "authorization"} & headers.keys()
    assert headers["host"] == f"127.0.0.1:{canary.server_address[1]}"


def test_few_redirects_are_followed() -> None:
    with Stranger(leading_to("/again")) as server:
        with pytest.raises(httpx2.TooManyRedirects, match="3 times"):
            ask(server.url)
        assert len(server.asked) == 4


def test_tls_is_not_given_up() -> None:
    safe = httpx2.URL("https://feeds.example/a")
    assert str(followed(safe, "/b")) == "https://feeds.example/b"
    assert str(followed(safe, "https://u:p@other.example/")) == "https://other.example/"
    with pytest.raises(NotAllowedError, match="from https to http"):
        followed(safe, "http://feeds.example/a")


def test_metadata_addresses_cannot_be_configured_either() -> None:
    with pytest.raises(NotAllowedError, match="which no source has"):
        ask("http://169.254.169.254/latest/meta-data/")


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2", "127.0.0.1"]  # nobody listens at the first

    with Stranger(good) as server:
        port = server.server_address[1]
        assert ask(f"http://feed.invalid:{port}/", Reach(resolver=resolver)) == b"good"
        assert server.asked[0][1]["host"] == f"feed.invalid:{port}"
    assert asked == ["feed.invalid"]


def test_tls_is_asked_for_by_name_and_a_strange_certificate_is_refused(tmp_path: Path) -> None:
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path / "own.pem", "feed.invalid"))
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with Stranger(good) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with pytest.raises(httpx2.ConnectError, match=r"(?i)certificate"):
            ask(f"https://feed.invalid:{server.server_address[1]}/", Reach(resolver=lambda host, port: ["127.0.0.1"]))
        assert server.asked == []
    assert names == ["feed.invalid"]


def certificate(path: Path, name: str) -> Path:
    """A certificate that nobody has signed but itself, with its key."""
    x509 = pytest.importorskip("cryptography.x509")
    ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    shapes = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    key, now = ec.generate_private_key(ec.SECP256R1()), SYSTEM.now()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    built = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now, now + DAY)
    signed = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    text = signed.sign(key, hashes.SHA256()).public_bytes(shapes.Encoding.PEM)
    private = key.private_bytes(shapes.Encoding.PEM, shapes.PrivateFormat.PKCS8, shapes.NoEncryption())
    path.write_bytes(text + private)
    return path


def test_names_that_lead_nowhere_are_no_answer() -> None:
    with pytest.raises(httpx2.ConnectError, match="has no address"):
        ask("http://feed.invalid/", Reach(resolver=lambda host, port: []))
    with pytest.raises(httpx2.ConnectError, match="is not known"):
        ask("http://feed.invalid/", Reach(resolver=lambda host, port: ["nonsense"]))


def test_no_proxy_of_the_environment_is_asked(canary: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, canary.url)
    with Stranger(good) as server:
        assert ask(server.url) == b"good"
    assert canary.asked == []


def dripping(handler: Handler) -> None:
    """Headers that never end, a few bytes at a time."""
    until = time.monotonic() + 60
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while time.monotonic() < until and not handler.server.closing.is_set():
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.02)


def test_headers_that_never_end_are_cut_off() -> None:
    with Stranger(dripping) as server:
        fetcher = Fetcher(server.url, {}, Limits(whole=0.5), SYSTEM)
        with pytest.raises(UnusableBodyError, match=r"took over 0\.5 s"):
            fetcher.fetch()
        fetcher.close()


def lasting(handler: Handler) -> None:
    """An answer that begins at once and ends later."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    for _ in range(7):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.5)
    handler.close_connection = True


def test_of_an_endless_answer_only_the_beginning_has_a_limit() -> None:
    with Stranger(lasting) as server:
        assert ask(server.url, seconds=3, endless=True) == b"x" * 7
    for answer, endless in ((dripping, True), (lasting, False)):
        with Stranger(answer) as server, pytest.raises(httpx2.HTTPError):
            ask(server.url, seconds=0.5, endless=endless)
    with pytest.raises(UnusableBodyError, match=r"took over 0\.5 s"):
        fetched(lasting, limits=Limits(whole=0.5))


def packed(body: bytes, encoding: str = "gzip") -> Answer:
    return lambda handler: handler.give(200, body, Content_Encoding=encoding)


def fetched(*answers: Answer, limits: Limits | None = None) -> bytes | None:
    with ExitStack() as ending:
        server = ending.enter_context(Stranger(*answers))
        fetcher = Fetcher(server.url, {}, limits or Limits(), SYSTEM)
        ending.callback(fetcher.close)
        return fetcher.fetch()


def test_what_is_packed_is_unpacked() -> None:
    text = bytes(range(256)) * 3000
    assert fetched(packed(gzip.compress(text))) == text
    assert fetched(packed(gzip.compress(text[:1000]) + gzip.compress(text[1000:]), "x-gzip")) == text
    assert fetched(packed(gzip.compress(b""))) == b""


def test_bombs_are_stopped_while_they_unfold() -> None:
    bomb = gzip.compress(bytes(300 << 20), 9)
    with pytest.raises(UnusableBodyError, match="more than 100 times"):
        fetched(packed(bomb), limits=Limits(size=1 << 40))
    with pytest.raises(UnusableBodyError, match="has more than 1000 bytes"):
        fetched(packed(bomb), limits=Limits(size=1000))


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "compress"])
def test_what_was_not_asked_for_is_not_unpacked(encoding: str) -> None:
    with pytest.raises(NotAllowedError, match="packed in a way that was not asked for"):
        fetched(packed(b"anything", encoding))
