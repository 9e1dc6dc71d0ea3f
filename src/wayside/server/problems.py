"""Errors as RFC 9457 problem details: what happened, where, why, and what to do next."""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from wayside import errors

log = logging.getLogger(__name__)

FALLBACK = "/{path:path}"
MEDIA_TYPE = "application/problem+json"
STATUS: dict[type[errors.WaysideError], int] = {
    errors.TopicNotFoundError: 404,
    errors.NotFoundError: 404,
    errors.UnknownPastError: 422,
    errors.OffsetOutOfRangeError: 410,
    errors.DiskFullError: 507,
    errors.StorageFailedError: 503,
    errors.OverloadedError: 503,
    errors.UnavailableError: 503,
    errors.CorruptDataError: 503,
    errors.MissingExtraError: 501,
    errors.ConfigError: 500,
    errors.DeclarationError: 500,
}


class ProblemError(Exception):
    """An answer that is not the wanted one. `detail` is a full sentence; `more` adds members of its own."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        where: str = "",
        why: str = "",
        next: str = "",
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.where = where
        self.why = why
        self.next = next
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def response(self, instance: str) -> Response:
        """The answer for the request of path `instance`."""
        title = phrase(self.status)
        body = {
            "type": f"urn:wayside:problem:{title.lower().replace(' ', '-')}",
            "title": title,
            "status": self.status,
            "detail": self.detail,
            "where": self.where,
            "why": self.why,
            "next": self.next,
            "instance": instance,
            **self.more,
        }
        return Response(orjson.dumps(body), self.status, headers=self.headers, media_type=MEDIA_TYPE)


def phrase(status: int) -> str:
    """The name of a status; Python 3.11 and 3.13 disagree about some, this does not."""
    renamed = {413: "Content Too Large", 422: "Unprocessable Content"}
    if status in renamed:
        return renamed[status]
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def of_error(error: errors.WaysideError) -> ProblemError:
    """The problem that an error of Wayside becomes."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 422)
    headers = {}
    if isinstance(error, errors.OverloadedError):
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    elif status in (503, 507):
        headers["Retry-After"] = "5"
    return ProblemError(status, error.what, where=error.where, why=error.why, next=error.next, headers=headers)


def unexpected(error: BaseException, instance: str) -> Response:
    """The answer to a fault of our own: nothing of its inside is shown, all of it is logged."""
    log.error("Answering %s failed.", instance, exc_info=error)
    problem = ProblemError(
        500,
        "The server failed to answer this request.",
        why="This is a fault of Wayside, not of the request.",
        next="The log of the server has the details.",
    )
    return problem.response(instance)


def answer(error: Exception, instance: str) -> Response:
    """The answer to anything that a handler raised."""
    if isinstance(error, ProblemError):
        return error.response(instance)
    if isinstance(error, errors.WaysideError):
        problem = of_error(error)
        if problem.status >= 500:
            log.warning("%s: %s", instance, error)
        return problem.response(instance)
    return unexpected(error, instance)


async def on_error(request: Request, error: Exception) -> Response:
    """For the framework's table of exception handlers; its own refusals become problems too."""
    path = request.scope["path"]
    if not isinstance(error, HTTPException):
        return answer(error, path)
    if error.status_code in (404, 405):
        problem = method_refused(request) if allowed_methods(request) else nowhere(path)
        return problem.response(path)
    return ProblemError(error.status_code, str(error.detail), headers=error.headers).response(path)


def nowhere(path: str) -> ProblemError:
    """There is nothing at this address."""
    return ProblemError(404, f"There is nothing at {path[:200]}.", next="See /docs for what there is.")


def method_refused(request: Request) -> ProblemError:
    """The address exists, for other methods; all of them are named."""
    methods = ", ".join(sorted(allowed_methods(request)))
    return ProblemError(
        405,
        f"{request.method} is not allowed at {request.scope['path'][:200]}.",
        why=f"Allowed: {methods}.",
        headers={"Allow": methods},
    )


def allowed_methods(request: Request) -> set[str]:
    """The methods of all routes that match the path, except the page's, which takes what nobody else does."""
    found: set[str] = set()
    for route in request.app.router.routes:
        methods = getattr(route, "methods", None)
        if methods and getattr(route, "path", "") != FALLBACK and route.matches(request.scope)[0] is not Match.NONE:
            found |= methods
    return found
