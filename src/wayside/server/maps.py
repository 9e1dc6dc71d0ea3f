"""Maps: what moved once, `GET /v1/maps/{map}/past`. What stands still is in the layers."""

from __future__ import annotations

import dataclasses
from typing import Any

import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.domain import Map, Plan
from wayside.durations import duration
from wayside.server import documents, frames
from wayside.server.history import Source, readings, source_of
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import Param, read
from wayside.server.problems import ProblemError
from wayside.server.windows import FROM, TO, span

EVERY = Param(
    "every", "int", "At most one row per thing and so many seconds, the newest.", default=1, least=1, most=600
)
ONLY = Param("only", "choice", "`newest`: the last row of each thing, of those that are there.", choices=("newest",))
LIMIT = Param("limit", "int", "Rows at most; ask for a shorter range beyond it.", 200_000, least=1, most=500_000)
PAST = (FROM, TO, EVERY, ONLY, LIMIT, documents.FORMAT)


NESTED = ("lines", "places", "bands", "states", "facts", "calls")


def map_of(map: Map) -> dict[str, Any]:
    """One map as the page reads it: its columns by their part, seconds in place of spoken durations."""
    plain = {
        item.name: getattr(map, item.name)
        for item in dataclasses.fields(map)
        if item.name not in ("horizon", "stale", "dead", *NESTED)
    }
    return {
        **plain,
        "columns": map.columns(),
        "lines": dataclasses.asdict(map.lines),
        "places": dataclasses.asdict(map.places) if map.places is not None else None,
        "bands": [dataclasses.asdict(band) for band in map.bands],
        "states": {name: dataclasses.asdict(state) for name, state in map.states.items()},
        "facts": [dataclasses.asdict(fact) for fact in map.facts],
        "calls": dataclasses.asdict(map.calls) if map.calls is not None else None,
        "horizon_seconds": duration(map.horizon).total_seconds(),
        "stale_seconds": duration(map.stale).total_seconds(),
        "dead_seconds": duration(map.dead).total_seconds(),
    }


def find(plan: Plan, name: str) -> Map:
    """The declared map. Raises ProblemError 404 with the names that exist."""
    known = {map.name: map for domain in plan.domains for map in domain.maps}
    if name not in known:
        raise ProblemError(
            404, f"There is no map {name[:80]!r}.", why=f"Maps: {', '.join(known) or 'none are declared'}."
        )
    return known[name]


def source(plan: Plan, map: Map) -> Source:
    """Where the past of a map's things is: the flow behind its table."""
    return source_of(plan, f"map {map.name!r}", map.table, set(map.columns()), map.time)


def operations(context: Context) -> Operations:
    """The routes of this file."""
    services = context.services
    maps = [map for domain in services.plan.domains for map in domain.maps]
    if not maps:
        return []

    async def get_past(request: Request) -> Response:
        map = find(services.plan, request.path_params["map"])
        origin, format = source(services.plan, map), frames.wanted(request)
        given = read(request, PAST, filters(map, origin))
        start, end = span(services, given)

        def ask() -> pl.DataFrame:
            rows = readings(services, origin, (start, end), given.where)
            rows = rows.select(map.columns())
            return present(rows, map) if given["only"] else thinned(rows, map, given["every"])

        rows = await context.workers.run(ask)
        if rows.height > given["limit"]:
            raise ProblemError(
                422,
                f"The range holds {rows.height:,} rows; {given['limit']:,} were asked for at most.",
                next="Ask for a shorter range, or for fewer rows with `every`.",
            )
        return frames.respond(rows, format, name=f"{map.name}-past", units=origin.flow.record.units())

    written = {f"/v1/maps/{map.name}/past": past_document(services.plan, map) for map in maps}
    return [Operation("GET", "/v1/maps/{map}/past", get_past, written)]


def filters(map: Map, origin: Source) -> dict[str, pl.DataType]:
    """The columns by which the past can be narrowed: the thing, and its line."""
    schema = origin.flow.record.schema()
    return {name: schema[name] for name in (map.thing, map.line) if name}


def thinned(rows: pl.DataFrame, map: Map, every: int) -> pl.DataFrame:
    """The newest row of each thing within each span of so many seconds."""
    if every <= 1 or rows.is_empty():
        return rows
    span = pl.col(map.time).dt.truncate(f"{every}s")
    return rows.group_by(map.thing, span.alias("_span"), maintain_order=True).last().select(rows.columns)


def present(rows: pl.DataFrame, map: Map) -> pl.DataFrame:
    """The newest row of each thing by its event time, without those that have gone by then."""
    newest = rows.sort(map.time, maintain_order=True).unique(map.thing, keep="last", maintain_order=True)
    there = newest.filter(~pl.col(map.gone).fill_null(False)) if map.gone else newest
    return there.sort(*([map.line] if map.line else []), map.thing, maintain_order=True)


def past_document(plan: Plan, map: Map) -> dict[str, Any]:
    """The OpenAPI description of one map's past."""
    origin = source(plan, map)
    record = origin.flow.record
    schema = pl.Schema({name: record.schema()[name] for name in map.columns()})
    narrowed = documents.filters(filters(map, origin))
    return documents.frame_operation(
        summary=f"What moved on {map.title} in a range of time",
        name=f"past_{map.name}",
        tag="Maps",
        parameters=[*narrowed, *(documents.parameter(param) for param in PAST)],
        schema=schema,
        units=record.units(),
        statuses=(404, 422, 503),
    )
