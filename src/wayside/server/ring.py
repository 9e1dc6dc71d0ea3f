"""Recent commits, kept so that a subscriber who was away for a moment misses nothing."""

from __future__ import annotations

from collections import deque

from wayside.server.limits import Limits
from wayside.values import Commit

COLUMN = 700
"""Bytes that a column of a frame takes beside its values, measured: most of what a commit of few rows weighs."""


class Ring:
    """Recent commits in order, bounded in number and bytes. Filled by one thread, read by others."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._commits: deque[tuple[Commit, int]] = deque()
        self._bytes = 0
        self.latest = 0

    def add(self, commit: Commit) -> None:
        """Keep a commit, and let the oldest go."""
        if (
            commit.sequence != self.latest + 1
        ):  # some were missed, or the store was made anew: what is kept leads nowhere
            self._commits.clear()
            self._bytes = 0
        frames = [*commit.tables.values(), *commit.windows.values()]
        size = sum(int(frame.estimated_size()) + COLUMN * frame.width for frame in frames)
        self._commits.append((commit, size))
        self._bytes += size
        self.latest = commit.sequence
        while len(self._commits) > self._limits.ring_events or (
            self._bytes > self._limits.ring_bytes and len(self._commits) > 1
        ):
            self._bytes -= self._commits.popleft()[1]

    def after(self, sequence: int) -> list[Commit] | None:
        """The commits behind a sequence number, or null when some of them are not here any more (or never were)."""
        kept = [commit for commit, _ in list(self._commits)]
        if not kept or not kept[0].sequence - 1 <= sequence <= kept[-1].sequence:
            return None
        return [commit for commit in kept if commit.sequence > sequence]
