"""The errors that every implementation of the log raises in the same words."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from wayside.errors import DiskFullError, OffsetOutOfRangeError, StorageFailedError, TopicNotFoundError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def no_topic(name: str, topics: Iterable[str]) -> TopicNotFoundError:
    """A topic that nobody created."""
    return TopicNotFoundError(f"There is no topic {name}.", why=f"Topics are: {', '.join(sorted(topics)) or 'none'}.")


def no_partition(topic: str, partition: int, count: int) -> TopicNotFoundError:
    """A partition that the topic does not have."""
    return TopicNotFoundError(
        f"Topic {topic} has no partition {partition}.", why=f"Its partitions are 0 to {count - 1}."
    )


def expired(topic: str, partition: int, offset: int, start: int) -> OffsetOutOfRangeError:
    """An offset that retention has passed."""
    return OffsetOutOfRangeError(
        f"Offset {offset} of topic {topic}, partition {partition}, is no longer kept.",
        why=f"Retention has removed everything before offset {start}; this reader lost {start - offset} records.",
        next=f"Go on at offset {start}, and give the topic a longer retention or the reader more speed.",
    )


def beyond_end(group: str, topic: str, partition: int, offset: int, end: int) -> OffsetOutOfRangeError:
    """A committed offset that the log has not reached."""
    return OffsetOutOfRangeError(
        f"Group {group} cannot commit offset {offset} of topic {topic}, partition {partition}.",
        why=f"The log ends at {end}.",
    )


def closed() -> StorageFailedError:
    """A broker that was closed."""
    return StorageFailedError("The log is closed.", next="Open it again.")


def unreadable(topic: str, partition: int, offset: int, error: OSError) -> StorageFailedError:
    """A disk that cannot be read."""
    return StorageFailedError(
        f"Topic {topic}, partition {partition}, cannot be read at offset {offset}.",
        where=str(error.filename or ""),
        why=error.strerror or str(error),
        next="Check the disk; nothing was removed, and the records may be readable again later.",
    )


def not_written(what: str, error: OSError) -> StorageFailedError:
    """A write that failed outside of an append; with the disk full it is a DiskFullError."""
    if error.errno in FULL:
        return DiskFullError(
            f"The disk is full: {what}.",
            why=str(error),
            next="Free some space; writing goes on by itself as soon as there is room.",
        )
    return StorageFailedError(f"The disk failed: {what}.", why=str(error), next="Check the disk and restart.")
