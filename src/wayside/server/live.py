"""What happens now, as server-sent events: `GET /v1/live`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import polars as pl
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from wayside.errors import WaysideError
from wayside.server.changes import Wish
from wayside.server.hub import Hub
from wayside.server.operations import Context
from wayside.server.params import Param, of_column, read
from wayside.server.problems import ProblemError, answer, unexpected
from wayside.server.services import Services
from wayside.server.snapshots import Snapshots
from wayside.server.subscriber import Subscriber
from wayside.server.tails import ends

PARAMS = (
    Param("tables", "text", "Tables to hear of, separated by commas.", default=""),
    Param("windows", "text", "Windows to hear of, separated by commas.", default=""),
    Param("topics", "text", "Topics whose new records are shown, separated by commas.", default=""),
    Param("where", "text", "`column:value`; several for one column are alternatives.", repeat=True),
    Param("last_event_id", "int", "For clients that cannot send the header.", least=0, most=10**17),
)
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Live:
    """The ASGI application of the live stream."""

    def __init__(self, context: Context, hub: Hub) -> None:
        self.context = context
        self.services = context.services
        self.hub = hub
        self.snapshots = Snapshots(context, hub.ring)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one subscription until either side ends it."""
        try:
            subscriber, first = await self.admit(Request(scope, receive))
        except (ProblemError, WaysideError) as error:
            await answer(error, scope["path"])(scope, receive, send)
            return
        except Exception as error:  # a fault of ours is answered like any other problem, and logged
            await unexpected(error, scope["path"])(scope, receive, send)
            return
        self.hub.attach(subscriber)
        watcher = asyncio.create_task(left(receive, subscriber))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            while data := await subscriber.take():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.hub.detach(subscriber)
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher

    async def admit(self, request: Request) -> tuple[Subscriber, bytes]:
        """Check the wish, and make the first event: what was missed, or a snapshot."""
        limits = self.services.limits
        if len(self.hub.subscribers) >= limits.subscribers:
            raise ProblemError(
                503,
                "Too many clients listen to the live stream.",
                why=f"At most {limits.subscribers:,} may.",
                headers={"Retry-After": "10"},
            )
        given = read(request, PARAMS)
        wish = wish_of(self.services, given.values)
        subscriber = Subscriber(wish, limits, self.services.clock)
        last = given["last_event_id"]
        if (header := request.headers.get("last-event-id", "")).isascii() and header.isdigit() and len(header) < 18:
            last = int(header)
        if wish.topics:
            subscriber.tail = await self.context.workers.run(ends, self.services, wish.topics)
        missed = self.hub.ring.after(last) if last is not None else None
        if missed is not None and last is not None:
            subscriber.position = last
            return subscriber, b": resumed\nretry: 1000\n\n"
        subscriber.position, body = await self.snapshots.get(wish)
        return subscriber, b"retry: 1000\n" + body


async def left(receive: Receive, subscriber: Subscriber) -> None:
    """Wait until the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.queue.clear()
    subscriber.close()


def wish_of(services: Services, values: Any) -> Wish:
    """A checked wish. Raises ProblemError for names that do not exist and filters that fit nothing."""
    plan = services.plan
    topics = {**dict.fromkeys(plan.topics), services.quarantine: None}
    shelves: dict[str, Any] = {"tables": plan.tables, "windows": plan.windows, "topics": topics}
    chosen: dict[str, tuple[str, ...]] = {}
    for label, known in shelves.items():
        chosen[label] = tuple(dict.fromkeys(name for name in values[label].split(",") if name))
        for name in chosen[label]:
            if name not in known:
                raise ProblemError(
                    404,
                    f"There is no {label[:-1]} {name[:80]!r}.",
                    where=f"query parameter {label}",
                    why=f"Known: {', '.join(known) or 'none'}.",
                )
    schemas: list[pl.Schema] = [plan.tables[name].spec.schema for name in chosen["tables"]]
    schemas += [plan.windows[name].spec.schema for name in chosen["windows"]]
    schemas += [services.broker.topics()[name].schema for name in chosen["topics"]]
    where = tuple(sorted(filter_of(text, schemas) for text in set(values["where"])))
    return Wish(chosen["tables"], chosen["windows"], chosen["topics"], where)


def filter_of(text: str, schemas: list[pl.Schema]) -> tuple[str, str]:
    """`column:value`, checked against everything that was asked for."""
    name, colon, value = text.partition(":")
    dtypes = [schema[name] for schema in schemas if name in schema]
    if not colon or not dtypes:
        raise ProblemError(
            422,
            f"The filter {text[:80]!r} fits nothing that was asked for.",
            where="query parameter where",
            why="Required: column:value, with a column of one of the tables, windows or topics.",
        )
    for dtype in dtypes:
        of_column("where", value, dtype)
    return name, value
