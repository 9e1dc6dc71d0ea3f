"""What an agency's own feed expects of trips: its times call by call, and what it says will not be.

A feed that tells of one call tells of those behind it as well, until it tells again: they are as late as that one. A
time that was told too long ago, or that cannot be of the day in question, is not used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from wayside.domain import Queries
from wayside_domains.transit.matching import PLAUSIBLE, REPLACED
from wayside_domains.transit.times import anchor, text_of
from wayside_domains.transit.timetable import Calls, Timetable

YOUNG = timedelta(minutes=10)
"""What was told longer ago is not used, even if the feed still holds it."""
KEPT = timedelta(hours=1)
"""How far back the past is searched for what was told."""
DELETED = "DELETED"
CANCELLED = ("CANCELED", "CANCELLED", DELETED)
COPY = "DUPLICATED"
SKIPPED = "SKIPPED"
NO_DATA = "NO_DATA"
ANY_DAY = "-"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Foretold:
    """One call as the feed expects it, in seconds since 1970; with `skipped`, nothing will stop there."""

    arrival: float = 0.0
    departure: float = 0.0
    skipped: bool = False


class Predictions:
    """The predictions of one network at an instant."""

    def __init__(self, rows: Iterable[Row], now: datetime) -> None:
        self._now = now
        self._of: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            self._of[row["trip_id"], row["start_date"]].append(row)
        self._made: dict[tuple[str, date], dict[int, Foretold]] = {}

    def rows(self, trip_id: str, day: date) -> Sequence[Row]:
        """Everything that is told of a trip on a day: by its day, else without one."""
        return self._of.get((trip_id, text_of(day))) or self._of.get((trip_id, ANY_DAY)) or ()

    def runs(self) -> list[tuple[str, str]]:
        """Trips and days (or `-`) of which something is told."""
        return list(self._of)

    def said(self, run: tuple[str, str]) -> Sequence[Row]:
        """Everything that is told of one of the `runs`."""
        return self._of[run]

    def cancelled(self, trip_id: str, day: date) -> bool:
        """Whether the trip will not run."""
        return any(row["relationship"] in CANCELLED for row in self.rows(trip_id, day))

    def deleted(self, trip_id: str, day: date) -> bool:
        """Whether the trip will not run, and nobody should be told of it either."""
        return any(row["relationship"] == DELETED for row in self.rows(trip_id, day))

    def replaced(self, trip_id: str, day: date) -> bool:
        """Whether what is told of the trip stands in place of its calls by the timetable."""
        return any(row["trip_relationship"] == REPLACED for row in self.rows(trip_id, day))

    def told(self, trip_id: str, day: date) -> datetime | None:
        """When the newest of what is used was told; null where nothing is."""
        return max((row["timestamp"] for row in self.rows(trip_id, day) if self.young(row)), default=None)

    def of(self, timetable: Timetable, trip_id: str, day: date) -> dict[int, Foretold]:
        """What is expected of a trip of the timetable, by the number of the call from 0 on."""
        if (trip_id, day) not in self._made:
            self._made[trip_id, day] = self._along(timetable, trip_id, day)
        return self._made[trip_id, day]

    def young(self, row: Row) -> bool:
        """Whether a row was told lately enough to be used."""
        return bool(self._now - row["timestamp"] <= YOUNG)

    def _along(self, timetable: Timetable, trip_id: str, day: date) -> dict[int, Foretold]:
        rows = self.rows(trip_id, day)
        if not rows or self.replaced(trip_id, day):
            return {}
        zero = anchor(day, timetable.zone).timestamp()
        return self.beside(rows, timetable.calls_of(trip_id), zero)

    def beside(self, rows: Sequence[Row], calls: Calls, zero: float) -> dict[int, Foretold]:
        """What rows say of calls that are planned at some seconds after `zero` (since 1970), by number from 0 on."""
        # By number, else by stop; of a call that has neither, its name is one of both.
        numbered = {str(row["stop_sequence"]): row for row in rows if row["stop_sequence"] is not None}
        named = {row["stop_id"] or row["call"]: row for row in rows if row["stop_sequence"] is None}
        found: dict[int, Foretold] = {}
        late: float | None = None
        for index in range(len(calls)):
            number = str(calls.sequences[index])
            row = numbered.get(number) or named.get(calls.stops[index]) or named.get(number)
            due = (zero + float(calls.arrivals[index]), zero + float(calls.departures[index]))
            if row is not None and row["relationship"] == SKIPPED:
                found[index] = Foretold(skipped=True)
                continue
            if row is not None and row["relationship"] == NO_DATA:
                late = None
                continue
            if row is not None and self.young(row) and (told := times_of(row, due)) is not None:
                if max(abs(told[0] - due[0]), abs(told[1] - due[1])) > PLAUSIBLE:
                    return {}  # of another day
                late, found[index] = told[1] - due[1], Foretold(*told)
            elif late is not None:
                found[index] = Foretold(due[0] + late, due[1] + late)
        return found


def times_of(row: Row, due: tuple[float, float]) -> tuple[float, float] | None:
    """Arrival and departure that a row tells, one from the other where it tells only that; null where it tells none."""
    arrival, departure = (
        row[name].timestamp() if row[name] is not None
        else planned + row[f"{name}_delay"] if row[f"{name}_delay"] is not None
        else None
        for name, planned in zip(("arrival", "departure"), due, strict=True)
    )  # fmt: skip
    if arrival is None and departure is None:
        return None
    if arrival is None:
        assert departure is not None
        return min(departure, due[0] + departure - due[1]), departure
    # Who comes early does not for that leave early.
    leaves = departure if departure is not None else due[1] + max(0.0, arrival - due[0])
    return arrival, max(arrival, leaves)


def predictions_at(
    queries: Queries, table: str, network: str, trips: Iterable[str], stops: Sequence[str] = (), *, past: bool
) -> Predictions:
    """What a network's feed expects of some trips, and of all that call at some stops; as of the questions' instant."""
    names, own = set(trips), {"network": [network]}
    if not names and not stops:
        return Predictions([], queries.now())
    if past:  # making a table of then again costs far more than choosing among its rows
        everything = queries.past(queries.now(), back=KEPT).table(table, own)
        at_stops = pl.col("stop_id").is_in(list(stops)) | (pl.col("trip_relationship") == COPY).fill_null(False)
        chosen = names | (set(everything.filter(at_stops)["trip_id"]) if stops else set())
        rows = everything.filter(pl.col("trip_id").is_in(list(chosen)))
        return Predictions(rows.iter_rows(named=True), queries.now())
    if stops:  # a copy may be told of without its stops
        names |= set(queries.table(table, {**own, "stop_id": list(stops)})["trip_id"])
        names |= set(queries.table(table, {**own, "trip_relationship": [COPY]})["trip_id"])
    rows = queries.table(table, {**own, "trip_id": sorted(names)})
    return Predictions(rows.iter_rows(named=True), queries.now())
