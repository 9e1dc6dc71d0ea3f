"""What became of the records of a request, as its answer tells it."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from wayside.values import Appended, Receipt

LISTED = 100
"""Errors that an answer lists; the count is always complete."""
encode = msgspec.json.Encoder().encode


def summary(receipt: Receipt) -> bytes:
    """`{"accepted", "rejected", "duplicates", "offsets", "errors"}`."""
    appended = receipt.appended
    return encode(
        {
            "accepted": len(appended.offsets) - appended.duplicates,
            "rejected": receipt.rejected,
            "duplicates": appended.duplicates,
            "offsets": ranges(appended),
            "errors": errors_of(receipt),
        }
    )


def errors_of(receipt: Receipt) -> list[dict[str, Any]]:
    """The first errors: the record's number in the request, the rule and a sentence."""
    return [
        {"row": rejection.row, "rule": rejection.rule, "message": rejection.message}
        for rejection in receipt.rejections[:LISTED]
    ]


def ranges(appended: Appended) -> list[dict[str, int]]:
    """Where the records lie: runs of neighbouring offsets per partition."""
    count = len(appended.offsets)
    if count == 1:
        offset = appended.offsets[0]
        return [{"partition": appended.partitions[0], "first": offset, "count": 1}] if offset >= 0 else []
    if not count:
        return []
    frame = pl.DataFrame({"partition": appended.partitions, "offset": appended.offsets})
    if appended.duplicates:
        frame = frame.filter(pl.col("offset") >= 0)
    groups = frame.group_by("partition").agg(first=pl.col("offset").min(), last=pl.col("offset").max(), count=pl.len())
    if (groups["last"] - groups["first"] + 1 == groups["count"]).all():
        return groups.sort("partition").select("partition", "first", "count").rows(named=True)
    frame = frame.sort("partition", "offset")
    run = (pl.col("offset") - pl.int_range(pl.len())).alias("run")
    runs = frame.group_by("partition", run, maintain_order=True).agg(first=pl.col("offset").min(), count=pl.len())
    return runs.select("partition", "first", "count").rows(named=True)
