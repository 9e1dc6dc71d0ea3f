"""Where records come from: the topics of a domain of lines, and the feeds that may fill them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from wayside.adapters import EventStream, Polling, Simulation, Simulator
from wayside.domain import SILENT_AFTER, Feed, Topic
from wayside.errors import DeclarationError
from wayside_domains.transit import jsonapi, realtime
from wayside_domains.transit.frequent import by_start
from wayside_domains.transit.irish import Reader, Stations
from wayside_domains.transit.networks import Network, Networks
from wayside_domains.transit.objects import Objects
from wayside_domains.transit.records import Notice, StopEvent, StopPrediction, VehiclePosition
from wayside_domains.transit.simulation import events_of, positions_of
from wayside_domains.transit.timetable import Timetable

World = Callable[[int, random.Random], Simulation]
PREDICTED = ("network", "trip_id", "start_date", "call")
LARGEST = 256 << 20
"""Bytes of an event: a reset holds all planned calls of a day."""
STALE = 90.0
"""A document of vehicles that says to be older than this many seconds is stale."""


class Sources:
    """Topics of networks of vehicles, and what may be read into them; names begin with `prefix`."""

    def __init__(self, name: str, *networks: Network, prefix: str = "") -> None:
        self.name = name
        self.prefix = prefix
        self.networks = Networks(*networks)
        self.positions = Topic(f"{prefix}vehicle_positions", VehiclePosition)
        self.events = Topic(f"{prefix}stop_events", StopEvent)
        self.predictions = Topic(f"{prefix}stop_predictions", StopPrediction)
        # They are told once, and hold for months: who looks at the past wants those of long before.
        self.notices = Topic(f"{prefix}notices", Notice, retention="400d")
        self.objects = Objects(prefix)

    def simulate(
        self,
        network: str,
        *,
        vehicles: int,
        rate: float = 0.2,
        speed: float = 1.0,
        begin: datetime | None = None,
        seed: int = 50,
        demo: bool = False,
    ) -> tuple[Feed, Feed]:
        """Two feeds that run a network's timetable: `<network>_vehicles` and `<network>_calls`.

        Each vehicle tells its place `rate` times a second, of a world that runs `speed` times as fast from `begin` on.
        With `demo`, `wayside demo` starts them.
        """
        if network not in self.networks.by_name:
            raise DeclarationError(f"There is no network {network!r} to simulate.", where=f"domain {self.name!r}")

        def timetable() -> Timetable:
            found = self.networks.timetable(network)
            if found is None:
                raise DeclarationError(f"The network {network!r} has no timetable to simulate, or none yet.")
            return found

        worlds: list[World] = [
            positions_of(timetable, speed=speed, begin=begin),
            events_of(timetable, speed=speed, begin=begin),
        ]
        topics = ((self.positions, "vehicles", rate), (self.events, "calls", min(rate, 0.1)))
        first, second = (
            topic.feed(
                f"{self.prefix}{network}_{what}", Simulator(world, things=vehicles, rate=pace, seed=seed, demo=demo)
            )
            for (topic, what, pace), world in zip(topics, worlds, strict=True)
        )
        return first, second

    def poll(
        self,
        network: str,
        *,
        positions: str = "",
        predictions: str = "",
        notices: str = "",
        every: float = 15.0,
        headers: Mapping[str, str] | None = None,
        networks: Sequence[str] = (),
    ) -> list[Feed]:
        """Feeds of GTFS-Realtime, polled every so many seconds: `<network>_positions`, `_predictions` and `_notices`.

        Addresses that end in `.json` are read as MBTA's JSON, all others as protobuf, which needs the
        extra `transit`. A header may name a secret as `${env:NAME}`. `networks` are address ranges (CIDR) into which
        the servers may lead on, beside the internet.
        """
        kinds = (
            (self.positions, "positions", positions, realtime.positions, ("network", "vehicle_id")),
            (self.predictions, "predictions", predictions, realtime.predictions, PREDICTED),
            (self.notices, "notices", notices, realtime.notices, ("network", "alert_id")),
        )
        found = []
        for topic, what, url, rows, identity in kinds:
            if url:
                document = realtime.enhanced if url.split("?")[0].endswith(".json") else realtime.protobuf
                read = by_start(realtime.reader(network, rows, document), partial(self.networks.timetable, network))
                steady = topic is self.notices
                source = Polling(
                    url, read, every, identity, fresh=STALE, headers=headers or {}, networks=networks, steady=steady
                )
                found.append(topic.feed(f"{self.prefix}{network}_{what}", source, stale=self.patience(topic)))
        return found

    def listen(
        self,
        network: str,
        *,
        vehicles: str = "",
        predictions: str = "",
        alerts: str = "",
        headers: Mapping[str, str] | None = None,
        networks: Sequence[str] = (),
        **objects: str,
    ) -> list[Feed]:
        """Feeds of MBTA's V3 API as it streams: `<network>_vehicle_events`, `_prediction_events`, `_alert_events`.

        `objects` are the addresses of `trips`, `stops`, `schedules`, `routes` and `shapes`: `<network>_trip_events` and
        so on, with a table of each kind. `headers` and `networks` as for `poll`.

        listen("mbta", vehicles="https://api-v3.mbta.com/vehicles?filter[route]=Red",
               headers={"x-api-key": "${env:MBTA_KEY}"})
        """
        kinds = (
            (self.positions, "vehicle", vehicles, jsonapi.vehicle, "vehicle_id"),
            (self.predictions, "prediction", predictions, jsonapi.prediction, "prediction_id"),
            (self.notices, "alert", alerts, jsonapi.alert, "alert_id"),
        )
        found = []
        for topic, what, url, flatten, name in kinds:
            if url:
                decode = jsonapi.decoder(network, flatten, name)
                source = EventStream(url, decode, ("network", name), headers=headers or {}, networks=networks)
                found.append(topic.feed(f"{self.prefix}{network}_{what}_events", source, stale=self.patience(topic)))
        for kinds_name, url in objects.items():
            kind, chosen = self.objects.named(kinds_name)
            decode = jsonapi.decoder(network, chosen.flatten, f"{kind}_id")
            identity = ("network", f"{kind}_id")
            source = EventStream(url, decode, identity, headers=headers or {}, largest=LARGEST, networks=networks)
            found.append(self.objects.topic(kind).feed(f"{self.prefix}{network}_{kind}_events", source, stale=None))
        return found

    def patience(self, topic: Topic) -> timedelta | None:
        """How long a feed of a topic may say nothing: notices come when there is something to tell."""
        return None if topic is self.notices else SILENT_AFTER

    def irish(
        self,
        network: str,
        url: str,
        *,
        every: float = 60,
        stations: Path | None = None,
        departures: bool = True,
        networks: Sequence[str] = (),
    ) -> Feed:
        """A feed of Irish Rail's current positions in XML: `<network>_trains`.

        With `departures` a second one, `<network>_departures`, has when trains that have not set out are expected to.

        `stations` is a file with the railway's own list of stations, so that stops have their codes, and junctions and
        signals are none; without it every place that is named counts by its name. `networks` as for `poll`.
        """
        read = Reader(network, stations=Stations.read(stations) if stations is not None else None)
        source = Polling(url, read, every, ("network", "vehicle_id"), networks=networks)
        if departures:
            coming = Polling(url, read.departures, every, PREDICTED, networks=networks)
            self.predictions.feed(f"{self.prefix}{network}_departures", coming)
        return self.positions.feed(f"{self.prefix}{network}_trains", source)
