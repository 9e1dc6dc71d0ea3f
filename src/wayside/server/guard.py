"""What holds for every request: who may ask (Host, Origin), how answers are marked, and that no fault escapes."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wayside.clock import Clock
from wayside.server.meters import Meter, kind_of
from wayside.server.problems import ProblemError, unexpected

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SAFE = ("GET", "HEAD", "OPTIONS")
COMMON = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
STRICT = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
NO_STORE = (b"cache-control", b"no-store")


def is_loopback(host: str) -> bool:
    """Whether a host, an address in brackets or without, is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """The outermost part of the application. `doors` are the paths of the hot ingest, served without the framework."""

    def __init__(self, app: ASGIApp, clock: Clock, *, hosts: Sequence[str], doors: Mapping[str, ASGIApp]) -> None:
        self.app = app
        self.clock = clock
        self.meters = {kind: Meter(kind) for kind in ("ingest", "query", "live", "health", "page")}
        self.hosts = frozenset(host.lower().encode() for host in (*LOOPBACK, *hosts))
        self.doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, pass on, and mark the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, complete, began = 0, False, self.clock.monotonic()
        door = self.doors.get(scope["path"]) if scope["method"] == "POST" else None

        async def marked(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                mark(message["headers"])
            elif not message.get("more_body", False):
                complete = True
            await send(message)

        try:
            self.check(scope)
            await (door or self.app)(scope, receive, marked)
        except ProblemError as problem:
            await problem.response(scope["path"])(scope, receive, marked)
        except Exception as error:
            if complete:
                return  # the framework has answered and logged it, and raises it again for us
            if status:
                raise
            await unexpected(error, scope["path"])(scope, receive, marked)
        finally:
            kind = "ingest" if door is not None else kind_of(scope["path"])
            self.meters[kind].answered(status, self.clock.monotonic() - began)

    def check(self, scope: Scope) -> None:
        """Refuse requests that a foreign page or a rebound name sends. Raises ProblemError."""
        host = origin = None
        hosts = 0
        for name, value in scope["headers"]:
            if name == b"host":
                host = value.lower()
                hosts += 1
            elif name == b"origin":
                origin = value.lower()
        if host is None or hosts > 1 or bare(host) not in self.hosts:
            raise ProblemError(
                421 if hosts == 1 else 400,
                "This server is not addressed by that name." if host else "The request has no Host header.",
                where="header Host",
                why=f"Names: {', '.join(sorted(name.decode() for name in self.hosts))}.",
                next="Use one of these names, or add yours to the configuration.",
            )
        if origin is not None and scope["method"] not in SAFE and origin.partition(b"://")[2] != host:
            raise ProblemError(
                403,
                "A page of another origin may not change anything here.",
                where="header Origin",
                why="Required: the server's own address.",
            )


def bare(host: bytes) -> bytes:
    """A Host header without its port."""
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() and (b":" not in name or name.endswith(b"]")) else host


def mark(headers: list[tuple[bytes, bytes]]) -> None:
    """Add the headers that every answer carries; a page brings its own policy and its own caching."""
    names = {name for name, _ in headers}
    headers.extend(COMMON)
    if b"content-security-policy" not in names:
        headers.append(STRICT)
    if b"cache-control" not in names:
        headers.append(NO_STORE)
