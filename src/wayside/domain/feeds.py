"""Feeds: where the records of a topic come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import polars as pl

from wayside.domain.checks import check_transform
from wayside.durations import duration
from wayside.errors import DeclarationError
from wayside.record import Record

SILENT_AFTER = timedelta(seconds=90)
"""How long a feed may say nothing, unless it is declared."""
Transform = Callable[[pl.LazyFrame], pl.LazyFrame]
ROW = "_row"
"""Column with the number of the message, which a parse function that multiplies or drops rows must keep."""


class Source(Protocol):
    """How the outside world is read; each kind is a class of `wayside.adapters`."""

    @property
    def kind(self) -> str: ...


@dataclass(frozen=True)
class Feed:
    """One way into a topic.

    A message arrives as `wire` (the topic's own record unless given) and becomes rows of the topic's record by
    `parse`, a function from frame to frame. Parse may make several rows of one message if it keeps the column `_row`.

    After `stale` without a word a feed is called silent; null for one that speaks only when there is something new.
    """

    name: str
    topic: str
    record: type[Record]
    source: Source
    wire: type[Record]
    parse: Transform | None = None
    stale: str | timedelta | None = SILENT_AFTER

    def __post_init__(self) -> None:
        where = f"feed {self.name!r} of topic {self.topic!r}"
        if self.patience is not None and self.patience <= timedelta(0):
            raise DeclarationError(
                f"stale={self.stale!r} leaves no time to speak.",
                where=where,
                next="Give a duration like 90s, or null for a feed that speaks only when there is something new.",
            )
        if self.parse is None:
            if self.wire is not self.record:
                raise DeclarationError(
                    f"{self.wire.__name__} arrives, {self.record.__name__} is wanted, and nothing parses it.",
                    where=where,
                    next="Give parse=, a function from LazyFrame to LazyFrame.",
                )
            return
        schema = {**self.wire.schema(), ROW: pl.UInt32()}
        allowed = {ROW: pl.UInt32()}
        check_transform(self.parse, pl.Schema(schema), self.record.schema(), where=where, allowed=allowed)

    @property
    def patience(self) -> timedelta | None:
        """How long it may say nothing."""
        return None if self.stale is None else duration(self.stale)
