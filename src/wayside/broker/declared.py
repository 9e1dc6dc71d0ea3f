"""What a topic's spec demands of its changes and of the rows that are appended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from wayside.broker import columns, entry
from wayside.broker.errors import no_partition
from wayside.broker.keys import partitions_of as fnv1a_partitions
from wayside.errors import DeclarationError, WaysideError
from wayside.specs import TIME, TopicSpec
from wayside.wire.keys import Partitions, key_column, partitions_of


def event_bounds(frame: pl.DataFrame, time: str | None) -> tuple[int, int]:
    """The smallest and largest event time in microseconds; reversed extremes when there is none."""
    if time is None:
        return entry.NO_EVENT_MIN, entry.NO_EVENT_MAX
    times = frame.get_column(time)
    if times.dtype != TIME:
        times = times.cast(TIME)
    micros = times.cast(pl.Int64)  # to make instants of them takes longer than to find them
    low: Any = micros.min()
    high: Any = micros.max()
    return (entry.NO_EVENT_MIN, entry.NO_EVENT_MAX) if low is None else (low, high)


def conform(spec: TopicSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame in the topic's column order. Raises WaysideError when columns or types differ."""
    if frame.columns == list(spec.schema) and frame.dtypes == list(spec.schema.values()):
        return frame
    missing = [name for name in spec.schema if name not in frame.columns]
    extra = [name for name in frame.columns if name not in spec.schema]
    wrong = [
        f"{name} is {frame.schema[name]} and must be {dtype}"
        for name, dtype in spec.schema.items()
        if name in frame.columns and frame.schema[name] != dtype
    ]
    if missing or extra or wrong:
        faults = [f"missing: {', '.join(missing)}"] if missing else []
        faults += [f"unknown: {', '.join(extra)}"] if extra else []
        raise WaysideError(
            f"The rows do not fit topic {spec.name}.",
            why="; ".join(faults + wrong),
            next="Append frames with the columns and types of the topic's spec.",
        )
    return frame.select(list(spec.schema))


def merged(old: TopicSpec, new: TopicSpec) -> TopicSpec:
    """The new spec, with the old way of choosing partitions.

    Raises DeclarationError when what is stored could not be read with it any more.
    """
    faults = [
        f"column {name} was {dtype} and is now {new.schema.get(name, 'missing')}"
        for name, dtype in old.schema.items()
        if new.schema.get(name) != dtype
    ]
    if old.partitions != new.partitions:
        faults.append(f"there were {old.partitions} partitions and are now {new.partitions}")
    if old.key != new.key:
        faults.append(f"the key was {old.key} and is now {new.key}")
    if faults:
        raise DeclarationError(
            f"Topic {old.name} exists with another declaration.",
            why="; ".join(faults),
            next="Columns may be added, never changed or removed: give the new form another topic name.",
        )
    return replace(new, partitioner=old.partitioner)


def check(spec: TopicSpec) -> None:
    """Raise DeclarationError when the spec cannot be a topic."""
    unknown = [name for name in (*spec.key, *((spec.time,) if spec.time else ())) if name not in spec.schema]
    reserved = [name for name in spec.schema if name in (columns.ID, columns.OFFSET)]
    faults = [f"there is no column {name}" for name in unknown]
    faults += [f"the column name {name} is taken by the log" for name in reserved]
    if spec.partitions < 1:
        faults.append("a topic has at least one partition")
    if spec.compact and not spec.key:
        faults.append("compaction needs a key")
    if not spec.name or not spec.schema:
        faults.append("a topic has a name and at least one column")
    if spec.time and spec.time in spec.schema and not isinstance(spec.schema[spec.time], pl.Datetime):
        faults.append(f"the event time {spec.time} is not a Datetime")
    if faults:
        raise DeclarationError(f"Topic {spec.name!r} is declared wrongly.", why="; ".join(faults))


def chosen(spec: TopicSpec, frame: pl.DataFrame, partition: int | None) -> int | Partitions:
    """The partition of all rows, or of each."""
    if partition is not None:
        if not 0 <= partition < spec.partitions:
            raise no_partition(spec.name, partition, spec.partitions)
        return partition
    keys = None if spec.partitions == 1 else key_column(frame, spec.key)
    if keys is None:
        return 0
    if spec.partitioner == "fnv1a":
        return fnv1a_partitions(frame, spec.key, spec.partitions)
    return partitions_of(keys, spec.partitions)
