"""What is in a message of Kafka besides its key and value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

ID: Final = "id"
"""The header with the record's id, as UTF-8."""


def id_of(headers: Sequence[tuple[str, bytes | None]] | None) -> str | None:
    """The record's id, if the message has one."""
    if headers is not None:
        for name, value in headers:
            if name == ID and value is not None:
                return value.decode(errors="replace")
    return None
