"""What became of the records of a request, as its answer tells it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

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
    if appended.run is not None:
        return [{"partition": appended.run[0], "first": appended.run[1], "count": count}]
    # Plain arrays: this runs in the event loop, where grouping with Polars took most of a batch's time.
    partitions, offsets = appended.partitions.to_numpy(), appended.offsets.to_numpy()
    if appended.duplicates:
        kept = offsets >= 0
        partitions, offsets = partitions[kept], offsets[kept]
    if len(offsets) and (partitions == partitions[0]).all() and (np.diff(offsets) == 1).all():  # as most batches lie
        return [{"partition": int(partitions[0]), "first": int(offsets[0]), "count": len(offsets)}]
    order = np.lexsort((offsets, partitions))
    partitions, offsets = partitions[order], offsets[order]
    fresh = (np.diff(partitions) != 0) | (np.diff(offsets) != 1)
    starts = np.concatenate(([0], np.flatnonzero(fresh) + 1)) if len(offsets) else np.empty(0, np.int64)
    counts = np.diff(starts, append=len(offsets))
    runs = zip(partitions[starts].tolist(), offsets[starts].tolist(), counts.tolist(), strict=True)
    return [{"partition": partition, "first": first, "count": size} for partition, first, size in runs]
