"""How far event time has come: per partition in log order, and for a step as the slowest active partition.

The watermark that a row is judged by follows from the rows before it in its own partition and from nothing else, so
the same log gives the same answer however it is cut into batches. No row moves the watermark beyond the moment at
which it was appended: a wrong clock cannot close windows for the others. docs/semantics.md has the exact words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Micros = npt.NDArray[np.int64]
NEVER = -(2**62)
END_OF_TIME = 2**62


@dataclass
class Watermark:
    """Event-time progress of one step of the plan, in microseconds since 1970.

    `newest` is the greatest effective event time per partition, `closed` what the step has promised: nothing that
    ends at or before it will change. `seen` is when each partition last had rows, on the monotonic clock.
    """

    lateness: int
    idle: float
    newest: dict[str, int] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    closed: int = NEVER

    def judge(self, partition: str, times: Micros, appended: Micros | int, now: float) -> Micros | int:
        """The watermark that each row meets, in log order; the partition's progress is updated.

        Returns one number when it is the same for all rows, which is the rule rather than the exception.
        """
        before = self.newest.get(partition, NEVER)
        self.seen[partition] = now
        if not len(times):
            return self.floor(before)
        effective = np.minimum(times, appended)
        newest = int(effective.max())
        self.newest[partition] = max(before, newest)
        if newest <= before:
            return self.floor(before)
        running = np.empty(len(times), dtype=np.int64)
        running[0] = before
        np.maximum.accumulate(effective[:-1], out=running[1:])
        np.maximum(running, before, out=running)
        return np.maximum(running - self.lateness, self.closed)

    def floor(self, newest: int) -> int:
        """The watermark that follows from a newest event time, never behind what is closed."""
        return max(newest - self.lateness, self.closed)

    def advance(self, now: float, partitions: int) -> int:
        """The step's watermark: the slowest partition that is not idle. It never moves back.

        A partition that has not been seen holds it back too, until it has been silent for the idle time.
        """
        active = [newest for name, newest in self.newest.items() if now - self.seen.get(name, now) <= self.idle]
        if not active or (len(self.newest) < partitions and not self.waited(now)):
            return self.closed
        self.closed = max(self.closed, min(active) - self.lateness)
        return self.closed

    def waited(self, now: float) -> bool:
        """Whether partitions without any rows have been waited for long enough."""
        return bool(self.seen) and now - min(self.seen.values()) > self.idle

    def due(self, now: float) -> bool:
        """Whether a partition that has fallen idle lets the watermark move."""
        active = [newest for name, newest in self.newest.items() if now - self.seen.get(name, now) <= self.idle]
        return bool(active) and min(active) - self.lateness > self.closed

    def save(self) -> dict[str, Any]:
        """Progress as plain data for a checkpoint."""
        return {"newest": dict(self.newest), "closed": self.closed}

    def load(self, saved: dict[str, Any], now: float) -> None:
        """Progress from a checkpoint; every partition counts as just seen."""
        self.newest = {name: int(value) for name, value in saved.get("newest", {}).items()}
        self.seen = dict.fromkeys(self.newest, now)
        self.closed = int(saved.get("closed", NEVER))
