"""Readings of one thing over time, from the log: `GET /v1/series/{layer}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.domain import Flow, Layer, Plan, Stream, Topic
from wayside.domain.feeds import Transform
from wayside.domain.flow import Join
from wayside.server import documents, frames
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import Param, read
from wayside.server.problems import ProblemError
from wayside.server.services import Services
from wayside.server.windows import FROM, TO, filtered, span

LIMIT = Param("limit", "int", "Readings at most; more are thinned evenly.", default=5_000, least=2, most=5_000)
PARAMS = (FROM, TO, LIMIT, documents.FORMAT)
CHUNK = 100_000
SCANNED = 20_000_000
DISORDER = timedelta(hours=1)
"""How far behind its neighbours in the log a reading may lie and still be found."""


@dataclass(frozen=True)
class Source:
    """Where a layer's readings come from: a topic, and the steps from it to the flow that has all columns.

    `moment` is the flow's column of time.
    """

    topic: Topic
    steps: tuple[Transform, ...]
    flow: Flow
    moment: str


def find(plan: Plan, name: str) -> Layer:
    """The declared layer. Raises ProblemError 404 with the names that exist."""
    layers = {layer.name: layer for domain in plan.domains for layer in domain.layers}
    if name not in layers:
        raise ProblemError(
            404, f"There is no layer {name[:80]!r}.", why=f"Layers: {', '.join(layers) or 'none are declared'}."
        )
    return layers[name]


def source_of(plan: Plan, layer: Layer) -> Source:
    """Walk from the layer's table up to its topic. A join is skipped, which its input must allow."""
    needed = {layer.thing, layer.value, layer.time, *([layer.series] if layer.series else [])}
    flow: Flow = plan.tables[layer.table].source
    steps: list[Transform] = []
    last = flow
    while not isinstance(flow, Topic):
        if isinstance(flow, Stream):
            steps.insert(0, flow.transform)
            flow = flow.source
        elif isinstance(flow, Join) and needed <= set(flow.source.record.fields) and not steps:
            flow = last = flow.source
        else:
            raise ProblemError(
                422,
                f"The layer {layer.name!r} has no history of single readings.",
                why=f"Its readings come from the join {flow.name!r}, which the log does not keep.",
                next="Ask for its windows.",
            )
    return Source(flow, tuple(steps), last, layer.time)


def operations(context: Context) -> Operations:
    """The routes of this file."""
    services = context.services

    async def get_series(request: Request) -> Response:
        layer = find(services.plan, request.path_params["layer"])
        source = source_of(services.plan, layer)
        format, given = frames.wanted(request), read(request, PARAMS, keys(source, layer))
        for name in keys(source, layer):
            if len(given.where.get(name, [])) != 1:
                raise ProblemError(
                    422,
                    f"The parameter `{name}` is needed exactly once.",
                    where=f"query parameter {name}",
                    why="A series belongs to one thing.",
                )
        start, end = span(services, given)
        rows = await context.workers.run(readings, services, source, (start, end), given.where)
        kept = thinned(rows, given["limit"])
        unit = unit_of(source, layer, rows)
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


def keys(source: Source, layer: Layer) -> dict[str, pl.DataType]:
    """The columns that choose a series, with their types."""
    schema = source.flow.record.schema()
    return {name: schema[name] for name in (layer.thing, layer.series) if name is not None}


def readings(
    services: Services, source: Source, span: tuple[datetime, datetime], where: Mapping[str, list[Any]]
) -> pl.DataFrame:
    """All readings of one series in [start, end), by time. Raises ProblemError when the range holds too much."""
    broker, topic, moment = services.broker, source.topic, source.moment
    start, end = span
    found: list[pl.DataFrame] = []
    scanned = 0
    deadline = services.clock.monotonic() + services.limits.query_seconds * 0.8
    time = topic.record.time
    for info in broker.partitions(topic.name):
        position = max(info.start, broker.seek(topic.name, info.partition, start))
        while position < info.end:
            batch = broker.read(topic.name, info.partition, position, max_rows=CHUNK)
            if batch is None:
                break
            position = batch.next
            scanned += batch.frame.height
            if scanned > SCANNED or services.clock.monotonic() > deadline:
                raise ProblemError(
                    422, "The range holds too many records to look through.", next="Ask for a shorter range."
                )
            rows = step(source, batch.frame, where).filter(pl.col(moment).is_between(start, end, closed="left"))
            if rows.height:
                found.append(rows)
            if time is not None and batch.frame.height and batch.frame[time].min() - DISORDER > end:  # type: ignore[operator]  # a datetime
                break
    if not found:
        return source.flow.record.empty()
    return pl.concat(found).sort(moment, maintain_order=True)


def step(source: Source, frame: pl.DataFrame, where: Mapping[str, list[Any]]) -> pl.DataFrame:
    """One series' rows of a batch of the topic."""
    rows = frame.lazy()
    for transform in source.steps:
        rows = transform(rows)
    return filtered(rows.select(list(source.flow.record.fields)).collect() if source.steps else frame, where)


def thinned(rows: pl.DataFrame, limit: int) -> pl.DataFrame:
    """At most `limit` rows, evenly taken, the first and the last among them."""
    if rows.height <= limit:
        return rows
    return rows.with_row_index("_row").filter(
        pl.col("_row").is_in([index * (rows.height - 1) // (limit - 1) for index in range(limit)])
    )


def unit_of(source: Source, layer: Layer, rows: pl.DataFrame) -> str:
    """The unit of the values: the newest row's where it is a column, else the declared one."""
    if layer.unit in rows.columns:
        return str(rows[layer.unit][-1] or "") if rows.height else ""
    return layer.unit or source.flow.record.units().get(layer.value, "")


def document(plan: Plan, layer: Layer) -> dict[str, Any]:
    """The OpenAPI description for one layer."""
    source = source_of(plan, layer)
    schema = source.flow.record.schema()
    chosen = documents.filters(keys(source, layer))
    one = [{**key, "required": True, "schema": {**key["schema"], "minItems": 1, "maxItems": 1}} for key in chosen]
    return documents.frame_operation(
        summary=f"Readings of one series of {layer.title}",
        name=f"series_{layer.name}",
        tag="Series",
        parameters=[*one, *map(documents.parameter, PARAMS)],
        schema={layer.time: schema[layer.time], layer.value: schema[layer.value]},
        units=source.flow.record.units(),
        more={"thinned": {"type": "boolean", "description": "True when readings were left out evenly."}},
    )
