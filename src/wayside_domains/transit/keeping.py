"""A timetable as bytes that last: tables in Parquet within a zip, which later versions of us can read as well."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import IO, Any, cast

import polars as pl

from wayside.errors import WaysideError
from wayside_domains.transit.timetable import Timetable

FRAMES = ("routes", "stops", "trips", "calls", "shapes", "services", "exceptions")
ABOUT = "about.json"


class _Hashing(io.RawIOBase):
    """A file that only remembers the hash of what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        self.hash.update(content)
        return len(content)


def digest_of(timetable: Timetable) -> str:
    """A name of what a timetable says: another one as soon as any value of it is another."""
    sink = _Hashing()
    sink.write(about(timetable))
    for name in FRAMES:
        frame: pl.DataFrame = getattr(timetable, name)
        # As text: binary formats of the same values differ with how these lie in memory.
        frame.write_csv(cast("IO[bytes]", sink), null_value="\\N")
    return sink.hash.hexdigest()[:24]


def to_bytes(timetable: Timetable) -> bytes:
    """Everything that was read of a timetable, but not the one before it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:  # Parquet is packed already
        archive.writestr(ABOUT, about(timetable))
        for name in FRAMES:
            part = io.BytesIO()
            getattr(timetable, name).write_parquet(part, compression="zstd")
            archive.writestr(f"{name}.parquet", part.getvalue())
    return content.getvalue()


def from_bytes(content: bytes) -> Timetable:
    """The inverse of `to_bytes`. Raises WaysideError for what is damaged or was never a timetable."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            words = json.loads(archive.read(ABOUT))
            frames: dict[str, Any] = {
                name: pl.read_parquet(io.BytesIO(archive.read(f"{name}.parquet"))) for name in FRAMES
            }
            return Timetable(words["network"], words["zone"], **frames, notes=tuple(words["notes"]))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError, pl.exceptions.PolarsError) as error:
        raise WaysideError("A timetable that was kept cannot be read.", why=str(error).splitlines()[0]) from error


def about(timetable: Timetable) -> bytes:
    """What is no table."""
    return json.dumps({"network": timetable.network, "zone": timetable.zone, "notes": timetable.notes}).encode()
