"""What the APIs that others have defined share: requests in, answers and errors out, in Confluent's form."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wayside.errors import OverloadedError, WaysideError
from wayside.server import bodies
from wayside.server.operations import Context
from wayside.server.problems import ProblemError, of_error

log = structlog.get_logger(__name__)
DEPTH = 32
LARGE = 64 * 1024
"""Bytes of a body beyond which another thread reads it."""
METHODS = ("GET", "POST", "PUT", "DELETE")
NEST = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
Answer = Callable[["Asked"], Awaitable[Any]]


class RefusalError(Exception):
    """An answer of the form `{"error_code", "message"}`. The status is the first three digits of the code."""

    def __init__(self, code: int, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or int(str(code)[:3])


@dataclass(frozen=True)
class Api:
    """One of these APIs: what its answers are called, and what it takes bodies as."""

    media: str
    taken: tuple[str, ...]


class Asked:
    """A request to one of the compatible APIs: its path, its parameters and, when it has one, its JSON body."""

    def __init__(self, request: Request, context: Context) -> None:
        self.request = request
        self.context = context

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def flag(self, name: str) -> bool:
        """A parameter that is true or false."""
        return self.request.query_params.get(name, "false").lower() == "true"

    def text(self, name: str, default: str = "") -> str:
        """A parameter."""
        return self.request.query_params.get(name, default)

    async def body(self) -> Any:
        """The JSON body; null when there is none. Raises RefusalError and ProblemError."""
        headers = dict(self.request.scope["headers"])
        data = await bodies.read(self.request.receive, headers, self.context.budget, lines=True)
        if not data.strip():
            return None
        return await asyncio.to_thread(decoded, data) if len(data) > LARGE else decoded(data)

    async def members(self) -> dict[str, Any]:
        """The JSON body, which must be an object. Raises RefusalError 422."""
        found = await self.body()
        if not isinstance(found, dict):
            raise RefusalError(422, "The body must be a JSON object.")
        return found


def decoded(data: bytes) -> Any:
    """A body as JSON. Raises RefusalError 400."""
    if nesting(data) > DEPTH:
        raise RefusalError(400, f"The body is nested more than {DEPTH} deep.")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, f"The body is not JSON: {error}.") from error


def nesting(data: bytes) -> int:
    """How deep a text of JSON is nested, read without recursion."""
    depth = most = 0
    for match in NEST.finditer(data):
        match match[0][:1]:
            case b"{" | b"[":
                depth += 1
                most = max(most, depth)
            case b"}" | b"]":
                depth -= 1
    return most


def check_type(request: Request, taken: tuple[str, ...]) -> None:
    """Refuse bodies of another kind, which a form of a foreign page could send. Raises RefusalError 415."""
    if request.method in ("POST", "PUT"):
        kind = content_type(request)
        empty = not kind and request.headers.get("content-length", "0") == "0"
        if kind not in taken and not empty:
            raise RefusalError(415, "HTTP 415 Unsupported Media Type")


def content_type(request: Request) -> str:
    """The kind of a request's body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class CompatibleRoute(Route):
    """A route of an API that others have defined and described: `meaning` says in a few words what it answers."""

    meaning = ""


def route(context: Context, api: Api, method: str, path: str, answer: Answer) -> CompatibleRoute:
    """One route. What the answer returns is JSON, null is no content; whatever fails is told in the API's form."""

    async def handle(request: Request) -> Response:
        try:
            check_type(request, api.taken)
            found = await answer(Asked(request, context))
        except Exception as error:
            refusal, headers = refused(error, request)
            body = orjson.dumps({"error_code": refusal.code, "message": refusal.message})
            return Response(body, refusal.status, media_type=api.media, headers=headers)
        if isinstance(found, Response):
            return found
        return Response(status_code=204) if found is None else Response(orjson.dumps(found), media_type=api.media)

    made = CompatibleRoute(path, handle, methods=[method], include_in_schema=False)
    made.meaning = inspect.getdoc(answer) or ""
    return made


def rest_of(context: Context, api: Api, prefix: str) -> list[CompatibleRoute]:
    """Everything else under a prefix: nothing is there."""

    async def nothing(asked: Asked) -> NoReturn:
        raise RefusalError(404, "HTTP 404 Not Found")

    return [route(context, api, method, f"{prefix}/{{rest:path}}", nothing) for method in METHODS]


def refused(error: Exception, request: Request) -> tuple[RefusalError, dict[str, str]]:
    """What an error is called in this API, and the headers that belong to it."""
    if isinstance(error, RefusalError):
        return error, {}
    if isinstance(error, OverloadedError):
        return RefusalError(50302, error.what, status=503), {"Retry-After": str(max(1, round(error.retry_after)))}
    problem = of_error(error) if isinstance(error, WaysideError) else error
    if isinstance(problem, ProblemError):
        return RefusalError(problem.status, f"{problem.detail} {problem.why}".strip()), problem.headers
    log.error("Answering %s failed.", request.url.path, exc_info=error)
    return RefusalError(50001, "Error in the backend data store", status=500), {}
