"""What one run has done, for the line that ends a demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wayside.quarantine import QUARANTINE

if TYPE_CHECKING:
    from wayside.runtime.service import Service
    from wayside.values import Commit


class Tally:
    """Counts from its making on; the service must be open, and not started yet."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.began = service.clock.monotonic()
        self.before = self.ends()
        self.windows = 0
        self.late = 0
        service.engine.subscribe(self.hear)

    def hear(self, commit: Commit) -> None:
        """Count what a commit has closed, on the engine's thread."""
        self.windows += sum(rows.height for rows in commit.windows.values())
        self.late += sum(commit.late.values())

    def ends(self) -> dict[str, int]:
        """Records appended so far, by topic."""
        topics = [*self.service.plan.topics, QUARANTINE]
        return {topic: sum(info.end for info in self.service.broker.partitions(topic)) for topic in topics}

    def summary(self) -> str:
        """One line: what came in, what was rejected, what was computed."""
        grown = {topic: end - self.before[topic] for topic, end in self.ends().items()}
        rejected = grown.pop(QUARANTINE)
        rows = sum(self.service.store.count(table) for table in self.service.plan.tables)
        seconds = self.service.clock.monotonic() - self.began
        return (
            f"In {seconds:.0f} s: {sum(grown.values()):,} records came in, {rejected:,} were rejected and kept in "
            f"quarantine, {self.windows:,} windows closed, {self.late:,} records were late, "
            f"and {rows:,} table rows are current. Kept in {self.service.folder.root}."
        )
