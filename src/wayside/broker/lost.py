"""A topic whose description was lost while its records are there: what the records say about it.

Whoever declares the topic anew may declare it otherwise. A key's records must stay in one partition all the same: so
the number of partitions is that of the folders, and how a key chooses is read from where the records lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from wayside.broker import columns, entry
from wayside.broker.declared import chosen
from wayside.broker.log import PartitionLog
from wayside.broker.scan import Walk
from wayside.errors import DeclarationError
from wayside.files import FileSystem
from wayside.specs import TopicSpec

_ENOUGH = 10_000
_WAYS: tuple[Literal["murmur2", "fnv1a"], ...] = ("murmur2", "fnv1a")


def partitions(files: FileSystem, folder: Path) -> int:
    """How many partitions hold something; their folders were all made before the first record came."""
    numbers = [int(name) for name in files.names(folder) if name.isdigit() and files.names(folder / name)]
    return max(numbers, default=-1) + 1


def check(spec: TopicSpec, found: int, folder: Path) -> None:
    """Raise DeclarationError when so many partitions are there and others are declared."""
    if found != spec.partitions:
        raise DeclarationError(
            f"Topic {spec.name} is declared with {spec.partitions} partitions, and its records are in {found}.",
            where=str(folder),
            why="Its description (topic.json) is lost, and a key's records must stay together.",
            next=f"Declare {found}, put topic.json back, or move the folder away.",
        )


def partitioner(spec: TopicSpec, logs: Sequence[PartitionLog]) -> Literal["murmur2", "fnv1a"]:
    """How the keys of the first records have chosen; the usual way where nothing speaks for the other."""
    if spec.partitions == 1 or not spec.key:
        return spec.partitioner
    fits = dict.fromkeys(_WAYS, 0)
    for number, log in enumerate(logs):
        frame = _keys(spec, log)
        for way in _WAYS:
            where = chosen(replace(spec, partitioner=way), frame, None)
            fits[way] += int(np.count_nonzero(where == number)) if frame.height else 0
    return "fnv1a" if fits["fnv1a"] > fits["murmur2"] else "murmur2"


def _keys(spec: TopicSpec, log: PartitionLog) -> pl.DataFrame:
    """The keys of the first records of a partition. Raises DeclarationError when they are others than declared."""
    wanted = pl.DataFrame(schema={name: spec.schema[name] for name in spec.key})
    parts, rows = [wanted], 0
    for segment in log.segments:
        if rows >= _ENOUGH or segment.schema is None:
            continue
        for found in Walk(segment.file(), 0, segment.size, chunk=4 << 20).entries():
            header = found.header
            if header is None or header.kind != entry.ROWS or found.payload is None or rows >= _ENOUGH:
                continue
            schema = columns.with_extras(segment.schema, header.flags)
            frame = columns.to_frame([columns.read_batch(found.payload, schema)])
            try:
                keys = frame.select(pl.col(name).cast(dtype) for name, dtype in wanted.schema.items())
            except pl.exceptions.PolarsError as error:
                raise DeclarationError(
                    f"Topic {spec.name} is declared with another key than its records have.",
                    why=f"Its description (topic.json) is lost; {error}",
                    next="Declare it as it was, put topic.json back, or move its folder away.",
                ) from error
            parts.append(keys.clone())
            rows += keys.height
        segment.release()
    return pl.concat(parts)
