"""Reading GTFS: the text tables of a zip or folder become a `Timetable`, or an error that says what is missing.

A row that cannot be used (a stop time without a trip, a place off the earth) is left out and noted; a table or column
without which nothing works refuses the whole, so that the timetable before it stays in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from wayside.adapters.archive import ArchiveLimits, unpacked
from wayside.errors import WaysideError
from wayside_domains.transit.times import seconds_column
from wayside_domains.transit.timetable import WEEK, Timetable

REQUIRED = {
    "agency.txt": ("agency_timezone",),
    "routes.txt": ("route_id",),
    "stops.txt": ("stop_id",),
    "trips.txt": ("trip_id", "route_id", "service_id"),
    "stop_times.txt": ("trip_id", "stop_id", "stop_sequence", "arrival_time", "departure_time"),
}
OPTIONAL = {
    "agency.txt": (),
    "routes.txt": (
        "route_short_name", "route_long_name", "route_color", "route_text_color", "route_type", "route_sort_order",
    ),
    "stops.txt": ("stop_name", "stop_lat", "stop_lon", "parent_station", "location_type", "platform_code"),
    "trips.txt": ("direction_id", "trip_headsign", "shape_id", "block_id"),
    "stop_times.txt": (),
    "shapes.txt": ("shape_id", "shape_pt_lat", "shape_pt_lon", "shape_pt_sequence"),
    "calendar.txt": ("service_id", *WEEK, "start_date", "end_date"),
    "calendar_dates.txt": ("service_id", "date", "exception_type"),
    "frequencies.txt": ("trip_id", "start_time", "end_time", "headway_secs"),
}  # fmt: skip


class TimetableError(WaysideError):
    """A timetable cannot be used as a whole."""


def read_gtfs(source: Path, network: str, *, limits: ArchiveLimits | None = None) -> Timetable:
    """The timetable of a GTFS zip or folder. Raises TimetableError or ArchiveError, and then nothing has changed."""
    with unpacked(source, limits=limits) as files:
        return from_tables({name: table(path, name) for name, path in files.items() if name in OPTIONAL}, network)


def table(path: Path, name: str) -> pl.DataFrame:
    """One text table; every column is text.

    It is read as a stream: of a large table only the columns that are used are ever held whole.
    """
    if not path.stat().st_size:
        return pl.DataFrame()
    try:
        rows = pl.scan_csv(path, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True)
        found = {column.strip().strip("\ufeff\"'"): column for column in rows.collect_schema()}
        wanted = [column for column in (*REQUIRED.get(name, ()), *OPTIONAL[name]) if column in found]
        return rows.select(pl.col(found[column]).alias(column) for column in wanted).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise TimetableError(f"{name} cannot be read.", where=name, why=str(error).splitlines()[0]) from error


def from_tables(tables: Mapping[str, pl.DataFrame], network: str) -> Timetable:
    """The timetable of text tables by file name. Raises TimetableError."""
    given = {name: complete(name, tables.get(name, pl.DataFrame())) for name in OPTIONAL}
    notes: list[str] = []
    zones = given["agency.txt"]["agency_timezone"].drop_nulls().unique()
    if len(zones) != 1:
        raise TimetableError(
            "A timetable needs one time zone.", where="agency.txt", why=f"Found: {', '.join(zones) or 'none'}."
        )
    trips = given["trips.txt"].drop_nulls(["trip_id", "route_id", "service_id"])
    stops = read_stops(given["stops.txt"], notes)
    calls = read_calls(given["stop_times.txt"], trips["trip_id"], stops["stop_id"], notes)
    trips, calls = repeated(read_trips(trips), calls, given["frequencies.txt"])
    ends = calls.group_by("trip_id").agg(starts=pl.col("departs").min(), ends=pl.col("arrives").max())
    services, exceptions = read_services(given["calendar.txt"], given["calendar_dates.txt"])
    return Timetable(
        network,
        zones[0],
        read_routes(given["routes.txt"]),
        stops,
        trips.join(ends, on="trip_id", how="inner").sort("trip_id"),
        calls,
        read_shapes(given["shapes.txt"], notes),
        services,
        exceptions,
        tuple(notes),
    )


def complete(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The table with all columns that are read: no spaces around cells, empty ones and missing columns null."""
    missing = [column for column in REQUIRED.get(name, ()) if column not in rows.columns]
    if missing:
        raise TimetableError(
            f"{name} lacks {', '.join(missing)}.",
            where=name,
            why=f"Columns: {', '.join(rows.columns) or 'the table is missing or empty'}.",
            next="Is it a GTFS timetable? The one before it stays in use.",
        )
    absent = [column for column in OPTIONAL[name] if column not in rows.columns]
    clean = rows.select(pl.all().str.strip_chars().replace("", None))
    return clean.with_columns(pl.lit(None, pl.String).alias(column) for column in absent)


def read_routes(rows: pl.DataFrame) -> pl.DataFrame:
    """Routes with a name and colours; those without a colour are grey, as GTFS readers draw them."""
    color = pl.col("route_color").str.to_lowercase().str.extract("^#?([0-9a-f]{6})$")
    text = pl.col("route_text_color").str.to_lowercase().str.extract("^#?([0-9a-f]{6})$")
    return rows.select(
        "route_id",
        name=pl.coalesce("route_short_name", "route_long_name", "route_id"),
        long_name=pl.coalesce("route_long_name", "route_short_name", "route_id"),
        color="#" + color.fill_null("6b7280"),
        text_color="#" + text.fill_null("ffffff"),
        type=pl.col("route_type").cast(pl.Int32, strict=False),
        sort_order=pl.col("route_sort_order").cast(pl.Int64, strict=False),
    ).unique("route_id", keep="first", maintain_order=True)


def read_stops(rows: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Stops; a place off the earth, or at 0/0 where feeds put what they do not know, is no place."""
    read = rows.drop_nulls("stop_id").select(
        "stop_id",
        name=pl.coalesce("stop_name", "stop_id"),
        latitude=pl.col("stop_lat").cast(pl.Float64, strict=False),
        longitude=pl.col("stop_lon").cast(pl.Float64, strict=False),
        parent_station="parent_station",
        location_type=pl.col("location_type").cast(pl.Int32, strict=False).fill_null(0),
        platform="platform_code",
    )
    good = on_earth(pl.col("latitude"), pl.col("longitude"))
    placed = read.with_columns(pl.when(good).then(pl.col(name)).alias(name) for name in ("latitude", "longitude"))
    lost = placed["latitude"].null_count()
    if lost:
        notes.append(f"stops.txt: {lost} stops have no usable place.")
    return placed.unique("stop_id", keep="first", maintain_order=True)


def on_earth(lat: pl.Expr, lon: pl.Expr) -> pl.Expr:
    """Whether a latitude and longitude may be a place that somebody meant."""
    return (lat.abs() <= 90) & (lon.abs() <= 180) & ((lat != 0) | (lon != 0)) & lat.is_finite() & lon.is_finite()


def read_trips(rows: pl.DataFrame) -> pl.DataFrame:
    """Trips, each once."""
    return rows.select(
        "trip_id",
        "route_id",
        "service_id",
        direction_id=pl.col("direction_id").cast(pl.Int64, strict=False),
        headsign="trip_headsign",
        shape_id="shape_id",
        block_id="block_id",
    ).unique("trip_id", keep="first", maintain_order=True)


def read_calls(rows: pl.DataFrame, trips: pl.Series, stops: pl.Series, notes: list[str]) -> pl.DataFrame:
    """Stop times in seconds of the service day; those between two timed stops are interpolated, none runs backwards."""
    read = rows.select(
        "trip_id",
        "stop_id",
        sequence=pl.col("stop_sequence").cast(pl.Int64, strict=False),
        arrives=seconds_column(pl.coalesce("arrival_time", "departure_time")),
        departs=seconds_column(pl.coalesce("departure_time", "arrival_time")),
        given=pl.coalesce("arrival_time", "departure_time").is_not_null(),
    )
    known = pl.col("trip_id").is_in(trips.implode()) & pl.col("stop_id").is_in(stops.implode())
    usable = read.filter(known & pl.col("sequence").is_not_null())
    usable = usable.filter(~pl.col("given") | (pl.col("arrives").is_not_null() & pl.col("departs").is_not_null()))
    if usable.height < read.height:
        notes.append(f"stop_times.txt: {read.height - usable.height} rows name no trip or stop, or are no time.")
    ordered = usable.unique(["trip_id", "sequence"], keep="first", maintain_order=True).sort("trip_id", "sequence")
    times = ordered.with_columns(
        pl.col("arrives", "departs").cast(pl.Float64).interpolate().over("trip_id").round().cast(pl.Int64)
    ).drop_nulls(["arrives", "departs"])
    times = times.with_columns(pl.max_horizontal("arrives", "departs").alias("departs"))
    monotone = times.with_columns(pl.col("arrives", "departs").cum_max().over("trip_id"))
    stepped = monotone.with_columns(
        pl.max_horizontal("arrives", pl.col("departs").shift(1).over("trip_id")).alias("arrives")
    ).with_columns(pl.max_horizontal("arrives", "departs").alias("departs"))
    several = stepped.filter(pl.len().over("trip_id") > 1)
    return several.select("trip_id", "sequence", "stop_id", "arrives", "departs")


def repeated(trips: pl.DataFrame, calls: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Trips that run every so often, written out: `ID@07:10:00` is the one that starts then."""
    starts = rows.select(
        "trip_id",
        first=seconds_column(pl.col("start_time")).cast(pl.Int64),
        last=seconds_column(pl.col("end_time")).cast(pl.Int64),
        step=pl.col("headway_secs").cast(pl.Int64, strict=False),
    ).filter(pl.col("step") >= 10, pl.col("last") > pl.col("first"))
    if starts.is_empty():
        return trips, calls
    each = starts.with_columns(start=pl.int_ranges("first", "last", "step")).explode("start").select("trip_id", "start")
    hours, minutes, seconds = pl.col("start") // 3600, pl.col("start") // 60 % 60, pl.col("start") % 60
    clock = pl.format("{}:{}:{}", *(part.cast(pl.String).str.zfill(2) for part in (hours, minutes, seconds)))
    each = each.unique(maintain_order=True).with_columns(copy=pl.format("{}@{}", "trip_id", clock))
    own = ~pl.col("trip_id").is_in(each["trip_id"].unique().implode())
    more = trips.join(each, on="trip_id").select(pl.col("copy").alias("trip_id"), *trips.columns[1:])
    begins = calls.group_by("trip_id").agg(begins=pl.col("departs").min())
    shift = pl.col("start") - pl.col("begins")
    moved = calls.join(begins, on="trip_id").join(each, on="trip_id")
    moved = moved.select(
        pl.col("copy").alias("trip_id"), "sequence", "stop_id", pl.col("arrives") + shift, pl.col("departs") + shift
    )
    return pl.concat([trips.filter(own), more]), pl.concat([calls.filter(own), moved])


def read_shapes(rows: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Places of shapes in order; those off the earth are left out."""
    read = rows.select(
        "shape_id",
        sequence=pl.col("shape_pt_sequence").cast(pl.Int64, strict=False),
        latitude=pl.col("shape_pt_lat").cast(pl.Float64, strict=False),
        longitude=pl.col("shape_pt_lon").cast(pl.Float64, strict=False),
    )
    good = read.drop_nulls().filter(on_earth(pl.col("latitude"), pl.col("longitude")))
    if good.height < read.height:
        notes.append(f"shapes.txt: {read.height - good.height} places cannot be used.")
    return good.sort("shape_id", "sequence")


def read_services(weeks: pl.DataFrame, dates: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The week's plan of each service, and the days that differ from it."""
    services = weeks.select(
        "service_id",
        *(pl.col(day).eq("1").fill_null(False) for day in WEEK),
        starts=pl.col("start_date").str.to_date("%Y%m%d", strict=False),
        ends=pl.col("end_date").str.to_date("%Y%m%d", strict=False),
    ).drop_nulls(["service_id", "starts", "ends"])
    exceptions = dates.select(
        "service_id",
        day=pl.col("date").str.to_date("%Y%m%d", strict=False),
        runs=pl.col("exception_type").eq("1"),
    ).drop_nulls()
    return services, exceptions
