"""Routes that domains add for clients of the systems that they replace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import polars as pl
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from wayside.domain import Answer, Endpoint
from wayside.server import bodies, documents, frames
from wayside.server.conditional import conditional
from wayside.server.ingest import content_lines, unsupported
from wayside.server.operations import Context, Handler, Operation, Operations
from wayside.server.params import checked, unknown
from wayside.server.problems import ProblemError
from wayside.server.queries import LiveQueries

REF = "#/components/schemas/{name}"


def operations(context: Context) -> Operations:
    """The routes of all domains."""
    queries = LiveQueries(context.services)
    # What a map lists can be had as a file, as every table can.
    listed = {map.calls.path for domain in context.services.plan.domains for map in domain.maps if map.calls}
    return [
        Operation(
            endpoint.method,
            endpoint.path,
            handler(context, queries, endpoint, rows=endpoint.path in listed),
            {endpoint.path: document(domain.title, endpoint, rows=endpoint.path in listed)},
            components(endpoint),
        )
        for domain in context.services.plan.domains
        for endpoint in domain.endpoints
    ]


def handler(context: Context, queries: LiveQueries, endpoint: Endpoint, *, rows: bool = False) -> Handler:
    """Decode, run the domain's function on a worker, encode; with `rows`, those of the answer in any format."""
    decode: Callable[[bytes], Any] | None = (
        msgspec.json.Decoder(endpoint.body).decode if endpoint.body is not None else None
    )

    async def handle(request: Request) -> Response:
        format = frames.wanted(request) if rows else "json"
        given = parameters(request, endpoint, rows=rows)
        body = None
        if decode is not None:
            headers = dict(request.scope["headers"])
            if content_lines(headers.get(b"content-type")):
                raise unsupported("application/json")
            raw = await bodies.read(request.receive, headers, context.budget, lines=False)
            body = bodies.decoded(decode, raw, next="See /docs for what is expected.")

        def ask() -> Response:
            return shown(endpoint.handler(queries, body, given), endpoint, request.headers, format)

        return await context.workers.run(ask)

    return handle


def shown(answer: Answer, endpoint: Endpoint, asked: Headers, format: frames.Format) -> Response:
    """The domain's answer, written (as a file where one is asked for) and, of a GET, conditional."""
    if format != "json" and answer.status == 200:
        return as_file(answer, format, endpoint.path.rsplit("/", 1)[1])
    response = written(answer)
    return conditional(asked, response) if endpoint.method == "GET" else response


def as_file(answer: Answer, format: frames.Format, name: str) -> Response:
    """The rows of an answer as a file: text, numbers and truth values as they are, everything else as JSON."""
    rows = [
        {
            key: cell if cell is None or isinstance(cell, str | int | float) else orjson.dumps(cell).decode()
            for key, cell in row.items()
        }
        for row in answer.body["rows"]
    ]
    return frames.respond(pl.DataFrame(rows, infer_schema_length=None), format, name=name)


def parameters(request: Request, endpoint: Endpoint, *, rows: bool = False) -> dict[str, str]:
    """Path and query parameters as text; each declared one once."""
    given = {name: str(value) for name, value in request.path_params.items()}
    for name, text in request.query_params.multi_items():
        if rows and name == documents.FORMAT.name:
            continue
        if name not in endpoint.parameters:
            raise unknown(name, list(endpoint.parameters))
        if name in given:
            raise ProblemError(422, f"The parameter `{name}` is given twice.", where=f"query parameter {name}")
        given[name] = checked(name, text)
    return given


def written(answer: Answer) -> Response:
    """The handler's answer as JSON, or its bytes as they are; a body of null is sent as nothing at all."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    media = headers.pop("content-type", "application/json")
    if answer.body is None:
        return Response(b"", answer.status, headers=headers)
    body = answer.body if isinstance(answer.body, bytes) else orjson.dumps(answer.body, default=str)
    return Response(body, answer.status, headers=headers, media_type=media)


def components(endpoint: Endpoint) -> dict[str, Any]:
    """The schemas of the body's type."""
    return msgspec.json.schema_components([endpoint.body], ref_template=REF)[1] if endpoint.body is not None else {}


def document(tag: str, endpoint: Endpoint, *, rows: bool = False) -> dict[str, Any]:
    """The OpenAPI description of a domain's endpoint."""
    replies = endpoint.replies or {200: "Success"}
    written: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": f"{endpoint.method.lower()}{endpoint.path.replace('/', '_')}",
        "tags": [tag],
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in endpoint.parameters.items()
        ]
        + ([documents.parameter(documents.FORMAT)] if rows else []),
        "responses": {
            **documents.problems(422, 503),
            **{str(status): {"description": meaning} for status, meaning in replies.items() if status < 400},
            **{
                status: {**problem, "description": replies.get(int(status), problem["description"])}
                for status, problem in documents.problems(*(code for code in replies if code >= 400)).items()
            },
        },
    }
    if endpoint.body is not None:
        (schema,), _ = msgspec.json.schema_components([endpoint.body], ref_template=REF)
        media: dict[str, Any] = {"schema": schema}
        if endpoint.example is not None:
            media["example"] = endpoint.example
        written["requestBody"] = {"required": True, "content": {"application/json": media}}
        written["responses"] |= documents.problems(400, 413, 415)
    return written
