"""Frames to Arrow messages and back.

Text is stored as Arrow string views, which Polars takes over as they are: measured on batches of 10,000 rows, a read
costs a fifth of what large strings cost, because no views are built. Enums and categoricals are stored as text, so
that a declaration may add or reorder categories without touching what is on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl
import pyarrow as pa

from wayside.broker import entry

ID: Final = "__id"
OFFSET: Final = "__offset"

_VIEWS: Final = pl.CompatLevel.newest()
_PLAIN: Final = pl.CompatLevel.oldest()
_SLACK: Final = 64 << 10
_MANY_ROWS: Final = 4096

ArrowSchema = Any
ArrowBatch = Any


class Layout:
    """How the rows of one schema lie in entries."""

    def __init__(self, schema: pl.Schema) -> None:
        self.schema = schema
        self._casts: dict[Any, Any] = {
            name: kind for name, dtype in schema.items() if (kind := _as_text(dtype)) != dtype
        }
        empty = self._stored(pl.DataFrame(schema=schema))
        self.arrow: ArrowSchema = empty.to_arrow(compat_level=_VIEWS).schema.remove_metadata()
        self.message = bytes(self.arrow.serialize())
        self.crc = entry.checksum(self.message)

    def payload(self, frame: pl.DataFrame, ids: pl.Series | None, offsets: pl.Series | None = None) -> Any:
        """The Arrow message of the rows, as a buffer."""
        extra = [s.alias(name) for s, name in ((ids, ID), (offsets, OFFSET)) if s is not None]
        stored = self._stored(frame).with_columns(extra) if extra else self._stored(frame)
        stored = stored.rechunk()
        batch = _one_batch(stored)
        if batch.get_total_buffer_size() > 2 * stored.estimated_size() + _SLACK:
            # A slice of views drags the whole text of its parent along; large strings copy only what is meant.
            batch = _one_batch(pl.DataFrame(stored.to_arrow(compat_level=_PLAIN)).rechunk())
        return batch.serialize()

    def restore(self, stored: pl.DataFrame) -> pl.DataFrame:
        """Rows as they were read, in this layout's columns and types; columns added later are null."""
        if stored.schema == self.schema:  # the usual case: nothing was added, no enums
            return stored
        columns = [
            pl.col(name).cast(dtype) if name in stored.columns else pl.lit(None, dtype).alias(name)
            for name, dtype in self.schema.items()
        ]
        return stored.select(columns)

    def _stored(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.cast(self._casts) if self._casts else frame


def arrow_schema(message: Any) -> ArrowSchema:
    """The Arrow schema of a SCHEMA entry."""
    return pa.ipc.read_schema(pa.py_buffer(message))


def with_extras(schema: ArrowSchema, flags: int) -> ArrowSchema:
    """The schema of a batch whose entry carries these flags."""
    if flags & entry.WITH_IDS:
        schema = schema.append(pa.field(ID, pa.string_view()))
    if flags & entry.WITH_OFFSETS:
        schema = schema.append(pa.field(OFFSET, pa.int64()))
    return schema


def read_batch(payload: Any, schema: ArrowSchema) -> ArrowBatch:
    """The record batch of a payload whose checksum was right; its columns lie in the payload."""
    return pa.ipc.read_record_batch(payload, schema)


def to_frame(batches: Sequence[ArrowBatch]) -> pl.DataFrame:
    """One frame of batches with equal schemas. Many small ones are joined, a few large ones stay as they are."""
    if len(batches) == 1:
        return pl.DataFrame(batches[0])
    table = pa.Table.from_batches(batches)
    if table.num_rows < _MANY_ROWS * len(batches):
        table = table.combine_chunks()
    return pl.DataFrame(pl.from_arrow(table, rechunk=False))


def _one_batch(frame: pl.DataFrame) -> ArrowBatch:
    table = frame.to_arrow(compat_level=_VIEWS)
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _as_text(dtype: Any) -> pl.DataType:
    """The type with every enum and categorical inside it replaced by text."""
    match dtype:
        case pl.List():
            return pl.List(_as_text(dtype.inner))
        case pl.Array():
            return pl.Array(_as_text(dtype.inner), dtype.size)
        case pl.Struct():
            return pl.Struct({field.name: _as_text(field.dtype) for field in dtype.fields})
        case pl.Enum() | pl.Categorical():
            return pl.String()
    return dtype  # type: ignore[no-any-return] # whatever is left is a plain type
