"""GTFS-Realtime out: `/gtfs-rt/<network>/vehicle_positions.pb`, `trip_updates.pb`, `alerts.pb`, and `.json` of each.

A network is written anew every few seconds at most, whoever asks how often, and all three kinds are of the same moment,
so that a vehicle has the same trip in each. The time of the feed does not go back with a clock that is adjusted.
"""

from __future__ import annotations

import email.utils
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wayside.domain import Answer, Endpoint, Queries
from wayside_domains.transit.announcing import alerts
from wayside_domains.transit.answering import Tables
from wayside_domains.transit.foretold import Predictions
from wayside_domains.transit.known import Known
from wayside_domains.transit.networks import Networks
from wayside_domains.transit.outgoing import trip_updates, vehicle_positions
from wayside_domains.transit.present import Present
from wayside_domains.transit.realtime import feed_message

PERIOD = 5.0
"""Seconds for which what was written is given to everybody who asks."""
LEAP = 60.0
"""A clock that goes back by less is waited for; one that goes back further was wrong before and is right now."""
KINDS: Mapping[str, tuple[str, Callable[[Present], list[dict[str, Any]]]]] = {
    "vehicle_positions": ("where vehicles are", vehicle_positions),
    "trip_updates": (
        "when trips call: as the agency's feed expects, else timetable and present delay",
        trip_updates,
    ),
    "alerts": ("notices to riders", alerts),
}
FORMS = {"pb": "application/x-protobuf", "json": "application/json"}


@dataclass
class Written:
    """A network at a moment, and what of it has been written so far."""

    present: Present
    feeds: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: dict[tuple[str, str], bytes] = field(default_factory=dict)


class Publisher:
    """Writes the feeds of the networks of a domain. For use from any thread."""

    def __init__(self, networks: Networks, tables: Tables) -> None:
        self._networks = networks
        self._tables = tables
        self._lock = threading.Lock()
        self._written: dict[str, Written] = {}
        self._known: dict[str, Known] = {}

    def body(self, queries: Queries, network: str, kind: str, form: str) -> tuple[bytes, datetime]:
        """A feed as bytes, and its time. Raises MissingExtraError for protobuf without the extra `transit`."""
        with self._lock:
            written = self._moment(queries, network)
            if (kind, form) not in written.bodies:
                if kind not in written.feeds:
                    written.feeds[kind] = message(written.present, kind)
                written.bodies[kind, form] = encoded(written.feeds[kind], form)
            return written.bodies[kind, form], datetime.fromtimestamp(written.present.at, UTC)

    def _moment(self, queries: Queries, network: str) -> Written:
        before, now = self._written.get(network), queries.now()
        if before is not None and -LEAP < (now - before.present.now).total_seconds() < PERIOD:
            return before
        own = {"network": [network]}
        present = Present(
            network,
            self._lookup(network),
            now,
            queries.table(self._tables.vehicles, own).to_dicts(),
            Predictions(queries.table(self._tables.predictions, own).iter_rows(named=True), now),
            queries.table(self._tables.notices, own).to_dicts(),
        )
        self._written[network] = Written(present)
        return self._written[network]

    def _lookup(self, network: str) -> Known | None:
        """What the timetable in use has."""
        timetable, before = self._networks.timetable(network), self._known.get(network)
        if timetable is None or (before is not None and before.timetable is timetable):
            return before if timetable is not None else None
        self._known[network] = Known(timetable)
        return self._known[network]


def message(present: Present, kind: str) -> dict[str, Any]:
    """A whole feed as plain values."""
    header = {"gtfs_realtime_version": "2.0", "incrementality": "FULL_DATASET", "timestamp": present.at}
    return {"header": header, "entity": KINDS[kind][1](present)}


def encoded(feed: dict[str, Any], form: str) -> bytes:
    """A feed as JSON or protobuf. Raises MissingExtraError without the extra `transit`."""
    if form == "json":
        return json.dumps(feed, ensure_ascii=False, separators=(",", ":")).encode()
    message = feed_message(instead=", or ask for the same as .json.")
    return bytes(message(**feed).SerializeToString())


def feeds_of(networks: Networks, tables: Tables) -> list[Endpoint]:
    """The endpoints of all networks, kinds and forms."""
    publisher = Publisher(networks, tables)
    return [feed_of(publisher, network.name, kind, form) for network in networks for kind in KINDS for form in FORMS]


def feed_of(publisher: Publisher, network: str, kind: str, form: str) -> Endpoint:
    """One feed."""

    def feed(queries: Queries, _: Any, given: Mapping[str, str]) -> Answer:
        body, at = publisher.body(queries, network, kind, form)
        headers = {"content-type": FORMS[form], "last-modified": email.utils.format_datetime(at, usegmt=True)}
        return Answer(200, body, {**headers, "cache-control": "no-cache"})

    replies = {
        200: "a FeedMessage",
        304: "the same as before",
        **({501: "protobuf is missing"} if form == "pb" else {}),
    }
    summary = f"GTFS-Realtime: {KINDS[kind][0]}"
    return Endpoint("GET", f"/gtfs-rt/{network}/{kind}.{form}", feed, summary, replies=replies)
