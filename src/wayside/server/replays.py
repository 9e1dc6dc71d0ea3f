"""Running rejected records through their feeds again, each one once.

What was replayed is written to a topic of its own. Should the process die between the two writes, the record's id,
which is made from its place in the quarantine, keeps the repetition from counting twice.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from wayside.server import logs
from wayside.server.problems import ProblemError
from wayside.server.services import Services
from wayside.specs import TIME, TopicSpec

MOST = 1_000
"""Ids that one request may name."""
BATCH = 10_000
"""Records of one rule that one request runs."""
WAIT = 8.0
SPEC = TopicSpec(
    name="_replays",
    schema=pl.Schema({"id": pl.String(), "at": TIME}),
    key=("id",),
    time="at",
    retention_age=timedelta(days=8),
)
Counts = dict[str, int]


class Replayer:
    """Knows what was replayed, and replays the rest. Blocking: call it from a worker thread."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._moments: dict[str, datetime] | None = None

    def moments(self) -> dict[str, datetime]:
        """When each record was replayed, by id."""
        with self._lock:
            return self._known()

    def by_id(self, ids: Sequence[str]) -> Counts:
        """Replay some records. Raises ProblemError 404 when one of them is not kept."""
        reader = logs.LogReader(self._services.broker, self._services.quarantine, 0)
        wanted = list(dict.fromkeys(ids))
        found = []
        for id in wanted:
            offset = int(id) if id.isascii() and id.isdigit() and len(id) < 18 else -1
            rows = reader.between(offset, offset + 1) if reader.start <= offset < reader.end else None
            if rows is None or rows.is_empty():
                raise ProblemError(404, f"The quarantine keeps no record {id[:40]!r}.", where="ids")
            found.append(rows)
        return self._replay(pl.concat(found), remaining=0)

    def by_rule(self, rule: str) -> Counts:
        """Replay everything that broke a rule and was not replayed yet; the answer says how much remains."""
        known = list(self.moments())
        fresh = (pl.col("rule") == rule) & ~pl.col("_offset").cast(pl.String).is_in(known)
        reader = logs.LogReader(self._services.broker, self._services.quarantine, 0)
        possible = fresh & pl.col("feed").is_in(list(self._services.intakes))
        rows = reader.forward(reader.start, BATCH + 1, lambda rows: rows.filter(possible)).frame
        if rows.is_empty():
            impossible = reader.forward(reader.start, 1, lambda rows: rows.filter(fresh)).frame
            if impossible.height:
                self._check(impossible["feed"][0])
            return {"replayed": 0, "accepted": 0, "rejected": 0, "duplicates": 0, "remaining": 0}
        return self._replay(rows.head(BATCH), remaining=max(0, rows.height - BATCH))

    def _replay(self, rows: pl.DataFrame, *, remaining: int) -> Counts:
        with self._lock:
            known = self._known()
            fresh = rows.filter(~pl.col("_offset").cast(pl.String).is_in(list(known)))
            counts = {"replayed": 0, "accepted": 0, "rejected": 0, "duplicates": rows.height - fresh.height}
            for feed in fresh["feed"].unique():
                self._check(feed)
            for (feed,), own in fresh.group_by("feed", maintain_order=True):
                ids = own["_offset"].cast(pl.String).to_list()
                receipt = (
                    self._services.intakes[str(feed)]
                    .submit(own["raw"].to_list(), ids=[f"replay of {id}" for id in ids])
                    .result(WAIT)
                )
                self._remember(ids)
                counts["replayed"] += own.height
                counts["accepted"] += len(receipt.appended.offsets) - receipt.appended.duplicates
                counts["rejected"] += receipt.rejected
                counts["duplicates"] += receipt.appended.duplicates
        return {**counts, "remaining": remaining}

    def _check(self, feed: str) -> None:
        if feed not in self._services.intakes:
            raise ProblemError(
                409,
                f"Records of {feed!r} cannot be replayed.",
                why="They were refused by a step inside the plan, or their feed is not declared any more.",
                next="Correct the step and recompute from the log.",
            )

    def _known(self) -> dict[str, datetime]:
        broker = self._services.broker
        if self._moments is None and SPEC.name in broker.topics():
            reader = logs.LogReader(broker, SPEC.name, 0)
            rows = reader.between(reader.start, reader.end)
            self._moments = dict(rows.select("id", "at").rows()) if rows.height else {}
        return self._moments or {}

    def _remember(self, ids: list[str]) -> None:
        now, broker = self._services.clock.now(), self._services.broker
        if SPEC.name not in broker.topics():  # not before there is something to write: looking works on a full disk
            broker.create(SPEC)
        rows = pl.DataFrame({"id": ids, "at": [now] * len(ids)}, schema=SPEC.schema)
        broker.append(SPEC.name, rows).result(WAIT)
        self._moments = {**self._known(), **dict.fromkeys(ids, now)}
