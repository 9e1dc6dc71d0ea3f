"""The APIs that other systems' clients know: the schema registry, and the REST Proxy for topics."""

from __future__ import annotations

import functools

from wayside.server.compat import CompatibleRoute
from wayside.server.operations import Context
from wayside.server.registry.declared import register_declared
from wayside.server.registry.routes import registry_routes
from wayside.server.registry.store import SchemaStore
from wayside.server.restproxy.routes import proxy_routes


def routes(context: Context) -> list[CompatibleRoute]:
    """All of them."""
    services = context.services
    first = functools.partial(register_declared, plan=services.plan)
    store = SchemaStore(services.broker, services.clock, first=first)
    return [*registry_routes(context, store, services.registry_path), *proxy_routes(context, store)]
