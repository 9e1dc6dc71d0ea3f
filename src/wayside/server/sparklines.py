"""A few points per series for small pictures: `GET /v1/sparklines/{layer}`.

They come from the layer's window where it has one. Otherwise the newest values of commits are remembered here, one per
series and step of time, for an hour at most.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime, timedelta
from typing import Any

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.domain import Layer, Plan
from wayside.server import documents, frames
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import Given, Param, read
from wayside.server.series import find
from wayside.server.services import Services
from wayside.server.windows import filtered, partials
from wayside.specs import TIME, WindowSpec
from wayside.values import Commit

SECONDS = Param("seconds", "int", "How far back the points go.", default=600, least=10, most=3_600)
SERIES = 500
"""Series that one answer holds."""
POINTS = 60
REMEMBERED = 500_000
SEPARATOR = "\x1f"
HOUR = timedelta(hours=1)
POINT = {"key": pl.String(), "time": TIME, "value": pl.Float64()}


class Recent:
    """Newest values of layers without a window, fed by the engine's commits. Any thread may use it."""

    def __init__(self, plan: Plan) -> None:
        layers = [layer for domain in plan.domains for layer in domain.layers if rollup_of(plan, layer) is None]
        self._columns = {layer.name: (layer.table, points_of(layer)) for layer in layers}
        self._kept: dict[str, deque[pl.DataFrame]] = {name: deque() for name in self._columns}
        self._lock = threading.Lock()

    def hear(self, commit: Commit) -> None:
        """Take what a commit changed."""
        for name, (table, columns) in self._columns.items():
            rows = commit.tables.get(table)
            if rows is not None and rows.height:
                with self._lock:
                    self._keep(self._kept[name], rows.select(columns), commit.at)

    def _keep(self, kept: deque[pl.DataFrame], rows: pl.DataFrame, now: datetime) -> None:
        kept.append(rows.with_columns(at=pl.lit(now)))
        if len(kept) > 64:
            merged = pl.concat(kept).filter(pl.col("at") > now - HOUR)
            # One value per series and ten seconds is as much as any picture of an hour shows.
            merged = merged.with_columns(step=pl.col("time").dt.truncate("10s"))
            merged = merged.unique(["key", "step"], keep="last", maintain_order=True).drop("step")
            kept.clear()
            kept.append(merged.tail(REMEMBERED))

    def rows(self, layer: str) -> pl.DataFrame:
        """Key, time and value of everything that is remembered of a layer."""
        with self._lock:
            kept = list(self._kept[layer])
        return pl.concat(kept).select(list(POINT)) if kept else pl.DataFrame(schema=POINT)


def points_of(layer: Layer) -> list[pl.Expr]:
    """Expressions for the key, the time and the value of a layer's rows."""
    return [key_of(layer), pl.col(layer.time).alias("time"), pl.col(layer.value).cast(pl.Float64).alias("value")]


def key_of(layer: Layer) -> pl.Expr:
    """Thing and series as one text."""
    names = [layer.thing, *([layer.series] if layer.series else [])]
    return pl.concat_str([pl.col(name).cast(pl.String) for name in names], separator=SEPARATOR).alias("key")


def rollup_of(plan: Plan, layer: Layer) -> tuple[WindowSpec, pl.Expr] | None:
    """The layer's window and the output that follows the layer's value: its mean, else the first of that column.

    Null when the layer has no window, or one that does not tell its series apart.
    """
    if layer.window is None:
        return None
    spec = plan.windows[layer.window].spec
    names = {layer.thing, *([layer.series] if layer.series else [])}
    fitting = [(a.kind != "mean", name) for name, a in spec.aggregates.items() if a.column == layer.value]
    if not fitting or not names <= set(spec.by):
        return None
    return spec, dict(zip(spec.aggregates, spec.outputs(), strict=True))[min(fitting)[1]]


def operations(context: Context, recent: Recent) -> Operations:
    """The routes of this file."""
    services = context.services

    async def get_sparklines(request: Request) -> Response:
        layer = find(services.plan, request.path_params["layer"])
        given = read(request, (SECONDS,), services.plan.tables[layer.table].spec.schema)
        now = services.clock.now()
        points = await context.workers.run(ask, services, recent, layer, given, now)
        return Response(orjson.dumps({"now": frames.iso(now), "points": points}), media_type="application/json")

    written = {
        f"/v1/sparklines/{layer.name}": document(services.plan, layer)
        for domain in services.plan.domains
        for layer in domain.layers
    }
    return [Operation("GET", "/v1/sparklines/{layer}", get_sparklines, written)]


def ask(services: Services, recent: Recent, layer: Layer, given: Given, now: datetime) -> dict[str, Any]:
    """Points by series, for the first series of the table that pass the filters."""
    start = now - timedelta(seconds=given["seconds"])
    chosen = services.store.table(layer.table, where=given.where, limit=SERIES)
    rollup = rollup_of(services.plan, layer)
    if rollup is None:
        rows = recent.rows(layer.name)
    else:
        spec, value = rollup
        things = {layer.thing: chosen[layer.thing].unique().to_list()}
        found = partials(services, spec, start, now + spec.size, things)
        time = pl.col("window_start").alias("time")
        rows = found.select(key_of(layer), time, value.cast(pl.Float64).alias("value"))
    wanted = chosen.select(key_of(layer))["key"]
    rows = filtered(rows, {"key": wanted.to_list()})
    return grouped(rows.filter(pl.col("time") >= start), given["seconds"])


def grouped(rows: pl.DataFrame, seconds: int) -> dict[str, Any]:
    """Milliseconds and value per key, one point per sixtieth of the time."""
    if rows.is_empty():
        return {}
    step = max(1, seconds * 1000 // POINTS)
    moments = rows.sort("time", maintain_order=True).select(
        "key", pl.col("time").dt.epoch("ms").alias("t"), pl.when(pl.col("value").is_finite()).then("value")
    )
    marked = moments.with_columns(step=pl.col("t") // step)
    thin = marked.unique(["key", "step"], keep="last", maintain_order=True)
    return {str(key): own.select("t", "value").rows() for (key,), own in thin.group_by("key", maintain_order=True)}


def document(plan: Plan, layer: Layer) -> dict[str, Any]:
    """The OpenAPI description for one layer."""
    point = {
        "type": "array",
        "items": {"type": ["number", "null"], "description": "milliseconds since 1970, and the value"},
        "minItems": 2,
        "maxItems": 2,
    }
    body: dict[str, documents.Schema] = {
        "now": {"type": "string", "format": "date-time"},
        "points": {"type": "object", "additionalProperties": {"type": "array", "items": point}},
    }
    return {
        "summary": f"About {POINTS} points per series of {layer.title}, for at most {SERIES} series",
        "operationId": f"sparklines_{layer.name}",
        "tags": ["Series"],
        "parameters": [documents.parameter(SECONDS), *documents.filters(plan.tables[layer.table].spec.schema)],
        "responses": {
            "200": documents.answer("Points by thing, or by thing, U+001F and series", documents.whole(body)),
            **documents.problems(422, 503),
        },
    }
