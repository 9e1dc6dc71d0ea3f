"""A network at an instant, as its feeds that go out are written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from wayside_domains.transit.foretold import ANY_DAY, DELETED, Predictions
from wayside_domains.transit.known import Known
from wayside_domains.transit.times import day_or_none, service_days, text_of
from wayside_domains.transit.timetable import Timetable
from wayside_domains.transit.unplanned import ToldRun, unplanned

FRESH = timedelta(seconds=90)
"""What was told of a vehicle longer ago is left out."""
ASTRAY = 200.0
"""Metres off the line of its trip beyond which a vehicle is not said to run it, unless a detour is announced."""
Row = Mapping[str, Any]
Value = dict[str, Any]


@dataclass(frozen=True)
class Present:
    """A network as it is known at an instant: rows of the tables of vehicles and notices, and its predictions."""

    network: str
    known: Known | None
    now: datetime
    vehicles: Sequence[Row]
    predictions: Predictions
    notices: Sequence[Row]

    @property
    def timetable(self) -> Timetable | None:
        """The network's timetable, if it has one."""
        return self.known.timetable if self.known is not None else None

    @property
    def at(self) -> int:
        """Seconds since 1970: the time of the feed."""
        return int(self.now.timestamp())

    @cached_property
    def fresh(self) -> list[Row]:
        """Vehicles that were heard of lately, by id; of two on one trip only the one heard of last has the trip."""
        rows = [row for row in self.vehicles if self.now - row["timestamp"] <= FRESH]
        newest: dict[tuple[str, str], Row] = {}
        for row in sorted(rows, key=lambda row: (row["timestamp"], row["vehicle_id"])):
            if row["trip_id"] is not None:
                newest[row["trip_id"], row["start_date"] or ""] = row
        own = {id(row) for row in newest.values()}
        bare = dict.fromkeys(("trip_id", "start_date", "route_id", "direction_id", "stop_sequence"))
        found = [row if row["trip_id"] is None or id(row) in own else {**row, **bare} for row in rows]
        return sorted(found, key=lambda row: str(row["vehicle_id"]))

    @cached_property
    def cancelled(self) -> dict[tuple[str, str | None], str]:
        """Trips of a day that will not run, as the network's own feed says, with the word for that."""
        found: dict[tuple[str, str | None], str] = {}
        for trip_id, told in self.predictions.runs():
            day = self.day_of(trip_id, told)
            if day is not None and self.predictions.cancelled(trip_id, day):
                deleted = self.predictions.deleted(trip_id, day)
                found[trip_id, text_of(day)] = DELETED if deleted else "CANCELED"
        return found

    @cached_property
    def on_trips(self) -> set[tuple[str, str]]:
        """Trips, with their days, that fresh vehicles run."""
        return {(row["trip_id"], row["start_date"]) for row in self.fresh if row["trip_id"] is not None}

    @cached_property
    def told(self) -> dict[tuple[str, str], ToldRun]:
        """Runs of which only the feed knows, by trip and day (empty where it says none)."""
        return {(run.trip_id, run.start_date or ""): run for run in unplanned(self.predictions, self.timetable)}

    def told_of(self, row: Row) -> ToldRun | None:
        """The run of a vehicle, where only the feed knows it."""
        return self.told.get((row["trip_id"], row["start_date"] or "")) or self.told.get((row["trip_id"], ""))

    @cached_property
    def _heard(self) -> dict[tuple[str, str | None], Row]:
        """Fresh vehicles by the runs of which only the feed knows."""
        runs = ((run, row) for row in self.fresh if (run := self.told_of(row)) is not None)
        return {(run.trip_id, run.start_date): row for run, row in runs}

    def heard_on(self, run: ToldRun) -> Row | None:
        """The vehicle of a run of which only the feed knows."""
        return self._heard.get((run.trip_id, run.start_date))

    @cached_property
    def detoured(self) -> set[str]:
        """Routes and trips for which a detour is announced."""
        rows = [row for row in self.notices if row["effect"] == "DETOUR"]
        return {name for row in rows for name in f"{row['routes'] or ''} {row['trips'] or ''}".split()}

    def day_of(self, trip_id: str, told: str) -> date | None:
        """The service day of a run, by what is told of it: the newest one where it may be any day."""
        return self.today(trip_id) if told == ANY_DAY else day_or_none(told)

    def today(self, trip_id: str) -> date | None:
        """The newest service day on which a trip runs and is not over."""
        trip = self.timetable.trip(trip_id) if self.timetable is not None else None
        if self.timetable is None or trip is None:
            return None
        calls = self.timetable.calls_of(trip_id)
        days = service_days(self.now, self.timetable.zone, int(calls.arrivals[-1]))
        return next((day for day in days if trip_id in set(self.timetable.trips_on(day)["trip_id"])), None)

    def on_line(self, row: Row) -> bool:
        """Whether a vehicle is where its trip may lead it."""
        return row["off"] is None or row["off"] <= ASTRAY or bool({row["route_id"], row["trip_id"]} & self.detoured)
