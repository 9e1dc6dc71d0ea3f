"""Errors that a person can act on: what happened, where, why, and what to do next."""

from __future__ import annotations


class WaysideError(Exception):
    """Base of every error that Wayside raises on purpose.

    `what` is a full sentence. `where` names the place (a file, a declaration, a URL), `why` the rule that was
    broken with required and found values, `next` the step that mends it.
    """

    def __init__(self, what: str, *, where: str = "", why: str = "", next: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.next = next

    def __str__(self) -> str:
        parts = [self.what]
        for label, text in (("Where", self.where), ("Why", self.why), ("Next", self.next)):
            if text:
                parts.append(f"{label}: {text}")
        return "\n  ".join(parts)


class DeclarationError(WaysideError):
    """A record, stream, window, table or domain was declared wrongly; raised at import."""


class ConfigError(WaysideError):
    """A setting is unknown, missing or out of bounds. The process exits with code 2."""


class MissingExtraError(WaysideError):
    """A feature needs an optional dependency that is not installed; `next` names the extra."""


class TopicNotFoundError(WaysideError):
    """No topic of this name has been created."""


class NotFoundError(WaysideError):
    """A table, window, feed or domain of this name does not exist."""


class UnknownPastError(WaysideError):
    """What was at an instant of the past cannot be found again from what is kept."""


class OffsetOutOfRangeError(WaysideError):
    """The offset lies before the start of the log: retention has removed it (data loss for this reader)."""


class StorageFailedError(WaysideError):
    """Writing or syncing failed. Nothing is acknowledged from here on; the process must restart and recover."""


class UnavailableError(WaysideError):
    """A server that this process depends on does not answer. Nothing was acknowledged; the caller may try again."""


class DiskFullError(StorageFailedError):
    """No space left: writes are refused, reads go on, and writing resumes once there is space."""


class CorruptDataError(WaysideError):
    """Stored bytes fail their checksum. They were set aside under another name and never deleted."""


class DataFolderLockedError(WaysideError):
    """Another process holds the data folder; the message names it. The process exits with code 73."""


class OverloadedError(WaysideError):
    """A bounded queue is full. The caller should retry after `retry_after` seconds."""

    def __init__(self, what: str, *, retry_after: float = 1.0, where: str = "", why: str = "") -> None:
        super().__init__(what, where=where, why=why, next=f"Retry after {retry_after:g} s.")
        self.retry_after = retry_after
