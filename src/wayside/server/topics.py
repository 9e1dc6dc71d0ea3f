"""The log: which topics there are, and their records by offset or time: `GET /v1/topics`, `/{topic}/records`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from wayside.ports import Broker
from wayside.record import Record
from wayside.server import documents, frames, logs
from wayside.server.operations import Context, Operation, Operations
from wayside.server.params import Given, Param, of_column, read
from wayside.server.problems import ProblemError
from wayside.server.services import Services
from wayside.specs import TopicSpec

ALL = Param(
    "all",
    "choice",
    "Also those that no domain declares, and Wayside's own.",
    default="false",
    choices=("true", "false"),
)
PARAMS = (
    Param("partition", "int", "Partition of the topic.", default=0, least=0, most=1_000_000),
    Param("offset", "int", "First offset; -100 means the last 100 records.", least=-(10**17), most=10**17),
    Param("time", "time", "Start at the first entry that may hold a record at or after this event time."),
    Param("limit", "int", "Rows at most.", default=100, least=1, most=10_000),
    Param("filter", "text", "`field:value`: text that contains the value, or equals it for other types.", repeat=True),
    Param("q", "text", "Text to find in any text field.", default=""),
    documents.FORMAT,
)


def names(services: Services) -> dict[str, TopicSpec]:
    """Topics of the plan, and the quarantine."""
    known = services.broker.topics()
    wanted = [*services.plan.topics, services.quarantine]
    return {name: known[name] for name in wanted if name in known}


def find(services: Services, name: str) -> TopicSpec:
    """The topic's description. Raises ProblemError 404."""
    found = names(services)
    if name not in found:
        raise ProblemError(404, f"There is no topic {name[:80]!r}.", why=f"Topics: {', '.join(found) or 'none'}.")
    return found[name]


def record_of(services: Services, name: str) -> type[Record] | None:
    """The record of a declared topic."""
    topic = services.plan.topics.get(name)
    return topic.record if topic is not None else None


def operations(context: Context) -> Operations:
    """The routes of this file that answer frames."""
    services = context.services

    async def get_records(request: Request) -> Response:
        spec = find(services, request.path_params["topic"])
        format, given = frames.wanted(request), read(request, PARAMS)
        page = await context.workers.run(ask, services.broker, spec, given)
        record = record_of(services, spec.name)
        return frames.respond(
            page.frame,
            format,
            name=spec.name,
            units=record.units() if record is not None else {},
            next=page.next,
            start=page.start,
            end=page.end,
        )

    written = {f"/v1/topics/{name}/records": document(services, spec) for name, spec in names(services).items()}
    return [Operation("GET", "/v1/topics/{topic}/records", get_records, written)]


@dataclass(frozen=True)
class Found:
    """Rows, the offset after them, and where the partition starts and ends."""

    frame: pl.DataFrame
    next: int | None
    start: int
    end: int


def ask(broker: Broker, spec: TopicSpec, given: Given) -> Found:
    """The rows that a request asks for."""
    reader = logs.LogReader(broker, spec.name, given["partition"])
    keeps = matching(spec, given["filter"], given["q"])
    offset, limit = given["offset"], given["limit"]
    if given["time"] is not None:
        if offset is not None:
            raise ProblemError(422, "Give `offset` or `time`, not both.", where="query parameters offset and time")
        offset = broker.seek(spec.name, given["partition"], given["time"])
    if offset is None:
        offset = reader.start
    if offset < 0:
        page = logs.Page(reader.backward(reader.end, min(limit, -offset), keeps).frame, None)
    else:
        page = reader.forward(offset, limit, keeps)
    rows = page.frame
    if rows.width == len(logs.PLACE):
        rows = pl.DataFrame(schema={**logs.PLACE, **spec.schema})
    return Found(rows, page.next, reader.start, reader.end)


def matching(spec: TopicSpec, filters: list[str], text: str) -> logs.Keeps:
    """A function that keeps the rows that match all filters and hold the text somewhere."""
    tests: list[pl.Expr] = []
    for filter in filters:
        name, colon, value = filter.partition(":")
        if not colon or name not in spec.schema:
            raise ProblemError(
                422,
                f"The filter {filter[:80]!r} names no field.",
                where="query parameter filter",
                why=f"Required: field:value with one of the fields {', '.join(spec.schema)}.",
            )
        tests.append(test(name, value, spec.schema[name]))
    if text:
        texts = [contains(name, text, dtype) for name, dtype in spec.schema.items() if is_text(dtype)]
        tests.append(pl.any_horizontal(texts) if texts else pl.lit(False))
    if not tests:
        return lambda rows: rows
    return lambda rows: rows.filter(pl.all_horizontal(tests))


def is_text(dtype: pl.DataType) -> bool:
    """Text, or bytes that are read as text."""
    return isinstance(dtype, pl.String | pl.Binary)


def test(name: str, value: str, dtype: pl.DataType) -> pl.Expr:
    """Whether a field matches a value."""
    return contains(name, value, dtype) if is_text(dtype) else pl.col(name) == of_column("filter", value, dtype)


def contains(name: str, text: str, dtype: pl.DataType) -> pl.Expr:
    """Whether a text field holds a text, whatever the case of its letters."""
    if isinstance(dtype, pl.Binary):
        return pl.col(name).bin.contains(text.encode("utf-8", "replace")).fill_null(False)
    return pl.col(name).str.contains("(?i)" + re.escape(text)).fill_null(False)


def listing(services: Services, everything: bool) -> list[dict[str, Any]]:
    """Every topic with its fields and partitions, for `GET /v1/topics`."""
    found = {**names(services), **(services.broker.topics() if everything else {})}
    return [one(services, name, spec) for name, spec in found.items()]


def one(services: Services, name: str, spec: TopicSpec) -> dict[str, Any]:
    """One topic; of one that no domain declares, the record is not known."""
    record = record_of(services, name)
    age = spec.retention_age
    kind, doc = "", ""
    if record is not None:
        kind, doc = record.__name__, (record.__doc__ or "").strip()
    elif name == services.quarantine:
        kind, doc = "Rejection", "Records that broke a rule, with their bytes."
    return {
        "name": name,
        "record": kind,
        "doc": doc,
        "key": list(spec.key),
        "time": spec.time,
        "partitions": [
            {
                "partition": info.partition,
                "start": info.start,
                "end": info.end,
                "bytes": info.bytes,
                "oldest": frames.iso(info.oldest),
                "newest": frames.iso(info.newest),
            }
            for info in services.broker.partitions(name)
        ],
        "fields": fields(record, spec.schema),
        "retention": {"age_seconds": age.total_seconds() if age is not None else None, "bytes": spec.retention_bytes},
        "compact": spec.compact,
    }


def fields(record: type[Record] | None, schema: Mapping[str, pl.DataType]) -> list[dict[str, str]]:
    """Name, type, unit and meaning of each field."""
    return [
        {
            "name": name,
            "type": frames.kind(dtype),
            "unit": record.fields[name].unit if record is not None else "",
            "doc": record.fields[name].doc if record is not None else "",
        }
        for name, dtype in schema.items()
    ]


def described(spec: TopicSpec) -> list[Param]:
    """The parameters of one topic: its filters name its fields."""
    values = {
        "int": "-?[0-9]{1,17}",
        "float": r"-?[0-9]{1,17}(\.[0-9]{1,9})?",
        "bool": "(true|false)",
        "time": "[0-9]{1,9}",
    }
    fields = [f"{name}:{values.get(frames.kind(dtype), '.*')}" for name, dtype in spec.schema.items()]
    return [replace(param, pattern=f"^({'|'.join(fields)})$") if param.name == "filter" else param for param in PARAMS]


def document(services: Services, spec: TopicSpec) -> dict[str, Any]:
    """The OpenAPI description of reading one topic."""
    record = record_of(services, spec.name)
    offset = {"type": "integer"}
    return documents.frame_operation(
        summary=f"Records of the topic {spec.name}, by offset or time",
        name=f"records_{spec.name}",
        tag="Topics",
        parameters=[documents.parameter(param) for param in described(spec)],
        schema={**logs.PLACE, **spec.schema},
        units=record.units() if record is not None else {},
        more={"start": offset, "end": offset},
        statuses=(404, 422, 503),
    )
