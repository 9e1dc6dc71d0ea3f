"""Readings of one thing over time, from the log: `GET /v1/series/{layer}`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.domain import Layer, Plan
from wayside.server import documents, frames
from wayside.server.history import Source, readings, source_of
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import Param, read
from wayside.server.problems import ProblemError
from wayside.server.windows import FROM, TO, span

LIMIT = Param("limit", "int", "Readings at most; more are thinned evenly.", default=5_000, least=2, most=5_000)
PARAMS = (FROM, TO, LIMIT, documents.FORMAT)
CHUNK = 100_000
SCANNED = 20_000_000
DISORDER = timedelta(hours=1)
"""How far behind its neighbours in the log a reading may lie and still be found."""


def find(plan: Plan, name: str) -> Layer:
    """The declared layer. Raises ProblemError 404 with the names that exist."""
    layers = {layer.name: layer for domain in plan.domains for layer in domain.layers}
    if name not in layers:
        raise ProblemError(
            404, f"There is no layer {name[:80]!r}.", why=f"Layers: {', '.join(layers) or 'none are declared'}."
        )
    return layers[name]


def source(plan: Plan, layer: Layer) -> Source:
    """Where the readings of a layer come from."""
    needed = {layer.thing, layer.value, layer.time, *([layer.series] if layer.series else [])}
    return source_of(plan, f"layer {layer.name!r}", layer.table, needed, layer.time)


def operations(context: Context) -> Operations:
    """The routes of this file."""
    services = context.services

    async def get_series(request: Request) -> Response:
        layer = find(services.plan, request.path_params["layer"])
        origin = source(services.plan, layer)
        format, given = frames.wanted(request), read(request, PARAMS, keys(origin, layer))
        for name in keys(origin, layer):
            if len(given.where.get(name, [])) != 1:
                raise ProblemError(
                    422,
                    f"The parameter `{name}` is needed exactly once.",
                    where=f"query parameter {name}",
                    why="A series belongs to one thing.",
                )
        start, end = span(services, given)
        rows = await context.workers.run(readings, services, origin, (start, end), given.where)
        kept = thinned(rows, given["limit"])
        unit = unit_of(origin, layer, rows)
        columns = kept.select(layer.time, layer.value)
        return frames.respond(
            columns, format, name=f"{layer.name}-series", units={layer.value: unit}, thinned=kept.height < rows.height
        )

    written = {
        f"/v1/series/{layer.name}": document(services.plan, layer)
        for domain in services.plan.domains
        for layer in domain.layers
    }
    return [Operation("GET", "/v1/series/{layer}", get_series, written)]


def keys(origin: Source, layer: Layer) -> dict[str, pl.DataType]:
    """The columns that choose a series, with their types."""
    schema = origin.flow.record.schema()
    return {name: schema[name] for name in (layer.thing, layer.series) if name is not None}


def thinned(rows: pl.DataFrame, limit: int) -> pl.DataFrame:
    """At most `limit` rows, evenly taken, the first and the last among them."""
    if rows.height <= limit:
        return rows
    return rows.with_row_index("_row").filter(
        pl.col("_row").is_in([index * (rows.height - 1) // (limit - 1) for index in range(limit)])
    )


def unit_of(origin: Source, layer: Layer, rows: pl.DataFrame) -> str:
    """The unit of the values: the newest row's where it is a column, else the declared one."""
    if layer.unit in rows.columns:
        return str(rows[layer.unit][-1] or "") if rows.height else ""
    return layer.unit or origin.flow.record.units().get(layer.value, "")


def document(plan: Plan, layer: Layer) -> dict[str, Any]:
    """The OpenAPI description for one layer."""
    origin = source(plan, layer)
    schema = origin.flow.record.schema()
    chosen = documents.filters(keys(origin, layer))
    one = [{**key, "required": True, "schema": {**key["schema"], "minItems": 1, "maxItems": 1}} for key in chosen]
    return documents.frame_operation(
        summary=f"Readings of one series of {layer.title}",
        name=f"series_{layer.name}",
        tag="Series",
        parameters=[*one, *map(documents.parameter, PARAMS)],
        schema={layer.time: schema[layer.time], layer.value: schema[layer.value]},
        units=origin.flow.record.units(),
        more={"thinned": {"type": "boolean", "description": "True when readings were left out evenly."}},
    )
