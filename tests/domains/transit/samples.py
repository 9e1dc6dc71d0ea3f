"""A timetable that a person can check in the head: two lines, one of them a loop, with a few trips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wayside_domains.transit.gtfs import read_gtfs
from wayside_domains.transit.timetable import Timetable

# One line along the equator: a hundredth of a degree is 1,112 m. Stops A to D are 0.01 apart.
TABLES = {
    "agency.txt": "agency_id,agency_name,agency_url,agency_timezone\nx,Example,http://example.org,Europe/Berlin\n",
    "routes.txt": (
        "route_id,route_short_name,route_long_name,route_type,route_color,route_sort_order\n"
        "R,R1,Equator Line,2,FF8800,1\nL,,Loop,0,,2\n"
    ),
    "stops.txt": (
        "stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station\n"
        "S,Station,0.0,1.0,1,\nA,Station A,0.0,1.0,0,S\nB,Bee,0.0,1.01,,\nC,Cee,0.0,1.02,,\nD,Dee,0.0,1.03,,\n"
        "N,Nowhere,,,,\n"
    ),
    "trips.txt": (
        "trip_id,route_id,service_id,trip_headsign,direction_id,shape_id,block_id\n"
        "r1,R,weekday,Dee,0,line,k\nr2,R,weekday,Dee,0,line,\nback,R,weekday,Station,1,,k\n"
        "loop,L,daily,Round,0,loop,\nnight,R,daily,Dee,0,line,\n"
    ),
    "stop_times.txt": (
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        "r1,08:00:00,08:00:00,A,1\nr1,,,B,2\nr1,08:04:00,08:05:00,C,5\nr1,08:07:00,08:07:00,D,9\n"
        "r2,09:00:00,09:00:00,A,1\nr2,09:02:00,09:02:00,B,2\nr2,09:04:00,09:05:00,C,3\nr2,09:07:00,09:07:00,D,4\n"
        "back,08:20:00,08:20:00,D,1\nback,08:24:00,08:24:00,B,2\nback,08:26:00,08:26:00,A,3\n"
        "loop,10:00:00,10:00:00,A,1\nloop,10:05:00,10:05:00,C,2\nloop,10:10:00,10:10:00,A,3\n"
        "night,25:10:00,25:10:00,A,1\nnight,25:12:00,25:12:00,B,2\n"
    ),
    "shapes.txt": (
        "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n"
        "line,0,1,1\nline,0,1.015,2\nline,0,1.03,3\n"
        "loop,0,1,10\nloop,0,1.02,20\nloop,0.01,1.02,30\nloop,0.01,1,40\nloop,0,1,50\n"
    ),
    "calendar.txt": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
        "weekday,1,1,1,1,1,0,0,20260101,20261231\ndaily,1,1,1,1,1,1,1,20260101,20261231\n"
    ),
    "calendar_dates.txt": "service_id,date,exception_type\nweekday,20260501,2\nweekday,20260502,1\n",
}


def folder(path: Path, **changed: str | None) -> Path:
    """The tables as a folder; `changed` replaces tables by name without `.txt`, null leaves one out."""
    path.mkdir(parents=True, exist_ok=True)
    for name, text in {**TABLES, **{f"{key}.txt": value for key, value in changed.items()}}.items():
        if text is not None:
            (path / name).write_text(text, encoding="utf-8")
    return path


def timetable(path: Path, **changed: Any) -> Timetable:
    """The same as a timetable."""
    return read_gtfs(folder(path, **changed), "example")
