"""What holds for every answer: who may ask, security headers, problems, faults, methods, and the page."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from server_site import RECORDS, Site, sample
from wayside.errors import ConfigError
from wayside.server.guard import bare
from wayside.server.limits import Limits
from wayside.server.serve import check_address, listen

MEMBERS = {"type", "title", "status", "detail", "where", "why", "next", "instance"}


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a built page and a name of its own."""
    folder = tmp_path_factory.mktemp("dist")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<!doctype html><title>Page</title><script src=/assets/a.js></script>")
    (folder / "assets" / "a.js").write_text("console.log(1);" * 200)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder.parent / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    with Site(pages=folder, hosts=("wayside.test",)) as opened:
        yield opened


@pytest.mark.parametrize(
    "path", ["/v1/status", "/v1/tables/latest", "/nope.txt", "/metrics", "/v1/tables/nope", "/docs"]
)
def test_every_answer_carries_the_headers(paged: Site, path: str) -> None:
    headers = paged.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'" if path.startswith(("/v1", "/m", "/n")) else "default-src 'self'")


def test_the_pages_policy_runs_our_own_scripts_only(paged: Site) -> None:
    for path in ("/", "/devices", "/d/weather", "/docs"):
        answer = paged.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        parts = answer.headers["content-security-policy"].split("; ")
        assert {
            "default-src 'self'",
            "script-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "connect-src 'self'",
            "require-trusted-types-for 'script'",
        } <= set(parts)
        assert answer.headers["cache-control"] == "no-cache"


def test_assets_are_kept_for_ever_and_squeezed(paged: Site) -> None:
    answer = paged.client.get("/assets/a.js", headers={"accept-encoding": "gzip"})
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text.startswith("console.log")
    plain = paged.client.get("/assets/a.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == gzip.decompress(gzip.compress(answer.content))
    again = paged.client.get("/assets/a.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/../../secret.txt",
        "/link.txt",
        "//etc/passwd.txt",
        "/assets/nope.js",
        "/docs/nope.js",
        "/static/docs.js",
    ],
)
def test_no_address_leads_out_of_the_folder(paged: Site, path: str) -> None:
    answer = paged.raw(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
    assert b" 404 " in answer.splitlines()[0]
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2].replace(b"secret.txt", b"")


def test_a_rebuilt_page_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("old")
    with Site(pages=tmp_path) as site:
        assert site.client.get("/").text == "old"
        (tmp_path / "index.html").write_text("new")
        import os

        os.utime(tmp_path / "index.html", (1, 1))
        assert site.client.get("/devices").text in ("old", "new")
        assert site.client.get("/").text == "new"


def test_without_a_page_it_says_so(site: Site) -> None:
    answer = site.client.get("/")
    assert answer.status_code == 404
    assert answer.json()["next"] == "Run `make setup`; the API is at /docs."
    assert site.client.get("/docs").status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("[::1]", 200),
        ("[::1]:8000", 200),
        ("wayside.test", 200),
        ("wayside.test:443", 200),
        ("wayside.test.evil.example", 421),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("127.0.0.1:x", 421),
        ("0.0.0.0", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_only_known_names_are_answered(paged: Site, host: str, status: int) -> None:
    assert paged.client.get("/livez", headers={"host": host}).status_code == status


def test_only_our_own_page_may_change_anything(paged: Site) -> None:
    own = f"http://127.0.0.1:{paged.port}"
    assert paged.post([sample()], origin=own).status_code == 202
    assert paged.post([sample()]).status_code == 202
    for origin in ("null", "https://evil.example", "http://127.0.0.1", "http://localhost:" + str(paged.port), ""):
        assert paged.post([sample()], origin=origin).status_code == 403, origin
        assert paged.client.get("/v1/status", headers={"origin": origin}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", RECORDS, "GET, HEAD, POST"),
        ("DELETE", "/v1/tables/latest", "GET, HEAD"),
        ("POST", "/v1/live", "GET, HEAD"),
        ("GET", "/api/sample", "POST"),
        ("GET", "/v1/quarantine/replay", "POST"),
        ("POST", "/v1/status", "GET"),
        ("PATCH", "/livez", "GET"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_there_names_those_that_are(paged: Site, method: str, path: str, allow: str) -> None:
    answer = paged.client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    assert set(answer.json()) == MEMBERS


@pytest.mark.parametrize("path", ["/api/fails", "/api/panics"])
def test_a_fault_of_ours_shows_nothing_of_its_inside(site: Site, path: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = site.client.get(path)
    assert answer.status_code == 500
    assert set(answer.json()) == MEMBERS
    assert "4711" not in answer.text
    assert "Traceback" not in answer.text
    assert "4711" in caplog.text
    assert len(caplog.records) == 1
    assert site.client.get("/livez").status_code == 200


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "", "10.0.0.1", "[::]", "127.0.0.1.nip.io"]
)
def test_no_address_but_the_loopback_interface_is_listened_on(host: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_address(host)
    assert "only this machine may connect" in refused.value.why
    with pytest.raises(ConfigError):
        listen(host, 0, Limits())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.2"])
def test_the_loopback_interface_is(host: str) -> None:
    check_address(host)
    if "::" not in host:
        listen(host, 0, Limits()).close()


def test_connections_hold_little_kernel_memory() -> None:
    import socket

    listener = listen("127.0.0.1", 0, Limits())
    # Linux doubles what is asked for.
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * Limits().send_buffer
    listener.close()


@pytest.mark.parametrize(
    ("host", "name"),
    [(b"a:80", b"a"), (b"[::1]:80", b"[::1]"), (b"[::1]", b"[::1]"), (b"::1", b"::1"), (b"a:", b"a:"), (b"a", b"a")],
)
def test_a_host_without_its_port(host: bytes, name: bytes) -> None:
    assert bare(host) == name
