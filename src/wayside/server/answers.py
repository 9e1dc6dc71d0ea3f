"""The short answers: `GET /v1/status`, `/v1/domains`, `/v1/plan`, `/v1/topics`."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from wayside.server import documents, plan, topics
from wayside.server.operations import Context
from wayside.server.params import read
from wayside.server.shapes import DomainShape, PlanShape, StatusShape, TopicShape
from wayside.server.status import status

TROUBLE: dict[int | str, dict[str, Any]] = {int(code): text for code, text in documents.problems(422, 503).items()}


def no_parameters(request: Request) -> None:
    """Refuse query parameters where there are none. Raises ProblemError."""
    read(request, ())


def add_routes(app: FastAPI, context: Context) -> None:
    """Declare the routes of this file."""
    services, run = context.services, context.workers.run
    started = services.clock.now()
    bare: dict[str, Any] = {"tags": ["Overview"], "dependencies": [Depends(no_parameters)], "responses": TROUBLE}

    @app.get("/v1/status", response_model=StatusShape, summary="How things are", **bare)
    async def get_status() -> Response:
        return reply(await run(status, services, started))

    @app.get("/v1/domains", response_model=list[DomainShape], summary="What the domains declare", **bare)
    async def get_domains() -> Response:
        return reply(plan.domains(services))

    @app.get("/v1/plan", response_model=PlanShape, summary="The plan as a graph with its numbers", **bare)
    async def get_plan() -> Response:
        return reply(await run(plan.graph, services))

    every = {**bare, "dependencies": [], "openapi_extra": {"parameters": [documents.parameter(topics.ALL)]}}

    @app.get("/v1/topics", response_model=list[TopicShape], summary="The topics of the log", **every)
    async def get_topics(request: Request) -> Response:
        given = read(request, (topics.ALL,))
        return reply(await run(topics.listing, services, given["all"] == "true"))


def reply(body: Any) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), media_type="application/json")
