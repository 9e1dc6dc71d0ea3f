"""What the log still holds of a flow's records between two instants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from wayside.domain import Flow, Plan, Stream, Topic
from wayside.domain.feeds import Transform
from wayside.domain.flow import Join
from wayside.server.older import kept, made
from wayside.server.problems import ProblemError
from wayside.server.services import Services
from wayside.server.windows import filtered
from wayside.values import Batch

NOTHING: Mapping[int, int] = {}
CHUNK = 100_000
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
SCANNED = 20_000_000
DISORDER = timedelta(hours=1)
"""How far behind its neighbours in the log a reading may lie and still be found."""


@dataclass(frozen=True)
class Source:
    """Where readings come from: a topic, and the steps from it to the flow that has all columns.

    `moment` is the flow's column of time.
    """

    topic: Topic
    steps: tuple[Transform, ...]
    flow: Flow
    moment: str


def source_of(plan: Plan, who: str, table: str, needed: Set[str], moment: str) -> Source:
    """Walk from a table up to its topic. A join is skipped, which its input must allow by having all `needed` columns.

    `who` is what asks, for the error. Raises ProblemError where the log does not keep what the table is made of.
    """
    return source_behind(plan.tables[table].source, who, needed, moment)


def source_behind(flow: Flow, who: str, needed: Set[str], moment: str) -> Source:
    """The same for any flow."""
    steps: list[Transform] = []
    last = flow
    while not isinstance(flow, Topic):
        if isinstance(flow, Stream):
            steps.insert(0, flow.again)
            flow = flow.source
        elif isinstance(flow, Join) and needed <= set(flow.source.record.fields) and not steps:
            flow = last = flow.source
        else:
            raise ProblemError(
                422,
                f"The {who} has no history of single readings.",
                why=f"Its readings come from the step {flow.name!r}, which the log does not keep.",
                next="Ask for its windows.",
            )
    return Source(flow, tuple(steps), last, moment)


def readings(
    services: Services, source: Source, span: tuple[datetime, datetime], where: Mapping[str, list[Any]]
) -> pl.DataFrame:
    """All rows in [start, end), by time: what the lake has of them, and the rest from the records themselves.

    Raises ProblemError when the range holds too much.
    """
    start, end = span
    found: list[pl.DataFrame] = []
    since: dict[int, int] = {}
    timed = source.moment == source.flow.record.time  # by which the lake files rows
    if timed and (silver := made(services, source.flow, source.topic.name, span)) is not None:
        rows, since = silver
        found.append(filtered(rows, where))
    for frame in records(services, source.topic, span, since):
        rows = step(source, frame, where).filter(pl.col(source.moment).is_between(start, end, closed="left"))
        if rows.height:
            found.append(rows)
    if not found:
        return source.flow.record.empty()
    return pl.concat(found).sort(source.moment, maintain_order=True)


def records(
    services: Services,
    topic: Topic,
    span: tuple[datetime, datetime],
    since: Mapping[int, int] = NOTHING,
    until: Mapping[int, int] | None = None,
) -> Iterator[pl.DataFrame]:
    """A topic's records around [start, end), each partition's in its order: of the lake where the log has let go of
    them, else of the log. `since` are offsets of partitions before which nothing is wanted, `until` those from which
    nothing is.

    Raises ProblemError when the range holds too much.
    """
    broker, time = services.broker, topic.record.time
    start, end = span
    scanned = 0
    deadline = services.clock.monotonic() + services.limits.query_seconds * 0.8
    parts = broker.partitions(topic.name)
    firsts = {info.partition: broker.seek(topic.name, info.partition, start) for info in parts}
    # Where the log holds entries of before the range, it holds the range as well.
    cut = {
        info.partition: info.start
        for info in parts
        if firsts[info.partition] <= info.start > max(0, since.get(info.partition, 0))
    }
    for frame in kept(services, topic, span, cut):
        scanned += frame.height
        yield frame
    for info in parts:
        position = max(info.start, firsts[info.partition], since.get(info.partition, 0))
        last = info.end if until is None else min(info.end, until.get(info.partition, 0))
        while position < last:
            batch = broker.read(topic.name, info.partition, position, max_rows=CHUNK)
            if batch is None:
                break
            position = batch.next
            scanned += batch.frame.height
            if scanned > SCANNED or services.clock.monotonic() > deadline:
                raise ProblemError(
                    422, "The range holds too many records to look through.", next="Ask for a shorter range."
                )
            yield batch.frame if batch.next <= last else below(batch, last)
            if time is not None and batch.frame.height and batch.frame[time].min() - DISORDER > end:  # type: ignore[operator]  # a datetime
                break


def below(batch: Batch, end: int) -> pl.DataFrame:
    """The rows of a batch before an offset."""
    if batch.offsets is None:
        return batch.frame.head(end - batch.first)
    return batch.frame.filter(batch.offsets < end)


def step(source: Source, frame: pl.DataFrame, where: Mapping[str, list[Any]]) -> pl.DataFrame:
    """The rows of a batch of the topic that are wanted."""
    if not source.steps:
        return filtered(frame, where)
    return filtered(through(frame, source.steps).select(list(source.flow.record.fields)).collect(), where)


def through(frame: pl.DataFrame, steps: Iterable[Transform]) -> pl.LazyFrame:
    """Rows through all steps."""
    rows = frame.lazy()
    for transform in steps:
        rows = transform(rows)
    return rows
