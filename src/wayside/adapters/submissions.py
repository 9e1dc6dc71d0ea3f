"""What callers hand over to a feed: messages of their own, lines of a block, or a frame."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import cast

import polars as pl

from wayside.values import Receipt

Content = Sequence[bytes] | bytes | pl.DataFrame


@dataclass(eq=False, slots=True)
class Submission:
    """What one caller handed over, and the promise it holds. Lines of a block are counted when they are judged."""

    size: int
    count: int
    content: Content
    ids: Sequence[str] | None
    arrived: float
    future: Future[Receipt] = field(default_factory=Future)


def kind(submission: Submission) -> type:
    """What a submission holds: bytes, or a list of lines."""
    return bytes if isinstance(submission.content, bytes) else list


def flat(submission: Submission) -> bool:
    """Whether its messages can be lines of a block: none is blank, none has a line break in itself."""
    content = submission.content
    if isinstance(content, pl.DataFrame):
        return False
    return isinstance(content, bytes) or all(not line.isspace() and line and b"\n" not in line for line in content)


def block(submission: Submission) -> bytes:
    """What it holds as lines of a block."""
    content = cast(Sequence[bytes] | bytes, submission.content)
    return content if isinstance(content, bytes) else b"\n".join(content)
