"""The application: every question's routes put together around one set of services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wayside.errors import WaysideError
from wayside.server import (
    answers,
    compatible,
    domains,
    health,
    layers,
    maps,
    openapi,
    quarantine,
    series,
    sparklines,
    tables,
    topicadmin,
    topics,
    windows,
)
from wayside.server.bodies import Budget
from wayside.server.guard import Guard
from wayside.server.hub import Hub
from wayside.server.ingest import Door, NoDoor, PushDoor, push_path
from wayside.server.landing import Landing
from wayside.server.live import Live
from wayside.server.operations import Context, Operation
from wayside.server.pages import Pages
from wayside.server.problems import FALLBACK, ProblemError, on_error
from wayside.server.services import Services
from wayside.server.workers import Workers

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class GuardedApp(FastAPI):
    """Every request passes the guard before the framework; records, which are most of them, never see the framework."""

    guard: Guard | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.guard or super().__call__)(scope, receive, send)


def create_app(services: Services) -> FastAPI:
    """The server's application. It listens to the engine from its start-up to its shut-down."""
    context = Context(services, Workers(services.limits), Budget(services.limits))
    hub = Hub(services)
    recent = sparklines.Recent(services.plan)

    app = bare_app(services.version, lifespan_of(context, hub, recent))
    app.state.hub = hub
    app.state.services = services
    app.state.context = context
    operations = all_operations(context, recent)
    doors = ingest_doors(context)
    routes = app.router.routes
    routes.extend(Route(path, door, methods=["POST"], include_in_schema=False) for path, door in doors.items())
    routes.append(NoDoor(context))
    routes.append(Route("/v1/live", Live(context, hub), methods=["GET"], include_in_schema=False))
    routes.extend(operation.route() for operation in operations)
    answers.add_routes(app, context)
    health.add_routes(app, context)
    routes.append(openapi.route(app, services, operations))
    routes.extend(compatible.routes(context))
    routes.extend(services.background.routes())
    pages = Pages(services.pages, services.background)
    routes.append(Route(FALLBACK, pages.get, methods=["GET"], include_in_schema=False))
    for kind in (ProblemError, WaysideError, HTTPException, Exception):
        app.add_exception_handler(kind, on_error)
    app.guard = Guard(super(GuardedApp, app).__call__, services.clock, hosts=services.hosts, doors=doors)
    return app


def lifespan_of(context: Context, hub: Hub, recent: sparklines.Recent) -> Lifespan:
    """Listen to the engine from start-up to shut-down."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        hub.start()
        forget = context.services.engine.subscribe(recent.hear)
        try:
            yield
        finally:
            forget()
            await hub.stop()
            context.workers.close()

    return lifespan


def bare_app(version: str, lifespan: Lifespan) -> GuardedApp:
    """The framework without its own pages: those load scripts from elsewhere."""
    return GuardedApp(
        title="Wayside",
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )


def all_operations(context: Context, recent: sparklines.Recent) -> list[Operation]:
    """The plain routes of all files, those of the domains last."""
    found: list[Operation] = []
    for module in (tables, windows, topics, topicadmin, series, layers, maps, quarantine, domains):
        found.extend(module.operations(context))
    return [*found, *sparklines.operations(context, recent)]


def ingest_doors(context: Context) -> dict[str, ASGIApp]:
    """One door per topic, and one per path that a push feed declares."""
    plan, landing = context.services.plan, Landing()
    doors: dict[str, ASGIApp] = {f"/v1/topics/{name}/records": Door(context, landing, name) for name in plan.topics}
    for feed in plan.feeds.values():
        if (path := push_path(feed)) is not None:
            doors[path] = PushDoor(context, landing, feed, int(getattr(feed.source, "status", 202)))
    return doors
