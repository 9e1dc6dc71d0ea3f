"""For orchestrators and Prometheus: `/livez`, `/readyz`, `/metrics`."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI
from prometheus_client import generate_latest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from wayside import metrics
from wayside.server.answers import TROUBLE, no_parameters
from wayside.server.operations import Context
from wayside.server.problems import ProblemError
from wayside.server.shapes import HealthShape


def add_routes(app: FastAPI, context: Context) -> None:
    """Declare the routes of this file."""
    run = context.workers.run
    bare: dict[str, Any] = {"tags": ["Health"], "dependencies": [Depends(no_parameters)], "responses": TROUBLE}

    @app.get("/livez", response_model=HealthShape, summary="The process answers", **bare)
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", response_model=HealthShape, summary="Engine and log are up", **bare)
    async def readyz() -> JSONResponse:
        if reasons := await run(context.services.readiness):
            why, headers = "; ".join(reasons), {"Retry-After": "1"}
            raise ProblemError(503, "Wayside is not ready.", why=why, headers=headers, more={"reasons": reasons})
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", response_class=PlainTextResponse, summary="Prometheus metrics", **bare)
    async def scrape() -> Response:
        return Response(await run(generate_latest, context.services.registry), media_type=metrics.CONTENT_TYPE)
