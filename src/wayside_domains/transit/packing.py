"""A timetable in use as a file, for other processes that compute with it: they see what we see, to the last row."""

from __future__ import annotations

import pickle
import uuid
from dataclasses import fields
from pathlib import Path
from typing import Any

from wayside.errors import WaysideError
from wayside_domains.transit.timetable import Timetable

KEPT = 2
"""Files of one network that stay: that of now, and that of before, which somebody may be about to read."""
PLAIN = [one.name for one in fields(Timetable) if one.name not in ("apart", "before") and not one.name.startswith("_")]


def pack(timetable: Timetable, folder: Path, name: str) -> Path:
    """Write a timetable, with the one that it has replaced, into a folder; older files of that name go."""
    folder.mkdir(parents=True, exist_ok=True)
    before = plain(timetable.before) if timetable.before is not None else None
    # A name of its own, told only when the file is whole: no process ever reads half of it, or another one.
    path = folder / f"{name}.{uuid.uuid4().hex}.timetable"
    path.write_bytes(pickle.dumps((plain(timetable), before), protocol=5))
    older = sorted(folder.glob(f"{name}.*.timetable"), key=lambda one: one.stat().st_mtime_ns)
    for one in older[:-KEPT]:
        one.unlink(missing_ok=True)
    return path


def unpack(path: Path, name: str) -> Timetable:
    """The timetable of a file. Raises WaysideError where this machine does not have it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WaysideError(
            f"A worker has no timetable of {name!r}: it cannot read the one that the engine uses.",
            where=str(path),
            why=f"{error.strerror}. Timetables that may change are handed to workers as files in the data folder.",
            next="Mount the data folder at the same place on all machines with workers, or let them run on this one.",
        ) from error
    now, before = pickle.loads(content)  # noqa: S301  # our own file, written by the engine's process
    return Timetable(**now, before=Timetable(**before) if before is not None else None)


def plain(timetable: Timetable) -> dict[str, Any]:
    """What was read, without what was computed from it since."""
    return {name: getattr(timetable, name) for name in PLAIN}
