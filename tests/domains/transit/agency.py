"""An agency's feeds as polling sources read them, over a trial with what follows from them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.domains.transit.asking import Asking
from wayside.adapters.entities import Entities
from wayside.clock import ManualClock
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit

Update = dict[str, Any]
KEPT = [
    "trip_id", "start_date", "call", "stop_id", "stop_sequence", "route_id", "direction_id", "arrival", "departure",
    "planned_arrival", "planned_departure", "relationship", "trip_relationship", "copy_of", "start_time", "vehicle_id",
]  # fmt: skip
"""What of predictions must be the same after a feed of ours was read by another Wayside."""


class Agency:
    """One whose feeds are read as its polling sources read them, over a trial with what follows from them."""

    def __init__(self, folder: Path | None, begin: datetime, *, zone: str, form: str = "json") -> None:
        self.clock = ManualClock(begin)
        own = Transit("own", "Own", Network("x", "X", folder), zone=zone)
        base = "http://127.0.0.1:9"
        feeds = own.poll("x", positions=f"{base}/p.{form}", predictions=f"{base}/u.{form}")
        self.feeds = {feed.name: (feed, Entities(feed.source.identity, "timestamp")) for feed in feeds}  # type: ignore[attr-defined]  # they are polled
        self.trial = Trial(own.domain(), clock=self.clock)
        self.ask = Asking(self.trial)
        (domain,) = self.trial.plan.domains
        self.out = {one.path.rsplit("/", 1)[1]: one for one in domain.endpoints if one.path.startswith("/gtfs-rt/")}

    def takes(self, name: str, body: bytes) -> None:
        """A document of a feed."""
        feed, entities = self.feeds[name]
        source: Any = feed.source
        lines = entities.apply(source.read(body), self.clock.now())
        assert self.trial.push(name, lines).rejected == 0

    def tells(self, *updates: Update, name: str = "x_predictions") -> None:
        """A whole document a second later, of these trip updates and no others."""
        self.clock.advance(1)
        now = int(self.clock.now().timestamp())
        kind = "trip_update" if name == "x_predictions" else "vehicle"
        entities = [{"id": str(at), kind: {"timestamp": now, **one}} for at, one in enumerate(updates)]
        header = {"gtfs_realtime_version": "2.0", "timestamp": now}
        self.takes(name, json.dumps({"header": header, "entity": entities}).encode())

    def until(self, at: datetime) -> None:
        """Let the time pass."""
        self.clock.advance((at - self.clock.now()).total_seconds())

    def vehicle(self, trip: Update, **more: Any) -> None:
        """A document with one vehicle, between A and B."""
        place = {"latitude": 0.0, "longitude": 1.005}
        self.tells({"trip": trip, "vehicle": {"id": "v9"}, "position": place, **more}, name="x_positions")

    def board(self, stop: str, ahead: int = 60) -> dict[str, dict[str, Any]]:
        """What leaves a stop, by trip."""
        rows = self.ask("departures", network="x", stop=stop, ahead=str(ahead)).body["departures"]
        assert len({row["trip_id"] for row in rows}) == len(rows)
        return {row["trip_id"]: row for row in rows}

    def lines(self, stop: str) -> list[dict[str, Any]]:
        """The same as the page asks for it."""
        return list(self.ask("calls", place=f"x/{stop}", ahead="60").body["rows"])

    def body(self, name: str) -> bytes:
        """A feed that goes out."""
        answer = self.out[name].handler(self.ask.queries, None, {})
        assert isinstance(answer.body, bytes)
        return answer.body

    def updates(self) -> dict[str, Update]:
        """The trip updates that go out, by the names of their entities."""
        self.clock.advance(5)  # what was written is given to everybody for five seconds
        entities = json.loads(self.body("trip_updates.json"))["entity"]
        return {one["id"]: one["trip_update"] for one in entities}
