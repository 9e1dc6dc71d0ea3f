"""The declaration itself: topics, streams, tables, windows and layers for any set of networks and feeds."""

from __future__ import annotations

import polars as pl

from wayside.domain import (
    Domain,
    Geometry,
    Layer,
    Place,
    Table,
    Window,
    count,
    maximum,
    mean,
    minimum,
)
from wayside_domains.transit import drawing
from wayside_domains.transit.answering import Tables
from wayside_domains.transit.drawing import Drawing
from wayside_domains.transit.endpoints import board_of
from wayside_domains.transit.headways import headway_endpoints
from wayside_domains.transit.heard import states_again
from wayside_domains.transit.linepage import line_endpoints
from wayside_domains.transit.matching import states
from wayside_domains.transit.networks import Network
from wayside_domains.transit.onmap import endpoints_of, map_of
from wayside_domains.transit.passages import passages_of
from wayside_domains.transit.publishing import feeds_of
from wayside_domains.transit.records import VehicleState
from wayside_domains.transit.sources import Sources
from wayside_domains.transit.swapping import chores_of

SEARCH = ("vehicle_id", "label", "route_id", "trip_id", "headsign", "next_stop")


class Transit(Sources):
    """Networks of vehicles that run on lines by a timetable; `domain()` is what Wayside runs.

        city = Transit("trimet", "TriMet", Network("trimet", "TriMet", Path("gtfs.zip")), zone="America/Los_Angeles")
        city.simulate("trimet", vehicles=100)
        domain = city.domain()

    The names of topics, tables, windows and layers begin with `prefix`, so that two domains of this kind can run in one
    plan.
    """

    def __init__(self, name: str, title: str, *networks: Network, zone: str, prefix: str = "") -> None:
        super().__init__(name, *networks, prefix=prefix)
        self.title = title
        self.zone = zone
        matched, again = states(self.networks.timetable), states_again(self.networks)
        self.states = self.positions.stream(
            f"{prefix}vehicle_states", into=VehicleState, transform=matched, again=again
        )
        self.passages = passages_of(self.states, self.networks.timetable, prefix, zone)
        self.vehicles = self.states.table(f"{prefix}vehicles", deleted=pl.col("removed"), search=SEARCH)

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
        """Lines and stops from the timetables, of now and of then."""
        lines, stops = Drawing(self.networks, drawing.lines), Drawing(self.networks, drawing.stops)
        return [
            Geometry(f"{self.prefix}lines", "Lines", "lines", lines.features, lines.past),
            Geometry(f"{self.prefix}stops", "Stops", "points", stops.features, stops.past),
        ]
