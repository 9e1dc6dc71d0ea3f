"""Rows as files that other programs read: CSV, Parquet or Arrow, written in pieces whatever their number.

In CSV, text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay numbers. Instants
are ISO 8601 in UTC. Lists and structs, which CSV cannot hold, are written as JSON.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl

from wayside.errors import DiskFullError, StorageFailedError, WaysideError
from wayside.files import REAL, write_all

Format = Literal["csv", "parquet", "arrow"]

MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
ROWS = 65_536
"""Rows of one piece."""

_FORMULA = r"^[=+\-@\t\r]"


def format_of(name: str) -> Format:
    """The format of a file name or of a word like `csv`. Raises WaysideError."""
    known: dict[str, Format] = {"csv": "csv", "parquet": "parquet", "arrow": "arrow", "arrows": "arrow", "ipc": "arrow"}
    found = known.get(name.rpartition(".")[2].lower())
    if found is None:
        raise WaysideError(
            f"{name!r} is no format that can be exported.", next="Use csv, parquet or arrow (or a file name ending so)."
        )
    return found


def chunks(rows: pl.DataFrame | pl.LazyFrame, kind: Format) -> Iterator[bytes]:
    """The file in pieces, as they are ready; one batch of rows is held at a time, and a lazy frame is not collected."""
    lazy = rows.lazy().with_columns(pl.selectors.categorical().cast(pl.String))
    schema = lazy.collect_schema()
    frames = lazy.collect_batches(chunk_size=ROWS, maintain_order=True)
    return _csv(frames, schema) if kind == "csv" else _columnar(frames, schema, kind)


def write(rows: pl.DataFrame | pl.LazyFrame, path: Path, kind: Format | None = None) -> int:
    """Write a file, whole or not at all, and return its bytes; without `kind` its name says the format.

    Raises WaysideError for an unknown format, DiskFullError and StorageFailedError.
    """
    kind = kind or format_of(path.name)
    fresh = path.with_name(path.name + ".tmp")
    try:
        file = REAL.open(fresh, write=True, create=True)
        try:
            file.truncate(0)
            size = 0
            for piece in chunks(rows, kind):
                size += write_all(file, [piece], size)
            file.sync()
        finally:
            file.close()
        REAL.rename(fresh, path)
        REAL.sync_folder(path.parent)
    except OSError as error:
        REAL.remove(fresh)
        failed = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else StorageFailedError
        raise failed("The export could not be written.", where=str(path), why=str(error)) from error
    return size


def readable(schema: pl.Schema) -> list[pl.Expr]:
    """The columns as CSV shows them: safe text, instants in UTC, spans in seconds, bytes in hexadecimal."""
    return [_readable(name, dtype).alias(name) for name, dtype in schema.items()]


def _readable(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, (pl.List, pl.Array, pl.Struct)):
        # JSON is only to be had of a struct; a list is taken out of one, braces and name aside.
        text = column.struct.json_encode() if isinstance(dtype, pl.Struct) else _list_as_json(column)
        return pl.when(column.is_not_null()).then(text)
    if isinstance(dtype, pl.Datetime):
        zone = "Z" if dtype.time_zone else ""
        instant = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return instant.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{zone}")
    if isinstance(dtype, pl.Duration):
        return column.dt.total_microseconds() / 1e6
    if isinstance(dtype, pl.Binary):
        return column.bin.encode("hex")
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return _defused(column.cast(pl.String))
    return column


def _defused(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.contains(_FORMULA)).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)


def _list_as_json(column: pl.Expr) -> pl.Expr:
    return pl.struct(column.alias("x")).struct.json_encode().str.slice(5).str.head(-1)


def _csv(frames: Iterator[pl.DataFrame], schema: pl.Schema) -> Iterator[bytes]:
    names = pl.DataFrame({f"c{number}": [name] for number, name in enumerate(schema)})
    yield names.select(readable(names.schema)).write_csv(include_header=False).encode()
    columns = readable(schema)
    for frame in frames:
        if frame.height:
            yield frame.select(columns).write_csv(include_header=False).encode()


def _columnar(frames: Iterator[pl.DataFrame], schema: pl.Schema, kind: Format) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    columns = pl.DataFrame(schema=schema).to_arrow().schema
    target = pa.PythonFile(sink, mode="w")
    writer = (
        pa.ipc.new_stream(target, columns) if kind == "arrow" else pq.ParquetWriter(target, columns, compression="zstd")
    )
    with writer:
        for frame in frames:
            writer.write_table(frame.to_arrow().cast(columns))
            yield _taken(sink)
    yield _taken(sink)


def _taken(sink: io.BytesIO) -> bytes:
    """What was written since the last time."""
    piece = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return piece
