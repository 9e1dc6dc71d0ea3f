"""Compaction: of each key only the newest record is kept, under the offset that it always had.

Closed segments that lie next to each other are written anew as one of the next generation, which accounts for all
their offsets; it gets its name after it is durable, and the old files go after that. Whoever reads an old file goes on
reading it. The newest record is that with the latest event time, and of equal times the later offset: an old message
that was delivered late replaces nothing. Records whose ids may still have to be recognised are kept for so long.
A segment with damage is left as it is, because nothing that is damaged is ever deleted.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from wayside.broker import columns, entry
from wayside.broker.collect import offsets_of
from wayside.broker.declared import event_bounds
from wayside.broker.entry import Header
from wayside.broker.keys import key_text
from wayside.broker.log import PartitionLog
from wayside.broker.scan import Walk
from wayside.broker.segment import Segment
from wayside.files import DataFile, write_all
from wayside.specs import TIME, TopicSpec

_MICROSECOND = timedelta(microseconds=1)
_PIECES = 64

Offsets = np.ndarray[Any, np.dtype[np.int64]]
Swap = Callable[[Sequence[Segment], Segment], None]


@dataclass
class _Source:
    """A closed segment, how many rows it has, and whether it may be rewritten."""

    segment: Segment
    rows: int = 0
    clean: bool = True


class Compaction:
    """One run over one partition. `now` in microseconds."""

    def __init__(self, log: PartitionLog, spec: TopicSpec, layout: columns.Layout, now: int) -> None:
        self._log = log
        self._spec = spec
        self._layout = layout
        self._young = now - spec.dedup_horizon // _MICROSECOND

    def run(self, swap: Swap) -> int:
        """Rewrite what is worth it and return how many segments were replaced. Raises OSError.

        `swap` puts a new segment in the place of old ones and removes their files.
        """
        sources = [_Source(segment) for segment in self._log.snapshot()[0] if segment.sealed]
        dirty = sum(s.segment.size for s in sources if s.segment.generation == 0)
        if not dirty or 3 * dirty < sum(s.segment.size for s in sources):
            return 0
        keep = self._newest(sources)
        count = 0
        for group in self._groups(sources, keep):
            base, end = group[0].segment.base, group[-1].segment.end
            kept = int(np.searchsorted(keep, end) - np.searchsorted(keep, base))
            if len(group) > 1 or kept < group[0].rows:
                swap([source.segment for source in group], self._rewrite(group, keep))
                count += len(group)
        return count

    def _newest(self, sources: Sequence[_Source]) -> Offsets:
        """Sorted offsets of the rows that stay."""
        pieces: list[pl.DataFrame] = []
        protected: list[Offsets] = []
        for source in sources:
            for header, stored in self._entries(source):
                source.rows += header.rows
                if not header.rows:
                    continue
                offsets = offsets_of(header, stored)
                if header.flags & entry.WITH_IDS and header.appended >= self._young:
                    protected.append(offsets)
                pieces.append(self._keyed(self._layout.restore(columns.to_frame([stored])), offsets))
                if len(pieces) > _PIECES:
                    pieces = [_winners(pieces)]
        if not pieces:
            return np.empty(0, dtype=np.int64)
        return np.unique(np.concatenate([_winners(pieces)["offset"].to_numpy(), *protected]))

    def _keyed(self, rows: pl.DataFrame, offsets: Offsets) -> pl.DataFrame:
        time = pl.lit(0, pl.Int64) if self._spec.time is None else pl.col(self._spec.time).cast(TIME).to_physical()
        return rows.select(time.alias("time"), key_text(rows, self._spec.key).alias("key")).with_columns(
            pl.Series("offset", offsets)
        )

    def _groups(self, sources: Sequence[_Source], keep: Offsets) -> Iterator[list[_Source]]:
        """Neighbours whose remaining rows are together about as large as one segment, or less."""
        group: list[_Source] = []
        size = 0.0
        for source in sources:
            segment = source.segment
            kept = int(np.searchsorted(keep, segment.end) - np.searchsorted(keep, segment.base))
            left = segment.size * kept / max(source.rows, 1)
            size += left
            joined = group and group[-1].segment.end == source.segment.base
            if group and (not source.clean or not joined or size > self._log.segment_bytes):
                yield group
                group, size = [], left
            if source.clean:
                group.append(source)
        if group:
            yield group

    def _rewrite(self, group: Sequence[_Source], keep: Offsets) -> Segment:
        """Write the rows that stay as a segment of the next generation, durable under its name."""
        generation = max(source.segment.generation for source in group) + 1
        new = Segment(self._log.files, self._log.folder, group[0].segment.base, generation)
        draft = new.path.with_name(new.path.name + ".tmp")
        end = group[-1].segment.end
        first = new.create(self._layout, path=draft, covers=end, acked=end)
        file = new.file(write=True)
        try:
            write_all(file, first, 0)
            new.index.end = new.base
            for source in group:
                for header, stored in self._entries(source):
                    self._copy(file, new, header, (stored, keep))
            if not all(source.clean for source in group):
                raise OSError(errno.EIO, "a segment was damaged while it was compacted", str(new.path))
            if new.index.end < end:
                self._write(file, new, _gap(new.index.end, end), pl.DataFrame(schema=self._layout.schema), None)
            file.sync()
            self._log.files.rename(draft, new.path)
            self._log.files.sync_folder(self._log.folder)
        except OSError:
            new.release()
            self._log.files.remove(draft)
            raise
        self._log.seal(new)
        new.release()
        return new

    def _copy(self, file: DataFile, new: Segment, header: Header, rows: tuple[Any, Offsets]) -> None:
        """Write what stays of one entry; it accounts for everything since the last one written."""
        stored, keep = rows
        offsets = offsets_of(header, stored)
        mask = np.isin(offsets, keep, assume_unique=True)
        if not mask.any():
            return
        frame = columns.to_frame([stored]).filter(pl.Series(mask))
        ids = frame.get_column(columns.ID) if header.flags & entry.WITH_IDS else None
        kept = offsets[mask]
        header = header._replace(first=new.index.end)
        self._write(file, new, header, self._layout.restore(frame), ids, offsets=kept)

    def _write(
        self,
        file: DataFile,
        new: Segment,
        header: Header,
        frame: pl.DataFrame,
        ids: pl.Series | None,
        *,
        offsets: Offsets | None = None,
    ) -> None:
        numbers = pl.Series([] if offsets is None else offsets, dtype=pl.Int64)
        payload = self._layout.payload(frame, ids, numbers)
        low, high = event_bounds(frame, self._spec.time)
        header = header._replace(
            flags=entry.WITH_OFFSETS | (0 if ids is None else entry.WITH_IDS),
            size=len(payload),
            rows=frame.height,
            payload_crc=entry.checksum(payload),
            schema_crc=self._layout.crc,
            min_event=low,
            max_event=high,
        )
        position = new.size
        write_all(file, entry.parts(header, payload), position)
        new.index.add(position, header)

    def _entries(self, source: _Source) -> Iterator[tuple[Header, Any]]:
        """Whole entries of a segment; anything else makes it unclean."""
        segment = source.segment
        expected = segment.base
        for found in Walk(segment.file(), 0, segment.size).entries():
            header = found.header
            if header is not None and found.payload is not None and header.kind == entry.SCHEMA:
                continue
            if header is None or found.payload is None or header.first != expected:
                source.clean = False
            if header is None or found.payload is None:
                continue
            expected = header.next
            yield header, columns.read_batch(found.payload, columns.with_extras(segment.schema, header.flags))
        source.clean = source.clean and expected == segment.end and segment.end > segment.base
        segment.release()


def _winners(pieces: Sequence[pl.DataFrame]) -> pl.DataFrame:
    ordered = pl.concat(pieces).sort("time", "offset", nulls_last=False)
    return ordered.unique("key", keep="last")


def _gap(first: int, end: int) -> Header:
    """An entry that only says that nothing is left of these offsets."""
    return Header(
        kind=entry.ROWS,
        flags=0,
        size=0,
        rows=0,
        payload_crc=0,
        schema_crc=0,
        first=first,
        next=end,
        acked=end,
        appended=0,
        min_event=entry.NO_EVENT_MIN,
        max_event=entry.NO_EVENT_MAX,
    )
