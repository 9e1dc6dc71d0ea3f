"""A small world for the adapters' tests: a feed of single rows, one of several rows per message, and a slow log."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import polars as pl

from wayside.adapters import HttpPush
from wayside.broker.memory import MemoryBroker
from wayside.clock import ManualClock
from wayside.domain import Feed, Topic
from wayside.quarantine import QUARANTINE, SPEC
from wayside.record import Record, field
from wayside.values import Appended

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Level(Record, key="gauge", time="at"):
    """One level of one gauge."""

    gauge: str
    at: datetime
    level: float = field(ge=0, le=100)


class Pair(Record, key="gauge", time="at"):
    """Two levels that come in one message."""

    gauge: str
    at: datetime
    upper: float | None
    lower: float | None


def split_pairs(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Two rows per message, one per column; a poisonous gauge makes the function itself fail."""
    checked = rows.with_columns(pl.col("gauge").str.replace("^poison.*$", "not a number"))
    failing = pl.when(pl.col("gauge") == "not a number").then(pl.col("gauge").cast(pl.Int64)).otherwise(0)
    sides = checked.with_columns(failing.alias("boom")).unpivot(
        ["upper", "lower"], index=["_row", "gauge", "at"], variable_name="side", value_name="level"
    )
    return sides.select("_row", gauge=pl.col("gauge") + "-" + pl.col("side"), at="at", level="level")


levels = Topic("levels", Level, partitions=2)
plain: Feed = levels.feed("plain", HttpPush())
pairs: Feed = levels.feed("pairs", HttpPush(), wire=Pair, parse=split_pairs)


def level(number: float, gauge: str = "g", **more: Any) -> bytes:
    """A message; numbers beyond 100 break a rule."""
    return json.dumps({"gauge": gauge, "at": START.timestamp(), "level": number, **more}).encode()


def pair(gauge: str, upper: float | None, lower: float | None) -> bytes:
    return json.dumps({"gauge": gauge, "at": START.timestamp(), "upper": upper, "lower": lower}).encode()


class Log(MemoryBroker):
    """A log in memory that answers at once, or not before `go` is set, or with an error."""

    def __init__(self, *, held: bool = False) -> None:
        super().__init__(clock=ManualClock(START))
        self.create(levels.spec)
        self.create(SPEC)
        self.go = threading.Event()
        self.calls: list[tuple[str, int]] = []
        self.error: Exception | None = None
        self.slow: set[str] = {levels.name, QUARANTINE} if held else set()

    def append(
        self, topic: str, frame: pl.DataFrame, *, ids: pl.Series | None = None, partition: int | None = None
    ) -> Future[Appended]:
        self.calls.append((topic, frame.height))
        if self.error is not None:
            raise self.error
        if topic not in self.slow:
            return super().append(topic, frame, ids=ids, partition=partition)
        future: Future[Appended] = Future()
        work = super().append

        def later() -> None:
            assert self.go.wait(20)
            future.set_result(work(topic, frame, ids=ids, partition=partition).result())

        threading.Thread(target=later, daemon=True).start()
        return future

    def rows(self, topic: str = "levels") -> pl.DataFrame:
        """All rows, with their places."""
        frames = []
        for info in self.partitions(topic):
            offset = info.start
            while (batch := self.read(topic, info.partition, offset)) is not None:
                numbers = pl.Series("_offset", range(batch.first, batch.first + batch.frame.height), dtype=pl.Int64)
                place = pl.lit(info.partition, pl.Int64).alias("_partition")
                frames.append(batch.frame.with_columns(numbers).with_columns(place))
                offset = batch.next
        places = {"_offset": pl.Int64(), "_partition": pl.Int64()}
        return pl.concat(frames) if frames else pl.DataFrame(schema={**self.topics()[topic].schema, **places})

    def refused(self) -> pl.DataFrame:
        """The quarantine."""
        return self.rows(QUARANTINE)
