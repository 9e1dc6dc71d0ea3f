"""What is true now: `GET /v1/tables/{table}`."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.domain import Table
from wayside.server import documents, frames
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import Param, of_column, read
from wayside.server.problems import ProblemError
from wayside.specs import TableSpec

LIMIT = Param("limit", "int", "Rows at most.", default=1_000, least=1, most=100_000)
AFTER = Param("after", "text", "The `next` of the page before.")


def params(spec: TableSpec) -> list[Param]:
    """The parameters of a table; only those with search columns can be searched."""
    search = Param("q", "text", f"Text to find in {', '.join(spec.search)}.", default="")
    return [LIMIT, AFTER, *([search] if spec.search else []), documents.FORMAT]


def find(context: Context, name: str) -> Table:
    """The declared table. Raises ProblemError 404 with the names that exist."""
    tables = context.services.plan.tables
    if name not in tables:
        raise ProblemError(
            404, f"There is no table {name[:80]!r}.", why=f"Tables: {', '.join(tables) or 'none are declared'}."
        )
    return tables[name]


def operations(context: Context) -> Operations:
    """The routes of this file."""
    services = context.services

    async def get_table(request: Request) -> Response:
        table = find(context, request.path_params["table"])
        spec, format = table.spec, frames.wanted(request)
        given = read(request, params(spec), spec.schema)
        after = decode_cursor(spec, given["after"])

        def ask() -> tuple[pl.DataFrame, int]:
            rows = services.store.table(
                spec.name, where=given.where, search=given.values.get("q", ""), limit=given["limit"], after=after
            )
            return rows, services.store.count(spec.name)

        rows, total = await context.workers.run(ask)
        next = encode_cursor(spec, rows) if rows.height == given["limit"] else None
        units = table.source.record.units()
        return frames.respond(rows, format, name=spec.name, units=units, next=next, total=total)

    written = {f"/v1/tables/{name}": document(table) for name, table in services.plan.tables.items()}
    return [Operation("GET", "/v1/tables/{table}", get_table, written)]


def document(table: Table) -> dict[str, Any]:
    """The OpenAPI description for one table."""
    spec = table.spec
    return documents.frame_operation(
        summary=f"Live rows of the table {spec.name}",
        name=f"table_{spec.name}",
        tag="Tables",
        parameters=[*map(documents.parameter, params(spec)), *documents.filters(spec.schema)],
        schema=spec.schema,
        units=table.source.record.units(),
        statuses=(404, 422, 503),
        more={"total": {"type": "integer", "description": "Number of live rows in the whole table."}},
    )


def encode_cursor(spec: TableSpec, rows: pl.DataFrame) -> str | None:
    """Where the next page starts: the key of the last row."""
    if rows.is_empty():
        return None
    values = rows.select(spec.key).row(-1)
    return base64.urlsafe_b64encode(msgspec.json.encode([str(value) for value in values])).decode().rstrip("=")


def decode_cursor(spec: TableSpec, text: str | None) -> tuple[Any, ...] | None:
    """The key that a cursor stands for. Raises ProblemError 404 for one that we did not make."""
    if text is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        parts = msgspec.json.decode(raw, type=list[str])
        return tuple(of_column("after", part, spec.schema[name]) for name, part in zip(spec.key, parts, strict=True))
    except (ProblemError, ValueError, binascii.Error, msgspec.MsgspecError, RecursionError) as error:
        raise ProblemError(
            404,
            "There is no page of this table at that cursor.",
            where="query parameter after",
            next="Leave it out to start at the beginning.",
        ) from error
