"""What lies where, as GeoJSON: `GET /v1/layers/{layer}`, for declared geometries and for layers of points."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.domain import Geometry, Layer, Plan
from wayside.server import documents, frames
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import read
from wayside.server.problems import ProblemError
from wayside.specs import TableSpec

MEDIA = "application/geo+json"
SQUEEZED = 1_024
"""Answers of more bytes than this are compressed where the client can read that."""


@dataclass(frozen=True)
class Written:
    """A geometry as it is sent, and what it was written from."""

    source: Mapping[str, Any]
    body: bytes
    squeezed: bytes
    etag: str


class Geometries:
    """Declared geometries, each written once for as long as its domain returns the same object."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._written: dict[str, Written] = {}

    def get(self, geometry: Geometry) -> Written:
        """The geometry's answer of now."""
        source = geometry.features()
        with self._lock:
            known = self._written.get(geometry.name)
            if known is None or known.source is not source:
                body = orjson.dumps(source, option=orjson.OPT_SERIALIZE_NUMPY)
                etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
                known = self._written[geometry.name] = Written(source, body, gzip.compress(body, 6, mtime=0), etag)
            return known


def declared(plan: Plan) -> dict[str, Geometry | Layer]:
    """Everything that has a place, by name."""
    found: dict[str, Geometry | Layer] = {}
    for domain in plan.domains:
        found |= {geometry.name: geometry for geometry in domain.geometries}
        found |= {layer.name: layer for layer in domain.layers if layer.place is not None}
    return found


def operations(context: Context) -> Operations:
    """The routes of this file."""
    services, geometries = context.services, Geometries()
    known = declared(services.plan)

    async def get_layer(request: Request) -> Response:
        layer = known.get(request.path_params["layer"])
        if layer is None:
            asked = request.path_params["layer"][:80]
            raise ProblemError(
                404, f"There is no layer {asked!r} to draw.", why=f"Layers: {', '.join(known) or 'none'}."
            )
        if isinstance(layer, Layer):
            spec = services.plan.tables[layer.table].spec
            where = read(request, [], spec.schema).where
            rows = await context.workers.run(
                lambda: services.store.table(spec.name, where=where, limit=services.limits.rows)
            )
            return Response(orjson.dumps(points(layer, spec, rows)), media_type=MEDIA)
        read(request, [])
        return sent(await context.workers.run(geometries.get, layer), request)

    written = {f"/v1/layers/{name}": document(services.plan, layer) for name, layer in known.items()}
    return [Operation("GET", "/v1/layers/{layer}", get_layer, written)]


def sent(found: Written, request: Request) -> Response:
    """The geometry, or that it has not changed."""
    headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if len(found.body) > SQUEEZED and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.squeezed, headers={**headers, "Content-Encoding": "gzip"}, media_type=MEDIA)
    return Response(found.body, headers=headers, media_type=MEDIA)


def points(layer: Layer, spec: TableSpec, rows: pl.DataFrame) -> dict[str, Any]:
    """The live rows of a layer as points; a row without a place has a null geometry."""
    assert layer.place is not None
    lat, lon = layer.place.latitude, layer.place.longitude
    columns = [name for name in rows.columns if name not in (lat, lon)]
    places = rows.select(lon, lat).rows()
    cells = frames.plain(rows.select(columns)).rows(named=True)
    keys = rows.select(spec.key).rows()
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": "/".join(map(str, key)),
                "geometry": None if None in place else {"type": "Point", "coordinates": place},
                "properties": own,
            }
            for key, place, own in zip(keys, places, cells, strict=True)
        ],
    }


def document(plan: Plan, layer: Geometry | Layer) -> dict[str, Any]:
    """The OpenAPI description of one layer."""
    schema = documents.whole({"type": {"const": "FeatureCollection"}, "features": {"type": "array", "items": FEATURE}})
    moving = isinstance(layer, Layer)
    responses: dict[str, Any] = {
        "200": {"description": "The features", "content": {MEDIA: {"schema": schema}}},
        **documents.problems(404, 422, 503),
    }
    if not moving:
        responses["304"] = {"description": "Not changed since the answer with the `ETag` in `If-None-Match`"}
    return {
        "summary": f"{layer.title} as GeoJSON",
        "operationId": f"layer_{layer.name}",
        "tags": ["Layers"],
        "parameters": documents.filters(plan.tables[layer.table].spec.schema) if isinstance(layer, Layer) else [],
        "responses": responses,
    }


FEATURE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"const": "Feature"},
        "id": {"type": ["string", "integer"]},
        "geometry": {"type": ["object", "null"]},
        "properties": {"type": "object"},
    },
    "required": ["type", "geometry", "properties"],
}
