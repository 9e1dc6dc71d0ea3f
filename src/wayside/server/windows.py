"""Rollups over a range, the open windows among them: `GET /v1/windows/{window}`, `/summary` and `/late`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.domain import Window
from wayside.server import documents, frames
from wayside.server.older import closed as archived
from wayside.server.operations import Context, Handler, Operation, Operations
from wayside.server.params import FIRST, LAST, Given, Param, read
from wayside.server.problems import ProblemError
from wayside.server.services import Services
from wayside.specs import WindowSpec

Where = Mapping[str, Sequence[Any]] | None
FROM = Param("from", "time", "Start of the range; an hour ago unless given.")
TO = Param("to", "time", "End of the range, not included; open unless given.")
LIMIT = Param("limit", "int", "Rows at most; the newest are kept.", default=10_000, least=1, most=100_000)
LATE = Param("limit", "int", "Rows at most; the newest are kept.", default=1_000, least=1, most=100_000)
PARAMS = (FROM, TO, LIMIT, documents.FORMAT)
HOUR = timedelta(hours=1)


def find(context: Context, name: str) -> Window:
    """The declared window. Raises ProblemError 404 with the names that exist."""
    windows = context.services.plan.windows
    if name not in windows:
        raise ProblemError(
            404, f"There is no window {name[:80]!r}.", why=f"Windows: {', '.join(windows) or 'none are declared'}."
        )
    return windows[name]


def filtered(rows: pl.DataFrame, where: Where) -> pl.DataFrame:
    """Rows whose columns hold one of the allowed values."""
    for name, values in (where or {}).items():
        rows = rows.filter(pl.col(name).is_in(pl.Series(values, dtype=rows.schema[name]).implode()))
    return rows


def partials(services: Services, spec: WindowSpec, start: datetime, end: datetime, where: Where) -> pl.DataFrame:
    """Closed windows inside [start, end) and open ones that start in it, as partial rows with the column `open`.

    The open ones are read first: a window that closes in between is then in both, and the closed row counts. Windows
    that the store has let go of are read from the lake.
    """
    open = services.engine.open_windows(spec.name)
    closed = services.store.windows(spec.name, start, end, where=where).select(list(spec.schema))
    older = archived(services, spec, (start, end))
    if older is not None and older.height:
        key = ["window_start", "window_end", *spec.by]
        closed = pl.concat([filtered(older, where).join(closed, on=key, how="anti", nulls_equal=True), closed])
    inside = (pl.col("window_start") >= start) & (pl.col("window_start") < end)
    open = filtered(open.filter(inside), where).select(list(spec.schema))
    place = ["window_start", *spec.by]
    open = open.join(closed.select(place), on=place, how="anti", nulls_equal=True)
    if open.height:
        # Late-closing pieces of one open window arrive as several partial rows.
        open = open.group_by("window_start", "window_end", *spec.by, maintain_order=True).agg(spec.combine())
    both = pl.concat(
        [
            closed.with_columns(open=pl.lit(False)),
            open.select(list(spec.schema)).with_columns(open=pl.lit(True)),
        ]
    )
    return both.sort("window_start", *spec.by, maintain_order=True)


def declared(spec: WindowSpec, rows: pl.DataFrame) -> pl.DataFrame:
    """Partial rows as users see them: start, end, keys, the declared outputs, `open`."""
    return rows.select("window_start", "window_end", *spec.by, *spec.outputs(), "open")


def summed(spec: WindowSpec, rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """One row per group over all the rows: counts and sums added, averages as sum over count."""
    if by:
        merged = rows.group_by(*by, maintain_order=True).agg(spec.combine()).sort(*by)
    else:
        merged = rows.select(spec.combine())
    return merged.select(*by, *spec.outputs())


def output_schema(spec: WindowSpec) -> pl.Schema:
    """Columns of the answer."""
    empty = pl.DataFrame(schema={**spec.schema, "open": pl.Boolean()})
    return declared(spec, empty).schema


def span(services: Services, given: Given) -> tuple[datetime, datetime]:
    """The range that was asked for. Raises ProblemError when it is longer than allowed."""
    end = given["to"] or LAST
    start = given["from"] or max(min(services.clock.now(), end), FIRST + HOUR) - HOUR
    days = services.limits.range_days
    if given["to"] and end - start > timedelta(days=days):
        raise ProblemError(
            422, f"The range is longer than {days} days.", where="query parameters from and to", next="Ask in parts."
        )
    return start, end


def reach(services: Services, spec: WindowSpec, given: Given) -> tuple[datetime, datetime]:
    """The range of a window's rows. Raises ProblemError for a range of running totals, which have none."""
    if not spec.endless:
        return span(services, given)
    if given["from"] or given["to"]:
        raise ProblemError(
            422,
            f"{spec.name} counts over all time.",
            where="query parameters from and to",
            next="Leave them out, or ask a window of a length.",
        )
    return FIRST, LAST


def operations(context: Context) -> Operations:
    """The routes of this file."""
    base, windows = "/v1/windows", list(context.services.plan.windows.values())
    rows = {f"{base}/{window.name}": document(window) for window in windows}
    summaries = {f"{base}/{window.name}/summary": summary_document(window.spec) for window in windows}
    late = {f"{base}/{window.name}/late": late_document(window) for window in windows}
    return [
        Operation("GET", base + "/{window}", rows_handler(context), rows),
        Operation("GET", base + "/{window}/summary", summary_handler(context), summaries),
        Operation("GET", base + "/{window}/late", late_handler(context), late),
    ]


def rows_handler(context: Context) -> Handler:
    """Windows within a range."""
    services = context.services

    async def handle(request: Request) -> Response:
        spec = find(context, request.path_params["window"]).spec
        format, given = frames.wanted(request), read(request, PARAMS, keys(spec))
        start, end = reach(services, spec, given)

        def ask() -> tuple[pl.DataFrame, bool]:
            rows = partials(services, spec, start, end, given.where)
            return declared(spec, rows.tail(given["limit"])), rows.height > given["limit"]

        rows, cut = await context.workers.run(ask)
        return frames.respond(rows, format, name=spec.name, units=spec.units, truncated=cut)

    return handle


def summary_handler(context: Context) -> Handler:
    """One row per group over a range."""
    services = context.services

    async def handle(request: Request) -> Response:
        spec = find(context, request.path_params["window"]).spec
        format, given = frames.wanted(request), read(request, summary_params(spec), keys(spec))
        start, end = reach(services, spec, given)
        by = list(dict.fromkeys(given.values.get("by", ())))

        def ask() -> pl.DataFrame:
            return summed(spec, partials(services, spec, start, end, given.where), by)

        rows = await context.workers.run(ask)
        if rows.height > services.limits.rows:
            raise ProblemError(422, "The summary has too many groups.", why=f"{rows.height:,} groups.")
        return frames.respond(rows, format, name=f"{spec.name}-summary", units=spec.units)

    return handle


def late_handler(context: Context) -> Handler:
    """Rows that came too late."""

    async def handle(request: Request) -> Response:
        window = find(context, request.path_params["window"])
        format, given = frames.wanted(request), read(request, (LATE, documents.FORMAT))
        rows = await context.workers.run(context.services.store.late, window.name, limit=given["limit"])
        units = window.source.record.units()
        return frames.respond(rows, format, name=f"{window.name}-late", units=units)

    return handle


def keys(spec: WindowSpec) -> dict[str, pl.DataType]:
    """The key columns with their types."""
    return {name: spec.input[name] for name in spec.by}


def summary_params(spec: WindowSpec) -> tuple[Param, ...]:
    """Range and grouping."""
    by = Param("by", "choice", "Key columns to group by; none for one row.", choices=spec.by, repeat=True)
    return (FROM, TO, by, documents.FORMAT) if spec.by else (FROM, TO, documents.FORMAT)


def document(window: Window) -> dict[str, Any]:
    """The OpenAPI description of the rows of one window."""
    return documents.frame_operation(
        summary=f"Windows of {window.name} within a range",
        name=f"window_{window.name}",
        tag="Windows",
        parameters=[*map(documents.parameter, PARAMS), *documents.filters(keys(window.spec))],
        schema=output_schema(window.spec),
        units=window.spec.units,
        more={"truncated": {"type": "boolean", "description": "True when older rows were left out."}},
    )


def summary_document(spec: WindowSpec) -> dict[str, Any]:
    """The OpenAPI description of the summary of one window."""
    schema = output_schema(spec)
    outputs = {name: dtype for name, dtype in schema.items() if name in spec.aggregates}
    written = documents.frame_operation(
        summary=f"One row per group of {spec.name} over a range",
        name=f"window_{spec.name}_summary",
        tag="Windows",
        parameters=[*map(documents.parameter, summary_params(spec)), *documents.filters(keys(spec))],
        schema=outputs,
        units=spec.units,
    )
    rows = written["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    rows["rows"] = {"type": "array", "items": {"type": "array"}}
    rows["columns"]["items"]["properties"]["name"]["enum"] = [*spec.by, *outputs]
    return written


def late_document(window: Window) -> dict[str, Any]:
    """The OpenAPI description of the late rows of one window."""
    schema = {**window.spec.input, "_topic": pl.String(), "_partition": pl.Int64(), "_offset": pl.Int64()}
    return documents.frame_operation(
        summary=f"Newest rows that came too late for {window.name}",
        name=f"window_{window.name}_late",
        tag="Windows",
        parameters=[documents.parameter(LATE), documents.parameter(documents.FORMAT)],
        schema=schema,
        units=window.source.record.units(),
    )
