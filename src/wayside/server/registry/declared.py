"""The schemas of the plan's topics are registered by themselves: `<topic>-value`, and `<topic>-key` if it has one."""

from __future__ import annotations

import structlog

from wayside.domain import Plan
from wayside.server.compat import RefusalError
from wayside.server.ingest import PROXY
from wayside.server.registry import rules
from wayside.server.registry.store import SchemaStore
from wayside.wire.avro import key_schema, value_schema
from wayside.wire.nodes import AvroError

log = structlog.get_logger(__name__)


def register_declared(store: SchemaStore, plan: Plan) -> None:
    """Register what is missing. What cannot follow an earlier version is logged and left out.

    A name at which a feed takes messages of the REST Proxy is left to the schemas of those who produce them.
    """
    paths = {getattr(feed.source, "path", None) for feed in plan.feeds.values()}
    for name, topic in plan.topics.items():
        if PROXY + name in paths:
            continue
        try:
            texts = {f"{name}-value": value_schema(topic.record), f"{name}-key": key_schema(topic.record)}
        except AvroError as error:
            log.warning("a topic has no Avro schema", topic=name, why=error.what)
            continue
        for subject, text in texts.items():
            if text is None:
                continue
            try:
                store.change(rules.register(subject, text))
            except RefusalError as error:
                log.warning("a topic's schema was not registered", subject=subject, why=error.message)
