"""Recorded feeds of two agencies as their polling sources hand them over: document by document, as messages."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from wayside.adapters.entities import Entities
from wayside.adapters.polling import Documents
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.irish import Reader

MBTA = "mbta_gtfsrt_sequence/mbta_rail_20230508_1200-1300Z_pb.tar.gz"
IRISH = "irish_rail_live/raw_xml_20251003.tar.gz"
Recording = Iterator[tuple[datetime, list[bytes]]]


def members(path: Path, part: str) -> list[tuple[str, bytes]]:
    """Names and contents of the files of an archive, by name."""
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        found = [member for member in archive if member.isfile() and part in member.name]
        return sorted((member.name, archive.extractfile(member).read()) for member in found)  # type: ignore[union-attr]  # files all


def agency(prefix: str = "") -> Transit:
    """An agency without a timetable: its feeds say at which stop a vehicle is."""
    found = Transit("feed", "Feed", Network("x", "X"), zone="UTC", prefix=prefix)
    base = "http://127.0.0.1:9"
    found.poll("x", positions=f"{base}/p")
    return found


def mbta(real_data: Path) -> Recording:
    """An hour of MBTA's trains and trams, a document every 30 seconds."""
    feed = next(feed for feed in agency().positions.feeds if feed.name == "x_positions")
    documents = Documents(feed.source, "timestamp")  # type: ignore[arg-type]  # it is polled
    for name, body in members(real_data / MBTA, "VehiclePositions/"):
        now = datetime.fromtimestamp(int(Path(name).stem), UTC)
        yield now, documents.messages(body, now)


def irish(real_data: Path) -> Recording:
    """Two hours of Irish Rail's trains, a document a minute."""
    read = Reader("x")
    entities = Entities(("network", "vehicle_id"), "timestamp")
    for name, body in members(real_data / IRISH, ".xml"):
        now = datetime.strptime(Path(name).stem.split("_")[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        yield now, entities.apply(read.read(body, now), now)
