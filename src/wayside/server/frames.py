"""A frame as an answer: JSON for pages, CSV, Parquet or Arrow for tools, always exactly the same rows."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import polars as pl
import polars.selectors as cs
from starlette.requests import Request
from starlette.responses import Response

from wayside.server.problems import ProblemError

Format = Literal["json", "csv", "parquet", "arrow"]
MEDIA: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
ISO = "%Y-%m-%dT%H:%M:%S%.3fZ"
RISKY = r"^[=+\-@\t\r]"
"""A spreadsheet takes a cell that begins like this for a formula."""


def iso(moment: datetime | None) -> str | None:
    """An instant as answers write it: UTC with milliseconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def wanted(request: Request) -> Format:
    """The format that `?format=` or the Accept header asks for. Raises ProblemError for an unknown `?format=`."""
    asked = request.query_params.get("format")
    if asked is None:
        accept = request.headers.get("accept", "")
        return next((name for name, media in MEDIA.items() if media.partition(";")[0] in accept), "json")
    for name in MEDIA:
        if name == asked:
            return name
    raise ProblemError(422, f"There is no format {asked[:40]!r}.", why=f"Formats: {', '.join(MEDIA)}.")


def kind(dtype: pl.DataType) -> str:
    """The word for a column's type: str, int, float, bool or time."""
    if dtype.is_integer():
        return "int"
    if dtype.is_numeric():
        return "float"
    if isinstance(dtype, pl.Boolean):
        return "bool"
    return "time" if isinstance(dtype, pl.Datetime) else "str"


def columns(frame: pl.DataFrame, units: Mapping[str, str]) -> list[dict[str, str]]:
    """Name, type and unit of each column."""
    return [{"name": name, "type": kind(dtype), "unit": units.get(name, "")} for name, dtype in frame.schema.items()]


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with cells that JSON and CSV can hold: times as text, numbers finite, bytes as text."""
    readable = frame.with_columns(
        cs.datetime().dt.strftime(ISO),
        pl.when(cs.float().is_finite()).then(cs.float()).name.keep(),
    )
    binary = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Binary)]
    return readable.with_columns(
        pl.Series(name, [None if raw is None else raw.decode("utf-8", "replace") for raw in frame[name]], pl.String)
        for name in binary
    )


def json_body(frame: pl.DataFrame, units: Mapping[str, str] | None = None, **more: Any) -> bytes:
    """`{"columns", "rows", "next", ...}` as bytes; `more` adds members."""
    return orjson.dumps(as_object(frame, units, **more))


def as_object(frame: pl.DataFrame, units: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """The same as an object."""
    return {"columns": columns(frame, units or {}), "rows": plain(frame).rows(), "next": None, **more}


def csv_body(frame: pl.DataFrame) -> bytes:
    """RFC 4180 with a header line; text that a spreadsheet would run gets a leading apostrophe."""
    guarded = plain(frame).with_columns(
        pl.when(cs.string().str.contains(RISKY)).then("'" + cs.string()).otherwise(cs.string()).name.keep()
    )
    return guarded.write_csv(line_terminator="\r\n").encode()


def parquet_body(frame: pl.DataFrame) -> bytes:
    """One Parquet file."""
    target = io.BytesIO()
    frame.write_parquet(target)
    return target.getvalue()


def arrow_body(frame: pl.DataFrame) -> bytes:
    """One Arrow IPC stream."""
    target = io.BytesIO()
    frame.write_ipc_stream(target, compat_level=pl.CompatLevel.oldest())
    return target.getvalue()


def respond(
    frame: pl.DataFrame, format: Format, *, name: str, units: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The frame in a format; `name` is what a browser calls the file when it is saved."""
    if format == "json":
        return Response(json_body(frame, units, **more), media_type=MEDIA[format])
    write = {"csv": csv_body, "parquet": parquet_body, "arrow": arrow_body}[format]
    headers = {"Content-Disposition": f'attachment; filename="{name}.{format}"'}
    return Response(write(frame), media_type=MEDIA[format], headers=headers)
