"""What belongs to whom: record ids on the way in, receipts on the way out of a merged batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np
import polars as pl

from wayside.adapters.convert import Converted, Refused
from wayside.quarantine import quarantined
from wayside.values import Appended, Receipt, Rejection

NOWHERE = Appended(pl.Series("partition", [], dtype=pl.Int32), pl.Series("offset", [], dtype=pl.Int64))


class Named(Protocol):
    """A number of messages under their own ids, one id for all of them, or none."""

    @property
    def ids(self) -> Sequence[str] | None: ...

    @property
    def count(self) -> int: ...


@dataclass(frozen=True)
class Given:
    """The ids of all messages of a merged batch, or null when nobody gave any."""

    ids: pl.Series | None

    @classmethod
    def of(cls, submissions: Sequence[Named]) -> Given:
        """One id per message: as given, or `id#number` where one id stands for several messages."""
        if all(each.ids is None for each in submissions):
            return cls(None)
        return cls(pl.concat([message_ids(each.ids, each.count) for each in submissions]))


def message_ids(ids: Sequence[str] | None, count: int) -> pl.Series:
    """The id of each message of one submission; null where nobody gave one."""
    if ids is None:
        return pl.Series("id", [None], dtype=pl.String).new_from_index(0, count)
    if len(ids) == count:
        return pl.Series("id", ids, dtype=pl.String)
    if len(ids) != 1:
        raise ValueError(f"{count} messages need {count} ids, or a single one for all; got {len(ids)}")
    numbers = pl.int_range(count, eager=True).cast(pl.String)
    return pl.select((pl.lit(f"{ids[0]}#") + pl.lit(numbers)).alias("id")).to_series()


def record_ids(feed: str, given: Given, messages: pl.Series, parts: pl.Series | None) -> pl.Series | None:
    """Ids of rows: that of their message under the feed's name; the second row of a message adds `.1` and so on."""
    if given.ids is None:
        return None
    frame = pl.DataFrame({"id": given.ids.gather(messages)})
    id = pl.lit(f"{feed}:") + pl.col("id")
    if parts is None:
        return frame.select(id).to_series()
    part = pl.col("part")
    later = pl.when(part > 0).then(pl.lit(".") + part.cast(pl.String)).otherwise(pl.lit(""))
    return frame.with_columns(parts.alias("part")).select(id + later).to_series()


def rejected_ids(feed: str, given: Given, converted: Converted) -> pl.Series | None:
    """Ids of the quarantined rows, made like those of accepted rows, so that a repeated id adds nothing there."""
    messages = pl.Series([rejection.row for rejection in converted.rejections], dtype=pl.UInt32)
    parts = pl.Series(converted.refused.parts, dtype=pl.Int64)
    return record_ids(feed, given, messages, parts)


def rejected_rows(feed: str, topic: str, refused: Refused, at: datetime) -> pl.DataFrame:
    """Rows of the quarantine: each under the feed that takes its bytes again."""
    rows = quarantined(feed, topic, refused.rejections, refused.raws, at)
    if not any(refused.own):
        return rows
    own = pl.lit(pl.Series(refused.own))
    return rows.with_columns(
        feed=pl.when(own).then(pl.lit(topic)).otherwise(pl.col("feed")),
        message=pl.when(own).then(pl.lit(f"From {feed}: ") + pl.col("message")).otherwise(pl.col("message")),
    )


def receipts(converted: Converted, counts: Sequence[int], appended: Appended | None) -> list[Receipt]:
    """One receipt per submission, with row numbers that begin at 0 in each."""
    if len(counts) == 1:
        receipt = Receipt(appended or NOWHERE, tuple(converted.rejections), len(converted.rejections))
        return [receipt]
    appended = appended or NOWHERE
    edges = [0, *accumulate(counts)]
    cuts = np.searchsorted(converted.messages.to_numpy(), edges).tolist()
    repeated = np.concatenate(([0], np.cumsum(appended.offsets.to_numpy() < 0))) if appended.duplicates else None
    refused = sorted(converted.rejections, key=lambda rejection: rejection.row)
    partitions, offsets = appended.partitions, appended.offsets
    answers: list[Receipt] = []
    at = 0
    for index, (first, last) in enumerate(pairwise(cuts)):
        start, end = edges[index], edges[index + 1]
        mine = at
        while at < len(refused) and refused[at].row < end:
            at += 1
        own = tuple(Rejection(r.row - start, r.rule, r.message) for r in refused[mine:at]) if at > mine else ()
        duplicates = int(repeated[last] - repeated[first]) if repeated is not None else 0
        size = last - first
        run = (appended.run[0], appended.run[1] + first) if appended.run and size else None
        where = Appended(partitions.slice(first, size), offsets.slice(first, size), duplicates, run)
        answers.append(Receipt(where, own, len(own)))
    return answers
