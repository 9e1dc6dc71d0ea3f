"""The declaration: topics, feeds, tables, windows, the board and the switches of the simulation."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl

from wayside.adapters import HttpPush, Simulation, Simulator, SqlTable
from wayside.domain import SILENT_AFTER, Board, Domain, Topic, count, maximum, mean, minimum
from wayside_domains.metro.board import board_of
from wayside_domains.metro.network import LINES, TRAINS, stations, stops
from wayside_domains.metro.records import (
    Arrival,
    ArrivalMessage,
    Entry,
    EntryAtStation,
    EntryMessage,
    Station,
    Stop,
    Weather,
    WeatherMessage,
)
from wayside_domains.metro.simulation import Clockwork, Listed, Sky, Trains, Turnstiles
from wayside_domains.metro.switches import switches_of

World = Callable[[int, random.Random], Simulation]
HOURLY = "2h"
"""How long who speaks once an hour may say nothing."""
PRIORITY = ("red", "blue", "green")
"""A station with platforms of several lines is counted to the first of these."""


class Metro:
    """Three lines; `domain()` is what Wayside runs.

        own = Metro("lines", "Lines", table=SqlTable("postgresql://...", "stations", id="stop_id", constants=...))
        domain = own.domain()

    `table` is where the stations come from; without it they are the made list. `speed` and `begin` are how fast the
    simulated lines run and from when on, until `POST /api/<name>/start` says otherwise. A record that the table lacks
    (`valid_from`) is given as one of its constants.
    """

    def __init__(
        self,
        name: str,
        title: str,
        *,
        table: SqlTable | None = None,
        zone: str = "America/Chicago",
        speed: float = 1.0,
        begin: datetime | None = None,
        seed: int = 50,
    ) -> None:
        self.name = name
        self.title = title
        self.zone = zone
        self.clockwork = Clockwork(speed, begin)
        self.counted: dict[int, int] = {}
        """Entries that the simulation has told of since it was started, by station."""
        self.arrivals = Topic("org.chicago.cta.station.arrivals", Arrival)
        # The all-time count is made again from this topic if its state is ever lost. Beyond a year and a month, as for
        # everything else that the lake keeps by default, the hourly copy of the count in the lake is what remains.
        self.entries = Topic("org.chicago.cta.station.turnstile.v1", Entry, retention="400d")
        self.weather = Topic("org.chicago.cta.weather.v1", Weather)
        self.stops = Topic("org.chicago.cta.stations", Stop, compact=True, retention=None)
        self.clients()
        self.simulated = self.simulators(seed, table)
        self.flow()

    def clients(self) -> None:
        """Producers of the system before this one, which send by REST Proxy to topics of these names."""
        wires = ((self.arrivals, ArrivalMessage), (self.entries, EntryMessage), (self.weather, WeatherMessage))
        for (topic, wire), what in zip(wires, ("arrivals", "entries", "weather"), strict=True):
            push = HttpPush(f"/topics/{topic.name}")
            stale = self.patience(topic)
            topic.feed(f"{self.name}_{what}_clients", push, wire=wire, parse=in_milliseconds, stale=stale)

    def patience(self, topic: Topic) -> str | timedelta | None:
        """How long a feed of a topic may say nothing: stations are told once."""
        return {self.weather: HOURLY, self.stops: None}.get(topic, SILENT_AFTER)

    def simulators(self, seed: int, table: SqlTable | None) -> list[str]:
        """Declare the feeds; returns the names of those that are simulated."""
        clockwork, zone, counted = self.clockwork, self.zone, self.counted

        def made(what: str, topic: Topic, world: World, things: int, rate: float) -> str:
            source = Simulator(world, things=things, rate=rate, seed=seed, demo=True)
            return topic.feed(f"{self.name}_simulated_{what}", source, stale=self.patience(topic)).name

        names = [
            made("trains", self.arrivals, lambda _, chance: Trains(clockwork, chance), TRAINS * len(LINES), 1.0),
            made(
                "turnstiles", self.entries, lambda _, chance: Turnstiles(clockwork, chance, zone, counted),
                len(stations()), 0.5,
            ),
            made("sky", self.weather, lambda _, chance: Sky(clockwork, chance), 1, 0.5),
        ]  # fmt: skip
        if table is not None:
            self.stops.feed(f"{self.name}_stops", table, stale=self.patience(self.stops))
            return names
        return [*names, made("stops", self.stops, lambda _, chance: Listed(clockwork, chance), len(stops()), 0.5)]

    def flow(self) -> None:
        """From messages to what the board shows."""
        name = self.name
        kept = self.stops.stream(f"{name}_transformed_stations", into=Station, transform=one_line)
        self.stations = kept.table(f"{name}_stations", search=["station_name"])
        self.latest = self.arrivals.table(f"{name}_arrivals", by=["station_id", "direction"])
        self.trains = self.arrivals.table(f"{name}_trains", by=["train_id"], search=["train_id"])
        self.sky = self.weather.table(f"{name}_weather", by=["status"])
        placed = self.entries.join(
            f"{name}_entries_at_stations", self.stations, on=["station_id"], into=EntryAtStation, how="left"
        )
        by = ["line", "order", "station_id"]
        self.total = placed.window(f"{name}_entries", by=by, every="all time", entries=count())
        self.recent = placed.window(f"{name}_entries_15m", by=by, every="15m", lateness="1m", entries=count())
        self.hours = self.weather.window(
            f"{name}_weather_days", by=[], every="1d", lateness="1h",
            temperature=mean("temperature"), coldest=minimum("temperature"), warmest=maximum("temperature"),
        )  # fmt: skip

    def domain(self) -> Domain:
        """Everything that is declared."""
        path = f"/api/{self.name}/board"
        names = (self.stations, self.latest, self.trains, self.sky, self.total, self.recent)
        return Domain(
            self.name,
            self.title,
            flow=[*names, self.hours],
            boards=[
                Board(f"{self.name}_board", "Status", path, thing_word="station", window=self.total.name, past=True)
            ],
            endpoints=[board_of(path, [node.name for node in names]), *switches_of(self)],
            zone=self.zone,
        )


def in_milliseconds(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Messages whose time is a number of milliseconds; they are sent when it happens."""
    at = pl.from_epoch("timestamp", time_unit="ms").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    return rows.with_columns(at.alias("timestamp"), at.alias("sent_at"))


def one_line(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Each stop as its station on one line: the first of red, blue and green; without any it is dropped.

    Platforms of one station may be of different lines. Their rows differ by microseconds, so that the table keeps the
    one of the first line, whichever came last.
    """
    line, lines, later = pl.lit(None, pl.String), [], pl.lit(0)
    for number, each in enumerate(reversed(PRIORITY)):
        line = pl.when(each).then(pl.lit(each)).otherwise(line)
        later = pl.when(each).then(pl.lit(number)).otherwise(later)
    lines = [pl.when(each).then(pl.lit(each)) for each in PRIORITY]
    return rows.filter(pl.any_horizontal(PRIORITY)).select(
        "station_id",
        "station_name",
        pl.col("station_descriptive_name").alias("description"),
        "order",
        line.alias("line"),
        pl.concat_str(lines, separator=",", ignore_nulls=True).alias("lines"),
        pl.col("valid_from") + pl.duration(microseconds=later),
    )
