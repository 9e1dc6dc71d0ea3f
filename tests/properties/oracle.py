"""What docs/semantics.md says, row by row in plain Python: slow, obvious, and independent of the engine."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

NEVER = -(2**62)


@dataclass
class Row:
    """One record in log order. `time` and `appended` are microseconds."""

    partition: int
    key: str
    time: int
    value: float | None
    appended: int = 2**61
    offset: int = 0


@dataclass
class Answer:
    """Closed and open windows as {(key, start, end): [rows, n, sum, min, max]}, and late rows with their offsets."""

    closed: dict[tuple[str, int, int], list[Any]] = field(default_factory=dict)
    open: dict[tuple[str, int, int], list[Any]] = field(default_factory=dict)
    late: list[tuple[tuple[int, str, int], int]] = field(default_factory=list)


def add(cell: list[Any], value: float | None) -> None:
    """Fold a value into a partial aggregate."""
    cell[0] += 1
    if value is None:
        return
    cell[1] += 1
    cell[2] += value
    cell[3] = value if cell[3] is None else min(cell[3], value)
    cell[4] = value if cell[4] is None else max(cell[4], value)


def merge(a: list[Any], b: list[Any]) -> list[Any]:
    """Two partial aggregates as one."""
    low = [x for x in (a[3], b[3]) if x is not None]
    high = [x for x in (a[4], b[4]) if x is not None]
    return [a[0] + b[0], a[1] + b[1], a[2] + b[2], min(low, default=None), max(high, default=None)]


def spans(rows: list[Row], *, size: int, every: int, lateness: int, partitions: int) -> Answer:
    """Tumbling and hopping windows."""
    newest = dict.fromkeys(range(partitions), NEVER)
    cells: dict[tuple[str, int, int], list[Any]] = defaultdict(lambda: [0, 0, 0.0, None, None])
    answer = Answer()
    for row in rows:
        watermark = newest[row.partition] - lateness
        first = row.time - row.time % every
        was_late = False
        for back in range(size // every):
            start = first - back * every
            if start + size <= watermark:
                was_late = True
            else:
                add(cells[(row.key, start, start + size)], row.value)
        if was_late:
            answer.late.append(((row.partition, row.key, row.time), row.offset))
        newest[row.partition] = max(newest[row.partition], min(row.time, row.appended))
    ended = min(newest.values()) - lateness
    for bounds, cell in cells.items():
        (answer.closed if bounds[2] <= ended else answer.open)[bounds] = cell
    return answer


def sessions(rows: list[Row], *, gap: int, lateness: int, partitions: int) -> Answer:
    """Session windows: rows at most `gap` apart belong together."""
    newest = dict.fromkeys(range(partitions), NEVER)
    found: dict[str, list[list[Any]]] = defaultdict(list)
    answer = Answer()
    for row in rows:
        if row.time < newest[row.partition] - lateness:
            answer.late.append(((row.partition, row.key, row.time), row.offset))
        else:
            cell: list[Any] = [0, 0, 0.0, None, None]
            add(cell, row.value)
            fresh = [row.time, row.time + gap, cell]
            apart = [s for s in found[row.key] if s[0] > fresh[1] or fresh[0] > s[1]]
            for other in (s for s in found[row.key] if s not in apart):
                fresh = [min(fresh[0], other[0]), max(fresh[1], other[1]), merge(fresh[2], other[2])]
            found[row.key] = [*apart, fresh]
        newest[row.partition] = max(newest[row.partition], min(row.time, row.appended))
    ended = min(newest.values()) - lateness
    for key, open_sessions in found.items():
        for start, end, cell in open_sessions:
            (answer.closed if end < ended else answer.open)[(key, start, end)] = cell
    return answer


def before(rows: list[Row], *, horizon: int, partitions: int) -> list[tuple[int | None, float | None]]:
    """Of each row the time of the row before it of its key, and the greatest value of those before it."""
    newest = dict.fromkeys(range(partitions), NEVER)
    kept: dict[str, tuple[int, float | None]] = {}
    found: list[tuple[int | None, float | None]] = []
    for row in rows:
        if row.key in kept and kept[row.key][0] < newest[row.partition] - horizon:
            del kept[row.key]
        time, most = kept.get(row.key, (None, None))
        if time is None:
            found.append((None, None))
            kept[row.key] = (row.time, row.value)
        elif row.time < time:
            found.append((None, None))
        else:
            found.append((time, most))
            values = [value for value in (most, row.value) if value is not None]
            kept[row.key] = (row.time, max(values, default=None))
        newest[row.partition] = max(newest[row.partition], min(row.time, row.appended))
    return found


def latest(rows: list[Row], deletes: set[float]) -> dict[str, Row]:
    """The newest row per key by event time; of equal times the later in the log; some values delete."""
    found: dict[str, Row] = {}
    for row in rows:
        if row.key not in found or row.time >= found[row.key].time:
            found[row.key] = row
    return {key: row for key, row in found.items() if row.value not in deletes}
