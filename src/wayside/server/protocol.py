"""uvicorn's HTTP protocol under the house's limits: headers, bodies, silence and dead readers have their bounds.

uvicorn has no deadline for slow headers or bodies, no cap on headers, and keeps a connection whose reader has died. One
sweep per second over all connections enforces what a timer per request would cost too much for.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from wayside.server import meters
from wayside.server.limits import Limits
from wayside.server.problems import MEDIA_TYPE, phrase
from wayside.server.readers import Mark, cut, judge

log = logging.getLogger(__name__)

SWEEP = 1.0
LINGER = 2.0
"""Seconds in which a refused client may read why; what it still sends is thrown away."""
Phase = Literal["idle", "head", "body", "answer", "refused"]


class RefusedError(Exception):
    """Ends parsing; what to answer is kept in `Bounded.refusal`."""


@dataclass(frozen=True)
class Refusal:
    """Why a connection is ended before its request reached the application."""

    status: int
    detail: str
    why: str = ""

    def response(self) -> bytes:
        """The answer as it goes onto the wire."""
        title = phrase(self.status)
        body = orjson.dumps(
            {
                "type": f"urn:wayside:problem:{title.lower().replace(' ', '-')}",
                "title": title,
                "status": self.status,
                "detail": self.detail,
                "where": "request",
                "why": self.why,
                "next": "",
                "instance": "",
            }
        )
        retry = "retry-after: 1\r\n" if self.status == 503 else ""
        head = (
            f"HTTP/1.1 {self.status} {title}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            f"x-content-type-options: nosniff\r\n{retry}connection: close\r\n\r\n"
        )
        return head.encode() + body


BROKEN = Refusal(400, "The request is not valid HTTP.")


class Bounded(HttpToolsProtocol):
    """One connection. `limits` is set by `bounded` below."""

    limits: Limits

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.phase: Phase = "head"
        self.since = 0.0
        self.head_bytes = 0
        self.head_count = 0
        self.body_bytes = 0
        self.refusal: Refusal | None = None
        self.mark: Mark | None = None
        self.closing_since: float | None = None
        self.heard = False

    # -- what the transport says -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        self.since = self.loop.time()
        if len(self.connections) >= self.limits.connections:
            meters.REFUSED.labels("503").inc()
            self.transport, self.flow = transport, FlowControl(transport)
            self.refusal = Refusal(
                503, "Too many connections are open.", f"At most {self.limits.connections:,} may be."
            )
            transport.write(self.refusal.response())
            transport.close()
            return
        super().connection_made(transport)
        Sweeper.watch(self)

    def data_received(self, data: bytes) -> None:
        if self.refusal is not None:
            return
        self.heard = True
        if self.phase == "idle":
            self.enter("head")
        super().data_received(data)
        if self.phase == "head" and self.refusal is None:
            # What has come of unfinished headers; finished ones were counted in the callbacks.
            self.head_bytes += len(data)
            if self.head_bytes > 2 * self.limits.header_bytes:
                refuse(self, self._headers_too_large())

    # -- what the parser says --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.phase != "head":
            self.enter("head")
        self.head_bytes = self.head_count = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.head_bytes += len(name) + len(value) + 4
        self.head_count += 1
        if self.head_count > self.limits.header_count or len(self.url) + self.head_bytes > self.limits.header_bytes:
            self.refusal = self._headers_too_large()
            raise RefusedError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.url) + self.head_bytes > self.limits.header_bytes:
            self.refusal = self._headers_too_large()
            raise RefusedError
        self.enter("body")
        self.body_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.enter("answer")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.phase == "answer":
            self.enter("idle")
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for anything that the parser refused."""
        refusal, self.refusal = self.refusal or BROKEN, None
        refuse(self, refusal)

    # -- bounds ----------------------------------------------------------------------------------------------------

    def enter(self, phase: Phase) -> None:
        """Begin a phase of the connection."""
        self.phase = phase
        self.since = self.loop.time()
        if phase == "head":
            self.head_bytes = self.head_count = 0

    def _headers_too_large(self) -> Refusal:
        """The answer to too many or too long headers."""
        limits = self.limits
        return Refusal(
            431,
            "The request line and headers are too large.",
            f"At most {limits.header_bytes // 1024} KiB and {limits.header_count} headers.",
        )


def refuse(connection: Bounded, refusal: Refusal) -> None:
    """Say why if nothing was answered yet, and end the connection."""
    connection.refusal = refusal
    meters.REFUSED.labels(str(refusal.status)).inc()
    cycle: RequestResponseCycle | None = connection.cycle
    answered = cycle is not None and connection.phase == "body" and cycle.response_started
    if cycle is not None and not cycle.response_complete:
        # From here on, what the application says goes nowhere.
        cycle.disconnected = True
        cycle.message_event.set()
        answered = cycle.response_started
    connection._unset_keepalive_if_required()
    if answered or not connection.heard:
        connection.transport.close()
        return
    # Closing with unread bytes resets the connection, and the client would never see the answer.
    connection.transport.write(refusal.response())
    connection.transport.write_eof()
    connection.enter("refused")


class Sweeper:
    """One timer per server that looks at all of its connections."""

    def __init__(self, connections: set[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.connections = connections
        self.loop = loop
        self.resting = True

    @classmethod
    def watch(cls, connection: Bounded) -> None:
        """Make sure that the connection's server is swept."""
        state: Any = connection.server_state
        sweeper = getattr(state, "sweeper", None)
        if sweeper is None:
            sweeper = state.sweeper = cls(connection.connections, connection.loop)
        if sweeper.resting:
            sweeper.resting = False
            sweeper.loop.call_later(SWEEP, sweeper.turn)

    def turn(self) -> None:
        """Look at every connection; without any, rest until the next one."""
        now = self.loop.time()
        for connection in list(self.connections):
            try:
                sweep(connection, now)
            except Exception:  # one odd connection must not keep the others from being looked at
                log.exception("A connection could not be looked at.")
        self.resting = not self.connections
        if not self.resting:
            self.loop.call_later(SWEEP, self.turn)


def sweep(connection: Bounded, now: float) -> None:
    """End a connection that has taken too long for what it is doing."""
    limits, transport = connection.limits, connection.transport
    seconds = now - connection.since
    if transport.is_closing():
        connection.closing_since = connection.closing_since or now
        if now - connection.closing_since > limits.send_seconds:
            cut(transport)  # closing waits for a reader that does not read
        return
    if connection.phase == "refused" and seconds > LINGER:
        transport.abort()
    elif connection.phase == "head" and seconds > limits.header_seconds:
        refuse(connection, Refusal(408, f"The headers did not arrive within {limits.header_seconds:g} s."))
    elif connection.phase == "body" and seconds > limits.request_seconds:
        refuse(connection, Refusal(408, f"The request did not arrive within {limits.request_seconds:g} s."))
    elif (
        connection.phase == "body"
        and seconds > limits.body_grace
        and connection.body_bytes < limits.body_rate * seconds
    ):
        refuse(connection, Refusal(408, f"The body came slower than {limits.body_rate} bytes per second."))
    try:
        connection.mark = judge(connection.mark, transport, now, seconds=limits.send_seconds, rate=limits.body_rate)
    except TimeoutError:
        meters.CUT.inc()
        cut(transport)


def bounded(limits: Limits) -> type[Bounded]:
    """The protocol class for uvicorn's configuration."""
    return type("BoundedProtocol", (Bounded,), {"limits": limits})
