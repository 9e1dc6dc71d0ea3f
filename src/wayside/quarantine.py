"""Rejected records are data: a topic of its own keeps their bytes and the rule that they broke."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from wayside.specs import TIME, TopicSpec
from wayside.values import Rejection

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
QUARANTINE = "_quarantine"
SPEC = TopicSpec(
    name=QUARANTINE,
    schema=pl.Schema(
        {
            "at": TIME,
            "feed": pl.String(),
            "topic": pl.String(),
            "rule": pl.String(),
            "message": pl.String(),
            "raw": pl.Binary(),
        }
    ),
    key=("feed",),
    time="at",
    retention_age=timedelta(days=7),
    retention_bytes=1 << 30,
)


def quarantined(
    feed: str, topic: str, rejections: Sequence[Rejection], raws: Sequence[bytes], at: datetime
) -> pl.DataFrame:
    """Rows of the quarantine topic; `raws` holds the bytes of each rejection, in the same order."""
    # Column by column: a frame made of a dictionary looks at every value first, which doubles the time.
    alike = {"at": (at - EPOCH) // MICROSECOND, "feed": feed, "topic": topic}
    columns: dict[str, Sequence[Any]] = {
        "rule": [rejection.rule for rejection in rejections],
        "message": [rejection.message for rejection in rejections],
        "raw": list(raws),
    }
    return pl.DataFrame(
        [
            pl.Series(name, columns[name], dtype=dtype)
            if name in columns
            else pl.Series(name, [alike[name]]).cast(dtype).new_from_index(0, len(raws))
            for name, dtype in SPEC.schema.items()
        ]
    )
