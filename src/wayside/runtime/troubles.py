"""What an operator should know now: gathered from all stages, in words, with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from wayside import metrics
from wayside.server.services import Trouble

if TYPE_CHECKING:
    from wayside.runtime.service import Service


class Troubles:
    """Remembers since when each trouble has lasted."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.since: dict[str, datetime] = {}

    def now(self) -> list[Trouble]:
        """All present troubles, the oldest first."""
        found = dict(self.found())
        now = self.service.clock.now()
        self.since = {what: self.since.get(what, now) for what in found}
        return [Trouble(since, what, found[what]) for what, since in sorted(self.since.items(), key=lambda i: i[1])]

    def found(self) -> Iterator[tuple[str, str]]:
        """What is wrong, and the next step."""
        service = self.service
        if (failure := service.failure()) is not None:
            yield str(failure).splitlines()[0], "The process ends; restart it, and it recovers from its log."
        if (problem := service.data_problem()) is not None:
            yield problem, "Free some space; writing resumes by itself."
        if service.store.rebuilt:
            yield (
                "The store of tables was damaged and set aside; it is computed again from the log.",
                "Nothing to do. Windows older than the log's retention are in the lake only.",
            )
        elif self.damaged("hot"):
            yield (
                "Blocks or checkpoints of the store of tables fail their checksum and are left out.",
                "The log of this process names them. `wayside rebuild` computes everything again from the log.",
            )
        if self.damaged("lake"):
            yield (
                "Files of the lake were damaged or missing; they were set aside, and their rows are left out.",
                "The log of this process names them. Move the folder of the table away to have it written again.",
            )
        ledger = getattr(service.broker, "damage", None)  # of a log in files only
        for damage in ledger.entries() if ledger is not None else ():
            what = f"Records {damage.first} to {damage.next - 1} of {damage.topic}/{damage.partition} are damaged"
            if damage.partition < 0:  # not of records, but of what describes them
                what = f"A file of {damage.topic} is damaged"
            yield f"{what}: {damage.reason}.", f"Its bytes are in {damage.kept or damage.path}. Check the disk."
        yield from self.at_work()

    def damaged(self, store: str) -> bool:
        """Whether damage to a store was met since the service was made."""
        return metrics.damages(store) > self.service.damages[store]

    def at_work(self) -> Iterator[tuple[str, str]]:
        """Troubles of what runs beside the engine."""
        for ticker in self.service.tickers:
            if ticker.last_error:
                yield f"The {ticker.name} work fails: {ticker.last_error}", "It is tried again at its next turn."
        for name, runner in self.service.runners.items():
            status = runner.status()
            if status.state in ("reconnecting", "stale", "failed"):
                yield f"The feed {name} is {status.state}: {status.last_error}", "Check what it reads from."
