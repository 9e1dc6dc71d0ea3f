"""Changing the log's topics: `PATCH /v1/topics/{topic}`, `DELETE /v1/topics/{topic}`; `GET` tells of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from wayside.quarantine import QUARANTINE
from wayside.server import admin, bodies, documents, topics
from wayside.server.ingest import content_lines, unsupported
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import read
from wayside.server.problems import ProblemError
from wayside.server.services import Services
from wayside.server.shapes import TopicShape
from wayside.specs import TopicSpec

PATH = "/v1/topics/{topic}"
LONGEST = 100 * 366 * 86_400
"""Seconds: as long as a record can be wanted."""
Age = Annotated[float, msgspec.Meta(ge=1, le=LONGEST)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=2**53)] | Annotated[float, msgspec.Meta(ge=1, le=2**53)]
"""A whole number; in JSON 5.0 is one too."""


class Retention(msgspec.Struct, forbid_unknown_fields=True):
    """How long records stay; null is without end, and what is left out stays as it is."""

    age_seconds: Age | None | msgspec.UnsetType = msgspec.UNSET
    bytes: Bytes | None | msgspec.UnsetType = msgspec.UNSET


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be changed of a topic."""

    retention: Retention


def operations(context: Context) -> Operations:
    """The routes of this file."""
    services, run = context.services, context.workers.run

    async def get_topic(request: Request) -> Response:
        read(request, ())
        return Response(orjson.dumps(await run(described, services, request.path_params["topic"])), 200, JSON)

    async def patch_topic(request: Request) -> Response:
        admin.check(services, request)
        read(request, ())
        headers = dict(request.scope["headers"])
        if content_lines(headers.get(b"content-type")):
            raise unsupported("application/json")
        asked = decoded(await bodies.read(request.receive, headers, context.budget, lines=False))
        name = request.path_params["topic"]
        await run(alter, services, name, asked.retention)
        return Response(orjson.dumps(await run(described, services, name)), 200, JSON)

    async def delete_topic(request: Request) -> Response:
        admin.check(services, request)
        read(request, ())
        await run(delete, services, request.path_params["topic"])
        return Response(status_code=204)

    components = {"Topic": TopicShape.model_json_schema(ref_template="#/components/schemas/{model}")}
    components |= components["Topic"].pop("$defs")
    return [
        Operation("GET", PATH, get_topic, {PATH: get_document()}, components),
        Operation("PATCH", PATH, patch_topic, {PATH: patch_document()}),
        Operation("DELETE", PATH, delete_topic, {PATH: delete_document()}),
    ]


JSON = {"content-type": "application/json"}


def decoded(raw: bytes) -> Change:
    """The wish. Raises ProblemError: 400 for broken JSON, 422 for a wrong shape."""
    why = "Required: `retention` with `age_seconds`, `bytes` or both; null is without end."
    asked = bodies.decoded(msgspec.json.Decoder(Change).decode, raw, why=why)
    if asked.retention == Retention():
        raise ProblemError(422, "Nothing is to be changed.", where="body", next="Give `age_seconds` or `bytes`.")
    size = asked.retention.bytes
    if isinstance(size, float):
        if not size.is_integer():
            raise ProblemError(422, f"`bytes` must be a whole number, and {size} is none.", where="body")
        asked.retention.bytes = int(size)
    return asked


def described(services: Services, name: str) -> dict[str, Any]:
    """One topic, declared or not. Raises ProblemError 404."""
    return topics.one(services, name, spec_of(services, name))


def spec_of(services: Services, name: str) -> TopicSpec:
    """The description of a topic, declared or not. Raises ProblemError 404."""
    known = services.broker.topics()
    if name not in known:
        raise ProblemError(404, f"There is no topic {name[:80]!r}.", why=f"Topics: {', '.join(known) or 'none'}.")
    return known[name]


def alter(services: Services, name: str, retention: Retention) -> None:
    """Change how long records stay. Raises ProblemError 404 and 409."""
    spec = spec_of(services, name)
    if name.startswith("_") and name != services.quarantine:
        raise own(name)
    if spec.compact:
        raise ProblemError(409, f"Topic {name} keeps the newest record of each key for good.", where="path")
    change: dict[str, Any] = {}
    if retention.age_seconds is not msgspec.UNSET:
        age = retention.age_seconds
        change["retention_age"] = None if age is None else timedelta(seconds=age)
    if retention.bytes is not msgspec.UNSET:
        change["retention_bytes"] = retention.bytes
    services.broker.create(replace(spec, **change))


def delete(services: Services, name: str) -> None:
    """Delete a topic with all its records. Raises ProblemError 404 and 409."""
    spec_of(services, name)
    if name.startswith("_"):
        raise own(name)
    if name in services.plan.topics:
        raise ProblemError(
            409,
            f"Topic {name} is in use.",
            where="path",
            why="A domain declares it, and tables and windows follow from it.",
            next="Take it out of the domain first, and start again.",
        )
    services.broker.delete(name)


def own(name: str) -> ProblemError:
    """The answer to a change of a topic that is not for people."""
    return ProblemError(
        409, f"Topic {name} belongs to Wayside itself.", where="path", why="Names that begin with _ are its own."
    )


def get_document() -> dict[str, Any]:
    """The OpenAPI description of asking for one."""
    return whole("One topic of the log", "topic", documents.answer("The topic", TOPIC), 404, 422, 503)


def patch_document() -> dict[str, Any]:
    """The OpenAPI description of changing one."""
    age = {"type": ["number", "null"], "minimum": 1, "maximum": LONGEST}
    size = {"type": ["integer", "null"], "minimum": 1, "maximum": 2**53}
    retention = {
        "type": "object",
        "properties": {"age_seconds": age, "bytes": size},
        "minProperties": 1,
        "additionalProperties": False,
    }
    schema = {**documents.whole({"retention": retention}), "additionalProperties": False}
    body = {"schema": schema, "example": {"retention": {"age_seconds": 604_800, "bytes": None}}}
    answer = documents.answer("The topic as it is now", TOPIC)
    written = whole("Change how long a topic keeps its records", "alter_topic", answer, *REFUSED, 400, 413, 415)
    return {
        **written,
        "description": "What a domain declares counts again at the next start.",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "security": admin.SECURITY,
    }


def delete_document() -> dict[str, Any]:
    """The OpenAPI description of deleting one."""
    summary = "Delete a topic that no domain declares, with all its records"
    written = whole(summary, "delete_topic", {"description": "It is gone"}, *REFUSED, status="204")
    return {**written, "security": admin.SECURITY}


TOPIC = {"$ref": "#/components/schemas/Topic"}
REFUSED = (401, 404, 409, 422, 503)


def whole(summary: str, name: str, answer: dict[str, Any], *problems: int, status: str = "200") -> dict[str, Any]:
    """What these descriptions share."""
    topic = {"name": "topic", "in": "path", "required": True, "schema": {"type": "string"}, "example": QUARANTINE}
    return {
        "summary": summary,
        "operationId": name,
        "tags": ["Topics"],
        "parameters": [topic],
        "responses": {status: answer, **documents.problems(*problems)},
    }
