"""Rejected records: which, why, and again: `GET /v1/quarantine`, `POST /v1/quarantine/replay`."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.server import admin, bodies, documents, frames, logs
from wayside.server.ingest import content_lines, unsupported
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import Given, Param, read
from wayside.server.problems import ProblemError
from wayside.server.replays import MOST, Replayer
from wayside.server.tally import Tally

SHOWN = 4_096
"""Bytes of a rejected record that are shown; replaying takes all of them."""
PARAMS = (
    Param("limit", "int", "Rows at most, the newest first.", default=100, least=1, most=1_000),
    Param("before", "int", "The `next` of the page before.", least=0, most=10**17),
    Param("rule", "text", "Only records that broke this rule."),
    Param("feed", "text", "Only records of this feed."),
)


class Again(msgspec.Struct, forbid_unknown_fields=True):
    """Which records to run through their feeds again: some by id, or all that broke a rule."""

    ids: list[str] | None = None
    rule: str | None = None


def operations(context: Context) -> Operations:
    """The routes of this file."""
    services = context.services
    replayer, tally = Replayer(services), Tally(services.broker, services.quarantine)

    async def get_quarantine(request: Request) -> Response:
        given = read(request, PARAMS)
        body = await context.workers.run(listing, context, given, replayer, tally)
        return Response(orjson.dumps(body), media_type="application/json")

    async def post_replay(request: Request) -> Response:
        if services.guarded:
            admin.check(services, request)
        read(request, ())
        headers = dict(request.scope["headers"])
        if content_lines(headers.get(b"content-type")):
            raise unsupported("application/json")
        raw = await bodies.read(request.receive, headers, context.budget, lines=False)
        asked = decoded(raw)
        if asked.ids is not None:
            done = await context.workers.run(replayer.by_id, asked.ids)
        else:
            done = await context.workers.run(replayer.by_rule, asked.rule or "")
        return Response(orjson.dumps(done), media_type="application/json")

    return [
        Operation("GET", "/v1/quarantine", get_quarantine, {"/v1/quarantine": document()}),
        Operation("POST", "/v1/quarantine/replay", post_replay, {"/v1/quarantine/replay": replay_document()}),
    ]


def decoded(raw: bytes) -> Again:
    """The wish. Raises ProblemError: 400 for broken JSON, 422 for a wrong shape."""
    asked = bodies.decoded(msgspec.json.Decoder(Again).decode, raw, why="Required: `ids` or `rule`.")
    if (asked.ids is None) == (asked.rule is None):
        raise ProblemError(422, "Give either `ids` or `rule`.", where="body")
    if asked.ids is not None and not 1 <= len(asked.ids) <= MOST:
        raise ProblemError(422, f"Between 1 and {MOST:,} ids are taken at a time.", where="body")
    return asked


def listing(context: Context, given: Given, replayer: Replayer, tally: Tally) -> dict[str, Any]:
    """One page of rejected records, the newest first, and the counts of all that are kept."""
    services = context.services
    reader = logs.LogReader(services.broker, services.quarantine, 0)
    wanted = [pl.col(name) == given[name] for name in ("rule", "feed") if given[name] is not None]
    before = reader.end if given["before"] is None else given["before"]
    page = reader.backward(
        before, given["limit"], (lambda rows: rows.filter(pl.all_horizontal(wanted))) if wanted else logs.everything
    )
    by_rule = tally.count()
    done = replayer.moments()
    return {
        "rows": [row(values, done) for values in page.frame.reverse().iter_rows(named=True)],
        "by_rule": by_rule,
        "total": sum(by_rule.values()),
        "next": page.next,
    }


def row(values: dict[str, Any], done: dict[str, Any]) -> dict[str, Any]:
    """One rejected record."""
    raw = values["raw"] or b""
    id = str(values["_offset"])
    return {
        "id": id,
        "at": frames.iso(values["at"]),
        "feed": values["feed"],
        "topic": values["topic"],
        "rule": values["rule"],
        "message": values["message"],
        "raw": raw[:SHOWN].decode("utf-8", "replace"),
        "raw_truncated": len(raw) > SHOWN,
        "replayed_at": frames.iso(done.get(id)),
    }


def document() -> dict[str, Any]:
    """The OpenAPI description of the list."""
    text, moment = {"type": "string"}, {"type": "string", "format": "date-time"}
    one: dict[str, documents.Schema] = {
        "id": text,
        "at": moment,
        "feed": text,
        "topic": text,
        "rule": text,
        "message": text,
        "raw": {**text, "description": "The record as it came, at most 4 KiB of it, bytes that are no text replaced."},
        "raw_truncated": {"type": "boolean"},
        "replayed_at": {"type": ["string", "null"], "format": "date-time"},
    }
    answer: dict[str, documents.Schema] = {
        "rows": {"type": "array", "items": documents.whole(one)},
        "by_rule": {"type": "object", "additionalProperties": {"type": "integer"}},
        "total": {"type": "integer"},
        "next": {"type": ["integer", "null"]},
    }
    return {
        "summary": "Rejected records, the newest first",
        "operationId": "quarantine",
        "tags": ["Quarantine"],
        "parameters": [documents.parameter(param) for param in PARAMS],
        "responses": {"200": documents.answer("The records", documents.whole(answer)), **documents.problems(422, 503)},
    }


def replay_document() -> dict[str, Any]:
    """The OpenAPI description of replaying."""
    ids = {
        "type": "object",
        "properties": {
            "ids": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[0-9]{1,17}$"},
                "minItems": 1,
                "maxItems": MOST,
            }
        },
        "required": ["ids"],
        "additionalProperties": False,
    }
    rule = {
        "type": "object",
        "properties": {"rule": {"type": "string"}},
        "required": ["rule"],
        "additionalProperties": False,
    }
    names = ("replayed", "accepted", "rejected", "duplicates", "remaining")
    counts = {name: {"type": "integer", "minimum": 0} for name in names}
    return {
        "summary": "Run rejected records through their feeds again",
        "description": "Where the setting `admin_token` is set, it must be shown.",
        "operationId": "quarantine_replay",
        "tags": ["Quarantine"],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": [ids, rule]}, "example": {"rule": "value.range"}}},
        },
        "responses": {
            "200": documents.answer("What became of them", documents.whole(counts)),
            **documents.problems(400, 401, 404, 409, 413, 415, 422, 503),
        },
        "security": [{}, *admin.SECURITY],
    }
