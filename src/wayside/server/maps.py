"""Maps: what stands still, `GET /v1/maps/{map}/geometry`, and what moved once, `GET /v1/maps/{map}/past`."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import threading
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.domain import Geometry, Map, Plan
from wayside.durations import duration
from wayside.server import documents, frames
from wayside.server.history import Source, readings, source_of
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import Param, read
from wayside.server.problems import ProblemError
from wayside.server.windows import FROM, TO, span

GEOJSON = "application/geo+json"
EVERY = Param(
    "every", "int", "At most one row per thing and so many seconds, the newest.", default=1, least=1, most=600
)
LIMIT = Param("limit", "int", "Rows at most; ask for a shorter range beyond it.", 200_000, least=1, most=500_000)
PAST = (FROM, TO, EVERY, LIMIT, documents.FORMAT)


def map_of(map: Map) -> dict[str, Any]:
    """One map as the page reads it: its columns by their part, seconds in place of spoken durations."""
    plain = {
        item.name: getattr(map, item.name)
        for item in dataclasses.fields(map)
        if item.name not in ("geometry", "horizon", "stale", "dead", "bands", "states", "facts", "calls")
    }
    return {
        **plain,
        "bands": [dataclasses.asdict(band) for band in map.bands],
        "states": {name: dataclasses.asdict(state) for name, state in map.states.items()},
        "facts": [dataclasses.asdict(fact) for fact in map.facts],
        "calls": dataclasses.asdict(map.calls) if map.calls is not None else None,
        "horizon_seconds": duration(map.horizon).total_seconds(),
        "stale_seconds": duration(map.stale).total_seconds(),
        "dead_seconds": duration(map.dead).total_seconds(),
    }


@dataclass(frozen=True)
class Written:
    """A geometry as it is sent."""

    of: Geometry
    content: bytes
    squeezed: bytes
    etag: str

    def answer(self, request: Request) -> Response:
        """Nothing where the client has it already; compressed where it takes that."""
        headers = {"ETag": self.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(self.squeezed, headers=headers, media_type=GEOJSON)
        return Response(self.content, headers=headers, media_type=GEOJSON)


class Shelf:
    """The newest geometry of each map, written once for as long as its provider gives the same object."""

    def __init__(self) -> None:
        self._written: dict[str, Written] = {}
        self._lock = threading.Lock()

    def get(self, map: Map) -> Written:
        """The geometry of a map as bytes."""
        geometry = map.geometry()
        with self._lock:
            known = self._written.get(map.name)
            if known is None or known.of is not geometry:
                content = orjson.dumps(collection(geometry))
                etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
                known = self._written[map.name] = Written(geometry, content, gzip.compress(content, 6, mtime=0), etag)
            return known


def collection(geometry: Geometry) -> dict[str, Any]:
    """A GeoJSON FeatureCollection: paths as LineStrings, places as Points, and the lines as a foreign member."""
    features: list[dict[str, Any]] = [
        {
            "type": "Feature",
            "id": path.id,
            "geometry": {"type": "LineString", "coordinates": [rounded(*pair) for pair in path.coordinates]},
            "properties": {"line": path.line, "length": path.length},
        }
        for path in geometry.paths
    ]
    features += [
        {
            "type": "Feature",
            "id": place.id,
            "geometry": {"type": "Point", "coordinates": rounded(place.longitude, place.latitude)},
            "properties": {"name": place.name, "lines": list(place.lines), "rank": place.rank, "kind": place.kind},
        }
        for place in geometry.places
    ]
    return {
        "type": "FeatureCollection",
        "features": features,
        "lines": [dataclasses.asdict(line) for line in geometry.lines],
    }


def rounded(longitude: float, latitude: float) -> list[float]:
    """Six decimals of a degree are eleven centimetres."""
    return [round(longitude, 6), round(latitude, 6)]


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
    services, shelf = context.services, Shelf()
    maps = [map for domain in services.plan.domains for map in domain.maps]
    if not maps:
        return []

    async def get_geometry(request: Request) -> Response:
        read(request, ())
        map = find(services.plan, request.path_params["map"])
        written = await context.workers.run(shelf.get, map)
        return written.answer(request)

    async def get_past(request: Request) -> Response:
        map = find(services.plan, request.path_params["map"])
        origin, format, given = source(services.plan, map), frames.wanted(request), read(request, PAST)
        start, end = span(services, given)

        def ask() -> pl.DataFrame:
            rows = readings(services, origin, (start, end), {})
            return thinned(rows.select(map.columns()), map, given["every"])

        rows = await context.workers.run(ask)
        if rows.height > given["limit"]:
            raise ProblemError(
                422,
                f"The range holds {rows.height:,} rows; {given['limit']:,} were asked for at most.",
                next="Ask for a shorter range, or for fewer rows with `every`.",
            )
        return frames.respond(rows, format, name=f"{map.name}-past", units=origin.flow.record.units())

    still = {f"/v1/maps/{map.name}/geometry": geometry_document(map) for map in maps}
    past = {f"/v1/maps/{map.name}/past": past_document(services.plan, map) for map in maps}
    return [
        Operation("GET", "/v1/maps/{map}/geometry", get_geometry, still),
        Operation("GET", "/v1/maps/{map}/past", get_past, past),
    ]


def thinned(rows: pl.DataFrame, map: Map, every: int) -> pl.DataFrame:
    """The newest row of each thing within each span of so many seconds."""
    if every <= 1 or rows.is_empty():
        return rows
    span = pl.col(map.time).dt.truncate(f"{every}s")
    return rows.group_by(map.thing, span.alias("_span"), maintain_order=True).last().select(rows.columns)


def geometry_document(map: Map) -> dict[str, Any]:
    """The OpenAPI description of one map's geometry."""
    schema = {
        "type": "object",
        "properties": {"type": {"const": "FeatureCollection"}},
        "required": ["type", "features"],
    }
    return {
        "summary": f"Paths and places of {map.title}, as GeoJSON",
        "operationId": f"geometry_{map.name}",
        "tags": ["Maps"],
        "responses": {
            "200": {"description": "A FeatureCollection with the lines", "content": {GEOJSON: {"schema": schema}}},
            "304": {"description": "Nothing has changed"},
            **documents.problems(404, 422, 503),
        },
    }


def past_document(plan: Plan, map: Map) -> dict[str, Any]:
    """The OpenAPI description of one map's past."""
    record = source(plan, map).flow.record
    schema = pl.Schema({name: record.schema()[name] for name in map.columns()})
    return documents.frame_operation(
        summary=f"What moved on {map.title} in a range of time",
        name=f"past_{map.name}",
        tag="Maps",
        parameters=[documents.parameter(param) for param in PAST],
        schema=schema,
        units=record.units(),
        statuses=(404, 422, 503),
    )
