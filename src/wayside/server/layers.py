"""What lies where, as GeoJSON: `GET /v1/layers/{layer}`, for declared geometries and for layers of points."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.domain import Geometry, Layer, Plan
from wayside.server import documents, frames
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import Param, read
from wayside.server.problems import ProblemError
from wayside.specs import TableSpec

MEDIA = "application/geo+json"
SQUEEZED = 1_024
"""Answers of more bytes than this are compressed where the client can read that."""


AT = Param("at", "time", "An instant of the past: what was there then. Now unless given.")
HELD = 3
"""Answers of a geometry that are held: that of now, and those of the past that were asked for last."""
Facts = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """A geometry as it is sent, and what it was written from."""

    source: Mapping[str, Any]
    facts: Facts
    version: str
    plain: bytes
    body: bytes
    squeezed: bytes
    etag: str


class Geometries:
    """Declared geometries, each written once for as long as its domain returns the same object."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._written: dict[str, list[Written]] = {}
        self._seen: dict[str, tuple[Mapping[str, Any], datetime]] = {}

    def get(self, geometry: Geometry, now: datetime, at: datetime | None = None) -> Written:
        """The geometry's answer of now, or as of an instant before it."""
        if geometry.past is None:
            return self._answer(geometry.name, geometry.features(), {})
        if at is not None and at < now:
            drawn = geometry.past(at)
            facts = {"since": frames.iso(drawn.since), "until": frames.iso(drawn.until), "notes": list(drawn.notes)}
            return self._answer(geometry.name, drawn.features, facts)
        features, drawn = geometry.features(), geometry.past(now)
        known = drawn.features is features and not drawn.notes
        since = drawn.since if known else self._since(geometry.name, features, now)
        return self._answer(geometry.name, features, {"since": frames.iso(since)})

    def _since(self, name: str, features: Mapping[str, Any], now: datetime) -> datetime:
        """Since when features are seen to be there, where their domain does not know it."""
        with self._lock:
            if name not in self._seen or self._seen[name][0] is not features:
                self._seen[name] = (features, now)
            return self._seen[name][1]

    def _answer(self, name: str, source: Mapping[str, Any], facts: Facts) -> Written:
        with self._lock:
            held = self._written.setdefault(name, [])
            found = next((one for one in held if one.source is source and one.facts == facts), None)
            if found is None:
                same = next((one for one in held if one.source is source), None)
                found = written(source, facts, same)
            held[:] = [found, *(one for one in held if one is not found)][:HELD]
            return found


def written(source: Mapping[str, Any], facts: Facts, same: Written | None) -> Written:
    """Features as they are sent, with facts about them; `same` has the same features and other facts."""
    plain = same.plain if same is not None else orjson.dumps(source, option=orjson.OPT_SERIALIZE_NUMPY)
    version = same.version if same is not None else hashlib.sha256(plain).hexdigest()[:32]
    # Two objects put together as text: the features are many, and written already.
    body = plain[:-1] + b"," + orjson.dumps({**facts, "version": version})[1:] if facts else plain
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"' if facts else f'"{version}"'
    return Written(source, facts, version, plain, body, gzip.compress(body, 6, mtime=0), etag)


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
        at = read(request, [AT] if layer.past is not None else []).values.get("at")
        return sent(await context.workers.run(geometries.get, layer, services.clock.now(), at), request)

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
    collection: dict[str, Any] = {
        "type": {"const": "FeatureCollection"},
        "features": {"type": "array", "items": FEATURE},
    }
    dated = isinstance(layer, Geometry) and layer.past is not None
    schema = documents.whole(collection)
    if dated:
        schema["properties"] |= DATED
    responses: dict[str, Any] = {
        "200": {"description": "The features", "content": {MEDIA: {"schema": schema}}},
        **documents.problems(404, 422, 503),
    }
    if isinstance(layer, Geometry):
        responses["304"] = {"description": "Not changed since the answer with the `ETag` in `If-None-Match`"}
    return {
        "summary": f"{layer.title} as GeoJSON",
        "operationId": f"layer_{layer.name}",
        "tags": ["Layers"],
        "parameters": documents.filters(plan.tables[layer.table].spec.schema)
        if isinstance(layer, Layer)
        else [documents.parameter(AT)] * dated,
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
MOMENT = {"type": ["string", "null"], "format": "date-time"}
DATED: dict[str, Any] = {
    "version": {"type": "string", "description": "equal for equal features"},
    "since": {**MOMENT, "description": "from when on this is so; null: always"},
    "until": {**MOMENT, "description": "of the past: until when it was so; null: it still is"},
    "notes": {
        "type": "array",
        "items": {"type": "string"},
        "description": "of the past: where it is not quite of then",
    },
}
