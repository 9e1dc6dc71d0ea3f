"""The declaration itself: topics, streams, tables, windows and layers for any set of networks and feeds."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from wayside.adapters import EventStream, Polling, Simulation, Simulator
from wayside.domain import (
    SILENT_AFTER,
    Domain,
    Feed,
    Geometry,
    Layer,
    Place,
    Table,
    Topic,
    Window,
    count,
    maximum,
    mean,
    minimum,
)
from wayside.errors import DeclarationError
from wayside_domains.transit import drawing, jsonapi, realtime
from wayside_domains.transit.answering import Tables
from wayside_domains.transit.endpoints import board_of
from wayside_domains.transit.frequent import by_start
from wayside_domains.transit.headways import headway_endpoints
from wayside_domains.transit.irish import Reader, Stations
from wayside_domains.transit.linepage import line_endpoints
from wayside_domains.transit.matching import states
from wayside_domains.transit.networks import Network, Networks
from wayside_domains.transit.objects import Objects
from wayside_domains.transit.onmap import endpoints_of, map_of
from wayside_domains.transit.passages import passages_of
from wayside_domains.transit.publishing import feeds_of
from wayside_domains.transit.records import Notice, StopEvent, StopPrediction, VehiclePosition, VehicleState
from wayside_domains.transit.simulation import events_of, positions_of
from wayside_domains.transit.swapping import chores_of
from wayside_domains.transit.timetable import Timetable

World = Callable[[int, random.Random], Simulation]
PREDICTED = ("network", "trip_id", "start_date", "call")
LARGEST = 256 << 20
"""Bytes of an event: a reset holds all planned calls of a day."""
STALE = 90.0
"""A document of vehicles that says to be older than this many seconds is stale."""
SEARCH = ("vehicle_id", "label", "route_id", "trip_id", "headsign", "next_stop")


class Transit:
    """Networks of vehicles that run on lines by a timetable; `domain()` is what Wayside runs.

        city = Transit("trimet", "TriMet", Network("trimet", "TriMet", Path("gtfs.zip")), zone="America/Los_Angeles")
        city.simulate("trimet", vehicles=100)
        domain = city.domain()

    The names of topics, tables, windows and layers begin with `prefix`, so that two domains of this kind can run in one
    plan.
    """

    def __init__(self, name: str, title: str, *networks: Network, zone: str, prefix: str = "") -> None:
        self.name = name
        self.title = title
        self.zone = zone
        self.prefix = prefix
        self.networks = Networks(*networks)
        self.positions = Topic(f"{prefix}vehicle_positions", VehiclePosition)
        self.events = Topic(f"{prefix}stop_events", StopEvent)
        self.predictions = Topic(f"{prefix}stop_predictions", StopPrediction)
        # They are told once, and hold for months: who looks at the past wants those of long before.
        self.notices = Topic(f"{prefix}notices", Notice, retention="400d")
        self.objects = Objects(prefix)
        matched = states(self.networks.timetable)
        self.states = self.positions.stream(f"{prefix}vehicle_states", into=VehicleState, transform=matched)
        self.passages = passages_of(self.states, self.networks.timetable, prefix, zone)
        self.vehicles = self.states.table(f"{prefix}vehicles", deleted=pl.col("removed"), search=SEARCH)

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

    def domain(self) -> Domain:
        """Everything that is declared."""
        told = Tables(self.vehicles.name, f"{self.prefix}predictions", f"{self.prefix}alerts")
        return Domain(
            self.name,
            self.title,
            flow=[
                self.vehicles,
                *self.windows(),
                self.passages.times,
                self.passages.numbers,
                *self.tables(),
                self.passages.latest,
                *self.objects.tables,
            ],
            layers=self.layers(),
            geometries=self.geometries(),
            maps=[map_of(self.name, self.title, self.vehicles.name, self.prefix)],
            endpoints=[
                board_of(self.networks, told, self.name, self.zone),
                *endpoints_of(self.networks, told, self.name),
                *headway_endpoints(self.networks, self.passages.times.name, told, self.name),
                *line_endpoints(self.networks, self.passages.numbers.name, self.name),
                *feeds_of(self.networks, told),
            ],
            zone=self.zone,
            chores=chores_of(self.networks),
        )

    def tables(self) -> list[Table]:
        """What the feeds say now of stops and trips; what a feed no longer says is gone."""
        gone = pl.col("removed")
        return [
            self.events.table(f"{self.prefix}stop_latest", by=["network", "stop_id", "route_id", "event"]),
            self.predictions.table(f"{self.prefix}predictions", deleted=gone, gone="gone"),
            self.notices.table(f"{self.prefix}alerts", deleted=gone, gone="gone", search=["header", "routes"]),
        ]

    def windows(self) -> list[Window]:
        """Delay by line and by vehicle, each running of a trip minute by minute, and the calls at stops by line.

        A trip's runs are told apart by their service day. Spans are short, because rows are held until a span closes.
        """
        on_lines = self.states.where(f"{self.prefix}vehicles_on_lines", pl.col("delay").is_not_null())
        delay, early, late = mean("delay"), minimum("delay"), maximum("delay")
        line, run = (
            ["network", "route_id", "direction_id"],
            ["network", "route_id", "trip_id", "start_date", "vehicle_id"],
        )
        soon = "30s"
        return [
            on_lines.window(
                f"{self.prefix}route_delay", by=line, every="1m", lateness=soon,
                positions=count(), delay=delay, earliest=early, latest=late,
            ),
            on_lines.window(
                f"{self.prefix}vehicle_delay", by=["network", "vehicle_id"], every="30s", lateness=soon,
                delay=mean("delay"), speed=mean("speed"),
            ),
            on_lines.window(
                f"{self.prefix}trip_runs", by=run, every="1m", lateness=soon,
                positions=count(), furthest=maximum("along"), delay=delay, earliest=early, latest=late,
            ),
            self.events.window(
                f"{self.prefix}route_calls", by=[*line, "event"], every="5m", lateness="1m",
                calls=count(), delay=mean("delay"), latest=maximum("delay"), on_time=mean("on_time"),
            ),
        ]  # fmt: skip

    def layers(self) -> list[Layer]:
        """Vehicles on the map, and each vehicle's delay as a series."""
        place = Place(bearing="bearing", on=f"{self.prefix}lines", line="line_id", along="along")
        table = self.vehicles.name
        on_map = Layer(
            f"{self.prefix}on_map", "Vehicles", table, "vehicle_id", "delay", "timestamp",
            unit="s", kind="points", place=place,
        )  # fmt: skip
        delays = Layer(
            f"{self.prefix}delays", "Delays", table, "vehicle_id", "delay", "timestamp",
            unit="s", window=f"{self.prefix}vehicle_delay",
        )  # fmt: skip
        return [delays, on_map]

    def geometries(self) -> list[Geometry]:
        """Lines and stops from the timetables."""
        return [
            Geometry(f"{self.prefix}lines", "Lines", "lines", drawing.drawn(self.networks, drawing.lines)),
            Geometry(f"{self.prefix}stops", "Stops", "points", drawing.drawn(self.networks, drawing.stops)),
        ]
