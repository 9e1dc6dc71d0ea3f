"""A question that the server answers: its route, its handler, and how it is written down in the OpenAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wayside.server.bodies import Budget
from wayside.server.services import Services
from wayside.server.workers import Workers

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Context:
    """What every handler may use."""

    services: Services
    workers: Workers
    budget: Budget


@dataclass(frozen=True)
class Operation:
    """A plain route. `documents` holds, per concrete path, the OpenAPI description of the operation;
    `components` the schemas that these refer to."""

    method: str
    path: str
    handler: Handler
    documents: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    components: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def route(self) -> Route:
        """The route that the application serves."""
        return Route(self.path, self.handler, methods=[self.method], include_in_schema=False)


Operations = Sequence[Operation]
