"""A topic: its spec, its partitions, and how appended rows become entries of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from wayside.broker import columns, entry
from wayside.broker.declared import event_bounds
from wayside.broker.dedup import SeenIds
from wayside.broker.log import PartitionLog, Rows
from wayside.broker.scan import Walk
from wayside.broker.segment import Segment
from wayside.broker.writer import Pending
from wayside.specs import TopicSpec
from wayside.values import Appended

_ROWS = 65_536
_BYTES = 8 << 20
_RECALLED = 200_000
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class Written:
    """What one group wrote to a topic: the answer to each caller, and the ids to remember once it is durable."""

    answers: list[Appended]
    ids: pl.Series | None


class Topic:
    """One topic of the embedded log."""

    def __init__(self, spec: TopicSpec, logs: Sequence[PartitionLog]) -> None:
        self.spec = spec
        self.layout = columns.Layout(spec.schema)
        self.logs = list(logs)
        self.seen = SeenIds(spec.dedup_horizon // _MICROSECOND)

    def change(self, spec: TopicSpec) -> None:
        """Use another spec of the same topic from now on."""
        self.spec = spec
        self.layout = columns.Layout(spec.schema)

    def recall(self, now: int) -> None:
        """Learn from the log which ids it holds that have not expired. Raises OSError."""
        young = now - self.spec.dedup_horizon // _MICROSECOND
        for log in self.logs:
            for segment in log.segments:
                if segment.index.ids and segment.index.newest >= young and segment.schema is not None:
                    self._recall_segment(segment, young, now)
                    segment.release()

    def _recall_segment(self, segment: Segment, young: int, now: int) -> None:
        ids: list[Any] = []
        times: list[int] = []
        for found in Walk(segment.file(), 0, segment.size, chunk=4 << 20).entries():
            header = found.header
            if header is None or found.payload is None or not header.flags & entry.WITH_IDS or header.appended < young:
                continue
            schema = columns.with_extras(segment.schema, header.flags)
            column = columns.read_batch(found.payload, schema).column(columns.ID)
            # A copy: the column would keep the whole entry in memory.
            ids.append(pl.Series(columns.ID, column.cast("large_string")))
            times += [header.appended] * header.rows
            if len(times) > _RECALLED:
                self.seen.recall(pl.concat(ids), np.array(times), now)
                ids, times = [], []
        if ids:
            self.seen.recall(pl.concat(ids), np.array(times), now)

    def write(self, group: Sequence[Pending], at: int) -> Written:
        """Write the rows of several callers as few entries, not yet durable. Raises OSError."""
        frame = _joined(group)
        ids = _ids(group)
        keep = None if ids is None else ~self.seen.duplicates(ids, at)
        where = _where(group)
        offsets = np.full(frame.height, -1, dtype=np.int64)
        for partition in [where] if isinstance(where, int) else np.unique(where).tolist():
            mine = None if isinstance(where, int) else where == partition
            if keep is not None:
                mine = keep if mine is None else mine & keep
            rows = frame if mine is None else frame.filter(pl.Series(mine))
            kept_ids = ids if mine is None or ids is None else ids.filter(pl.Series(mine))
            first = self._write_rows(self.logs[partition], rows, kept_ids, at)
            numbers = np.arange(first, first + rows.height, dtype=np.int64)
            offsets[slice(None) if mine is None else mine] = numbers
        return Written(_answers(group, where, offsets), None if ids is None else ids.filter(pl.Series(keep)))

    def _write_rows(self, log: PartitionLog, frame: pl.DataFrame, ids: pl.Series | None, at: int) -> int:
        """Entries of at most 65,536 rows and about 8 MiB; returns the first offset."""
        step = _ROWS
        if frame.height:
            step = max(1, min(_ROWS, int(_BYTES * frame.height / max(frame.estimated_size(), 1))))
        first = log.upcoming
        for start in range(0, frame.height, step):
            part = frame if frame.height <= step else frame.slice(start, step)
            part_ids = ids if ids is None or frame.height <= step else ids.slice(start, step)
            log.write(self._encode(part, part_ids, at), self.layout)
        return first

    def _encode(self, frame: pl.DataFrame, ids: pl.Series | None, at: int) -> Rows:
        low, high = event_bounds(frame, self.spec.time)
        payload = self.layout.payload(frame, ids)
        if len(payload) > entry.LARGEST:
            raise ValueError(f"{frame.height} rows are {len(payload)} bytes, and an entry holds {entry.LARGEST}")
        return Rows(
            payload=payload,
            flags=0 if ids is None else entry.WITH_IDS,
            rows=frame.height,
            appended=at,
            min_event=low,
            max_event=high,
        )


def _joined(group: Sequence[Pending]) -> pl.DataFrame:
    return group[0].frame if len(group) == 1 else pl.concat([p.frame for p in group], rechunk=False)


def _ids(group: Sequence[Pending]) -> pl.Series | None:
    if all(pending.ids is None for pending in group):
        return None
    return pl.concat(
        [p.ids if p.ids is not None else pl.Series([None] * p.frame.height, dtype=pl.String) for p in group]
    )


def _where(group: Sequence[Pending]) -> int | np.ndarray[Any, np.dtype[np.int64]]:
    first = group[0].where
    if isinstance(first, int) and all(isinstance(p.where, int) and p.where == first for p in group):
        return first
    return np.concatenate([np.full(p.frame.height, p.where) if isinstance(p.where, int) else p.where for p in group])


def _answers(
    group: Sequence[Pending],
    where: int | np.ndarray[Any, np.dtype[np.int64]],
    offsets: np.ndarray[Any, np.dtype[np.int64]],
) -> list[Appended]:
    together = where if isinstance(where, int) else None
    if isinstance(where, int):
        where = np.full(len(offsets), where, dtype=np.int64)
    all_partitions, all_offsets = pl.Series("partition", where), pl.Series("offset", offsets)
    duplicate = offsets < 0
    some = bool(duplicate.any())
    answers = []
    at = 0
    for pending in group:
        rows = pending.frame.height
        number = int(np.count_nonzero(duplicate[at : at + rows])) if some else 0
        run = (together, int(offsets[at])) if together is not None and rows and not number else None
        answers.append(Appended(all_partitions.slice(at, rows), all_offsets.slice(at, rows), number, run))
        at += rows
    return answers
