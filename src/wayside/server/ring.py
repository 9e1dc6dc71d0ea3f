"""Recent commits, kept so that a subscriber who was away for a moment misses nothing."""

from __future__ import annotations

import pickle
from collections import deque

from wayside.server.limits import Limits
from wayside.values import Commit


class Ring:
    """Recent commits in order, bounded in number and bytes. Filled by one thread, read by others.

    They are kept as bytes. A few changed rows of a frame hold on to all of what was read from the log with them, and
    each of their columns costs 700 bytes: a demo's commits held 120 MB as frames.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._commits: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self.latest = 0

    def add(self, commit: Commit) -> None:
        """Keep a commit, and let the oldest go."""
        if (
            commit.sequence != self.latest + 1
        ):  # some were missed, or the store was made anew: what is kept leads nowhere
            self._commits.clear()
            self._bytes = 0
        packed = pickle.dumps(commit, pickle.HIGHEST_PROTOCOL)
        self._commits.append((commit.sequence, packed))
        self._bytes += len(packed)
        self.latest = commit.sequence
        while len(self._commits) > self._limits.ring_events or (
            self._bytes > self._limits.ring_bytes and len(self._commits) > 1
        ):
            self._bytes -= len(self._commits.popleft()[1])

    def after(self, sequence: int) -> list[Commit] | None:
        """The commits behind a sequence number, or null when some of them are not here any more (or never were)."""
        kept = list(self._commits)
        if not kept or not kept[0][0] - 1 <= sequence <= kept[-1][0]:
            return None
        return [pickle.loads(packed) for number, packed in kept if number > sequence]  # noqa: S301  # written above
