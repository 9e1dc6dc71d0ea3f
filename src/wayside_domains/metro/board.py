"""The status board: every station once, in the order of its line, with who is there, and how many have entered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from wayside.domain import AT, Answer, Endpoint, Queries, as_asked, wrong_instant
from wayside.errors import UnknownPastError
from wayside_domains.metro.network import COLORS, LINES, TITLES
from wayside_domains.metro.simulation import iso

EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
BEHIND = timedelta(minutes=2)
"""Lines whose newest word is older than this show their own time."""
HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
FROM = "Entries are those of that moment: the total of now, less the entries since, each of which is in the log."
WORDS = {"broken_down": "broken down", "out_of_service": "out of service"}
COLUMNS = [
    {"name": "a", "title": "Direction A", "kind": "event"},
    {"name": "b", "title": "Direction B", "kind": "event"},
    {"name": "hour", "title": "Last hour", "kind": "number"},
    {"name": "entries", "title": "Entries", "kind": "number"},
]
REPLIES = {200: "groups of stations in the order of their lines", 422: "a wrong instant"}
Row = dict[str, Any]
Cells = dict[tuple[int, str], list[Row]]
Counts = Mapping[str, dict[int, int] | None]


def board_of(path: str, names: Sequence[str]) -> Endpoint:
    """`GET path`: the board, made of the tables and windows of stations, arrivals, trains, weather, entries, recent."""
    stations, arrivals, trains, weather, total, recent = names

    def board(live: Queries, _: Any, given: Mapping[str, str]) -> Answer:
        try:
            queries = as_asked(live, given, back=HOUR)
        except ValueError as error:
            return wrong_instant(error)
        past = queries is not live
        now, runs, sky = queries.now(), queries.table(trains), queries.table(weather).sort("timestamp").tail(1)
        clock, heard = newest(runs, sky, "timestamp"), newest(runs, sky, "sent_at")
        since = (clock or now) - HOUR
        counts, notes = counted_by(live, total, now, since) if past else counted(live, total, recent, since)
        cells = cells_of(runs, queries.table(arrivals))
        places = live.table(stations).sort("order", "station_id").to_dicts()
        groups = [
            {
                "id": line,
                "title": TITLES[line],
                "color": COLORS[line],
                "rows": [row_of(place, cells, counts) for place in places if place["line"] == line],
            }
            for line in LINES
        ]
        own = clock is not None and (heard or now) - clock > BEHIND
        body = {
            "now": iso(now),
            "heard": iso(heard or clock) if clock else None,
            "clock": iso(clock) if clock and own else None,
            "facts": [weather_of(each) for each in sky.to_dicts()],
            "columns": COLUMNS,
            "notes": notes,
            "groups": [group for group in groups if group["rows"]],
        }
        return Answer(200, body)

    asked, summary = {"at": AT}, "The status board of the lines"
    return Endpoint("GET", path, board, summary, parameters=asked, replies=REPLIES)


def counted(live: Queries, total: str, recent: str, since: datetime) -> tuple[Counts, list[str]]:
    """Entries in all and since an instant, as of now; nothing is to be said of them."""
    ever = summed(live.summary(total, *EVER, by=["station_id"], where=None))
    return {"entries": ever, "hour": summed(live.windows(recent, since, EVER[1], None))}, []


def counted_by(live: Queries, total: str, now: datetime, since: datetime) -> tuple[Counts, list[str]]:
    """Entries by an instant of the past, in all and in the quarters of an hour since another; and where that is from.

    Null for both where it cannot be found again.
    """
    begins = EVER[0] + -(-(since - EVER[0]) // QUARTER) * QUARTER

    def by(at: datetime) -> dict[int, int]:
        return summed(live.past(at).summary(total, *EVER, by=["station_id"], where=None))

    try:
        ever, before = by(now), by(begins - timedelta(microseconds=1))
    except UnknownPastError as error:
        return {"entries": None, "hour": None}, [f"Entries of that moment are not known. {error.why}".strip()]
    hour = {station: number - before.get(station, 0) for station, number in ever.items()}
    return {"entries": ever, "hour": hour}, [FROM]


def newest(runs: pl.DataFrame, sky: pl.DataFrame, column: str) -> datetime | None:
    """The latest instant of a column of both."""
    found: Any = pl.concat([runs[column], sky[column]]).max()
    return found  # type: ignore[no-any-return]  # a column of instants


def summed(rows: pl.DataFrame) -> dict[int, int]:
    """Entries by station."""
    return dict(rows.group_by("station_id").agg(pl.col("entries").sum()).iter_rows())


def cells_of(runs: pl.DataFrame, last: pl.DataFrame) -> Cells:
    """Who is at each station, by direction; of a direction where nobody is, who was there last."""
    found: Cells = {}
    for row in runs.sort("timestamp", "train_id", descending=[True, False]).to_dicts():
        found.setdefault((row["station_id"], row["direction"]), []).append(event(row, here=True))
    for row in last.to_dicts():
        found.setdefault((row["station_id"], row["direction"]), []).append(event(row, here=False))
    return {place: [one for one in events if one["here"]] or events[:1] for place, events in found.items()}


def event(row: Row, *, here: bool) -> Row:
    """One train at a station."""
    return {
        "text": row["train_id"],
        "at": iso(row["timestamp"]),
        "here": here,
        "note": WORDS.get(row["train_status"], ""),
    }


def row_of(place: Row, cells: Cells, counts: Counts) -> Row:
    """One station. Nobody has been counted where nothing was heard of."""
    number = place["station_id"]
    others = [TITLES[line] for line in place["lines"].split(",") if line != place["line"]]
    return {
        "id": str(number),
        "name": place["station_name"],
        "note": place["description"],
        "tags": others,
        "a": cells.get((number, "a")),
        "b": cells.get((number, "b")),
        **{name: None if found is None else found.get(number, 0) for name, found in counts.items()},
    }


def weather_of(row: Row) -> Row:
    """The newest weather as a fact."""
    return {
        "title": "Weather",
        "value": f"{row['temperature']:.0f} °F",
        "note": row["status"].replace("_", " "),
        "at": iso(row["timestamp"]),
    }
