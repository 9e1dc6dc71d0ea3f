"""Retention: whole segments go when all of their records are too old, or when the partition is too large."""

from __future__ import annotations

from datetime import timedelta

from wayside.broker.log import PartitionLog
from wayside.specs import TopicSpec

_MICROSECOND = timedelta(microseconds=1)


def expire(log: PartitionLog, spec: TopicSpec, now: int) -> int:
    """Remove what the topic need not keep, and return the number of segments. Runs in the writer thread.

    A segment that still grows is closed once its oldest record is too old, so that a quiet topic forgets as well: a
    record is kept for at least its age, and for at most twice that. Raises OSError.
    """
    cutoff = None if spec.retention_age is None else now - spec.retention_age // _MICROSECOND
    if log.segments and cutoff is not None and log.segments[-1].index.oldest < cutoff:
        log.seal(log.segments[-1])
    total = sum(segment.size for segment in log.segments)
    count = 0
    for segment in log.segments:
        old = cutoff is not None and segment.index.newest < cutoff
        large = spec.retention_bytes is not None and total > spec.retention_bytes
        if not segment.sealed or not (old or large):
            break
        total -= segment.size
        count += 1
    if count:
        log.drop(count)
    return count
