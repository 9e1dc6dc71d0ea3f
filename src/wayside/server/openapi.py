"""The OpenAPI of a server: the plain routes as they are written down, the framework's own, and the live stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wayside.domain.feeds import Feed
from wayside.record import Record
from wayside.record.schemas import example, json_schema
from wayside.server import admin, documents, live
from wayside.server.ingest import push_path
from wayside.server.operations import Operation
from wayside.server.services import Services

DESCRIPTION = (
    "Live feeds turned into tables, rollups and a page. Times are ISO 8601 in UTC; frames are also answered as CSV, "
    "Parquet or Arrow; every error is a problem (RFC 9457)."
)
INGEST = (400, 413, 415, 422, 503, 507)


def route(app: FastAPI, services: Services, operations: Sequence[Operation]) -> Route:
    """`GET /openapi.json`; written at the first request."""

    async def get_openapi_json(request: Request) -> Response:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app, services, operations)
        return Response(orjson.dumps(app.openapi_schema), media_type="application/json")

    return Route("/openapi.json", get_openapi_json, methods=["GET"], include_in_schema=False)


def describe(app: FastAPI, services: Services, operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole description."""
    whole = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    paths: dict[str, Any] = whole.setdefault("paths", {})
    for name, topic in services.plan.topics.items():
        paths[f"/v1/topics/{name}/records"] = {"post": ingest(services, name)}
        for feed in topic.feeds:
            if (path := push_path(feed)) is not None:
                paths[path] = {"post": push(feed, int(getattr(feed.source, "status", 202)))}
    components: dict[str, Any] = whole.setdefault("components", {}).setdefault("schemas", {})
    whole["components"]["securitySchemes"] = {admin.SCHEME: admin.SECURITY_SCHEME}
    for operation in operations:
        components.update(operation.components)
        for path, written in operation.documents.items():
            paths.setdefault(path, {})[operation.method.lower()] = written
    paths["/v1/live"] = {"get": live_stream()}
    components["Problem"] = documents.PROBLEM
    return whole


def ingest(services: Services, name: str) -> dict[str, Any]:
    """Posting to a topic: its plain record, and the wire records of its other feeds."""
    topic = services.plan.topics[name]
    record = topic.record
    schema, sample = wire_schema(record), example(record)
    others = [feed.name for feed in topic.feeds]
    line = orjson.dumps(sample).decode()
    number = {"type": "integer", "minimum": 0}
    span = documents.whole({"partition": number, "first": number, "count": number})
    error = documents.whole({"row": number, "rule": {"type": "string"}, "message": {"type": "string"}})
    receipt: dict[str, documents.Schema] = {
        "accepted": number,
        "rejected": number,
        "duplicates": number,
        "offsets": {"type": "array", "items": span},
        "errors": {"type": "array", "items": error, "maxItems": 100},
    }
    batch = {"type": "array", "items": schema, "minItems": 1, "maxItems": services.limits.batch_records}
    written: dict[str, Any] = {
        "summary": f"Records for the topic {name}: one object, an array, or NDJSON",
        "description": f"{schema['description']} Acknowledged after the durable write; rejected ones are quarantined.",
        "operationId": f"post_{name}",
        "tags": ["Topics"],
        "parameters": [idempotency_key()],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"anyOf": [schema, batch]}, "example": sample},
                "application/x-ndjson": {"schema": {"type": "string"}, "example": f"{line}\n{line}\n"},
            },
        },
        "responses": {
            "202": documents.answer("Durable", documents.whole(receipt)),
            **documents.problems(*INGEST, 404),
        },
    }
    if others:
        feeds = {"type": "string", "enum": [name, *others]}
        text = "The feed whose messages these are; the topic's plain records unless given."
        written["parameters"].append({"name": "feed", "in": "query", "description": text, "schema": feeds})
    return written


def wire_schema(record: type[Record]) -> dict[str, Any]:
    """JSON Schema of one message, with what a request must keep besides: keys are clean text, times are plausible."""
    schema = json_schema(record)
    for name in record.key:
        if record.fields[name].kind == "str" and not record.fields[name].choices:
            schema["properties"][name].setdefault(
                "pattern", "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*$"
            )
    return schema


def push(feed: Feed, status: int) -> dict[str, Any]:
    """Posting one message to the path of a push feed."""
    return {
        "summary": f"One message of the feed {feed.name}",
        "operationId": f"push_{feed.name}",
        "tags": ["Topics"],
        "parameters": [idempotency_key()],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": wire_schema(feed.wire), "example": example(feed.wire)}},
        },
        "responses": {str(status): {"description": "Durable"}, **documents.problems(*INGEST)},
    }


def idempotency_key() -> dict[str, Any]:
    """The header under which a repeated request is recognised."""
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "The same key again, within the topic's horizon, adds nothing and counts as duplicates.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    }


def live_stream() -> dict[str, Any]:
    """The live stream."""
    return {
        "summary": "What changes, as server-sent events: snapshot, then commit, records, overflow",
        "operationId": "live",
        "tags": ["Live"],
        "parameters": [documents.parameter(param) for param in live.PARAMS],
        "responses": {
            "200": {"description": "Events until either side ends", "content": {"text/event-stream": {}}},
            **documents.problems(404, 422, 503),
        },
    }
