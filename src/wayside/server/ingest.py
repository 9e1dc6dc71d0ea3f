"""Records from clients: `POST /v1/topics/{topic}/records`, and the paths that push feeds declare.

The hot path: an ASGI application without the framework's request objects. A body is split into its records' own bytes
here and decoded once, by the feed's intake; the answer waits for the durable write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from wayside.domain.feeds import Feed
from wayside.errors import WaysideError
from wayside.ports import Intake
from wayside.server import bodies
from wayside.server.landing import Landing
from wayside.server.limits import Limits
from wayside.server.operations import Context
from wayside.server.problems import ProblemError, answer, unexpected
from wayside.server.receipts import errors_of, summary
from wayside.values import Receipt

JSON = "application/json"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
SPACE = b" \t\r\n"
OPEN_ARRAY = 0x5B
KEY_LENGTH = 255
TOGETHER = 64
"""Records of an array from which on they are handed over as lines of one block."""
ACCEPTED = 202
PROXY = "/topics/"
split = msgspec.json.Decoder(list[msgspec.Raw]).decode


def push_path(feed: Feed) -> str | None:
    """The path that a push feed declares for itself; one below `/topics/` is served by the REST Proxy instead."""
    path = getattr(feed.source, "path", None)
    return path if feed.source.kind == "push" and isinstance(path, str) and not path.startswith(PROXY) else None


class Door:
    """Takes the records of one topic, through one of its feeds."""

    def __init__(self, context: Context, landing: Landing, topic: str) -> None:
        self.services = context.services
        self.budget = context.budget
        self.landing = landing
        self.topic = topic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            status, body = await self.take(scope, receive)
        except (ProblemError, WaysideError) as error:
            await answer(error, scope["path"])(scope, receive, send)
            return
        except Exception as error:  # a fault of ours is answered like any other problem, and logged
            await unexpected(error, scope["path"])(scope, receive, send)
            return
        await reply(send, status, body)

    async def take(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """Read, hand over, wait for the durable write. Raises ProblemError or WaysideError."""
        headers = dict(scope["headers"])
        intake = self.intake(scope["query_string"])
        lines = content_lines(headers.get(b"content-type"))
        body = await bodies.read(receive, headers, self.budget, lines=lines)
        records = opened(body, self.services.limits, lines=lines)
        ids = idempotency(headers.get(b"idempotency-key"))
        submit = intake.submit_block if isinstance(records.content, bytes) else intake.submit
        receipt = await self.landing.wait(submit(records.content, ids=ids))
        return ACCEPTED, judged(receipt, records)

    def intake(self, query: bytes) -> Intake:
        """The feed that `?feed=` names, or the topic's plain one."""
        name = self.topic
        if query:
            for key, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
                if key != "feed":
                    raise ProblemError(422, f"There is no parameter `{key[:80]}` here.", why="Parameters: feed.")
                name = value
        intake = self.services.intakes.get(name)
        if intake is None or intake.topic != self.topic:
            known = sorted(name for name, door in self.services.intakes.items() if door.topic == self.topic)
            raise ProblemError(
                404,
                f"The topic {self.topic!r} has no feed {name[:80]!r}.",
                where="query parameter feed",
                why=f"Feeds: {', '.join(known) or 'none'}.",
            )
        return intake


class PushDoor(Door):
    """A path that a feed declares for clients of another system: one message, an empty body in return."""

    def __init__(self, context: Context, landing: Landing, feed: Feed, status: int) -> None:
        super().__init__(context, landing, feed.topic)
        self.feed = feed.name
        self.status = status

    async def take(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        headers = dict(scope["headers"])
        if scope["query_string"]:
            raise ProblemError(422, "This address takes no query parameters.", where="query string")
        lines = content_lines(headers.get(b"content-type"))
        if lines:
            raise unsupported(JSON)
        body = await bodies.read(receive, headers, self.budget, lines=False)
        if not body or body.isspace():
            raise nothing()
        ids = idempotency(headers.get(b"idempotency-key"))
        receipt = await self.landing.wait(self.services.intakes[self.feed].submit([body], ids=ids))
        judged(receipt, Opened(body, single=True))
        return self.status, b""


@dataclass(slots=True)
class Opened:
    """The records of a body as an intake takes them: a list, or lines of a block; `broken` tells why an array could
    not be split."""

    content: Any
    single: bool = False
    broken: str = ""


def opened(body: bytes, limits: Limits, *, lines: bool) -> Opened:
    """Split a body into its records' bytes. Raises ProblemError for none, and for too many."""
    if not body or body.isspace():
        raise nothing()
    if lines:
        count = body.count(b"\n") + 1
        if count > limits.batch_records:
            count = sum(1 for line in body.split(b"\n") if line and not line.isspace())
        bounded(count, limits)
        return Opened(body)
    if first_byte(body) != OPEN_ARRAY:
        return Opened([body], single=True)
    try:
        parts = split(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        # Not even an array: the whole body is one broken record, and kept as such.
        return Opened([body], broken="It is nested too deeply" if isinstance(error, RecursionError) else str(error))
    bounded(len(parts), limits)
    if not parts:
        raise nothing()
    if len(parts) >= TOGETHER and b"\n" not in body:
        return Opened(b"\n".join(parts))  # one copy, and no object per record
    return Opened(list(map(bytes, parts)))


def bounded(count: int, limits: Limits) -> None:
    """Refuse a batch of too many records."""
    if count > limits.batch_records:
        raise ProblemError(
            413,
            f"The body holds {count:,} records.",
            why=f"At most {limits.batch_records:,} are taken per request.",
            next="Send them in several requests.",
        )


def nothing() -> ProblemError:
    """The answer to a body without records."""
    return ProblemError(422, "The body holds no record.", where="body", next="Send a JSON object, an array or NDJSON.")


def first_byte(body: bytes) -> int:
    """The first byte that is not white space, or 0."""
    for byte in body[:64]:
        if byte not in SPACE:
            return byte
    rest = body.lstrip(SPACE)
    return rest[0] if rest else 0


def content_lines(header: bytes | None) -> bool:
    """Whether the body is NDJSON; otherwise it is JSON. Raises ProblemError 415 for anything else."""
    if header == b"application/json":
        return False
    name, _, rest = (header or b"").decode("latin-1").lower().partition(";")
    charset = rest.replace(" ", "").replace('"', "")
    if charset.startswith("charset=") and charset != "charset=utf-8":
        raise unsupported(f"{JSON}, always in UTF-8")
    if name.strip() == JSON:
        return False
    if name.strip() in NDJSON:
        return True
    raise unsupported(f"{JSON} or {NDJSON[0]}")


def unsupported(required: str) -> ProblemError:
    """The answer to a body of another kind."""
    return ProblemError(
        415,
        "The content type of the body is not understood.",
        where="header Content-Type",
        why=f"Required: {required}.",
        headers={"Accept-Post": f"{JSON}, {NDJSON[0]}"},
    )


def idempotency(header: bytes | None) -> list[str] | None:
    """The id under which a repeated request is recognised."""
    if header is None:
        return None
    if not 1 <= len(header) <= KEY_LENGTH or not header.isascii() or not header.decode("ascii").isprintable():
        raise ProblemError(
            422,
            "The idempotency key cannot be used.",
            where="header Idempotency-Key",
            why=f"Required: 1 to {KEY_LENGTH} printable ASCII characters.",
        )
    return [header.decode("ascii")]


def judged(receipt: Receipt, records: Opened) -> bytes:
    """The body of the answer. Raises ProblemError 422 when nothing was accepted because all was rejected."""
    if not receipt.rejected or len(receipt.appended.offsets):
        return summary(receipt)
    first = receipt.rejections[0]
    detail = first.message if records.single else f"All {receipt.rejected:,} records were rejected. {first.message}"
    errors = errors_of(receipt)
    rule = first.rule
    if records.broken:
        rule, detail = "json.syntax", f"The body is not a JSON array: {records.broken}."
        errors = [{"row": 0, "rule": rule, "message": detail}]
    raise ProblemError(
        422,
        detail,
        where="body" if records.single or records.broken else f"record {first.row}",
        why=f"Broken rule: {rule}.",
        next="Correct it and send it again; what was sent is kept in quarantine.",
        more={"errors": errors, "accepted": 0, "rejected": receipt.rejected, "duplicates": 0},
    )


async def reply(send: Send, status: int, body: bytes) -> None:
    """A short JSON answer."""
    headers = [(b"content-length", str(len(body)).encode())]
    if body:
        headers.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class NoDoor(Route):
    """`POST` to a topic that does not exist; for topics of our own the address takes no `POST` at all."""

    def __init__(self, context: Context) -> None:
        super().__init__("/v1/topics/{topic}/records", self.refuse, methods=["POST"], include_in_schema=False)
        self.known = [*context.services.plan.topics, context.services.quarantine]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        if match is not Match.NONE and child["path_params"]["topic"] in self.known:
            return Match.NONE, {}
        return match, child

    async def refuse(self, request: Request) -> Response:
        """Raises ProblemError 404."""
        name = request.path_params["topic"]
        raise ProblemError(404, f"There is no topic {name[:80]!r}.", why=f"Topics: {', '.join(self.known[:-1])}.")
