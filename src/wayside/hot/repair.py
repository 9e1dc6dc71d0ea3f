"""Finding damage before it is served, and setting a damaged file aside: renamed, reported, never deleted.

The hot store holds nothing that the log does not: after `set_aside` the engine finds no checkpoint and computes
everything again from the start of the log. `wayside rebuild` calls it for the same reason.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import apsw

from wayside.clock import SYSTEM, Clock
from wayside.errors import CorruptDataError, StorageFailedError
from wayside.files import REAL, FileSystem
from wayside.hot.connection import connect, translated

log = logging.getLogger(__name__)

APPLICATION = 0x57415953
"""Marks our files (`PRAGMA application_id`): "WAYS"."""

FORMAT = 1
"""Layout of the file (`PRAGMA user_version`)."""

CHECKED_BYTES = 1 << 30
"""Files up to this size are read whole at every start (0.3 s for 1 GB in the page cache). Pages of larger ones are
checked when they are read, and the whole file at the start after such a finding."""

_PARTS = ("", "-wal", "-shm")


def examine(path: Path, vfs: str) -> str:
    """What is wrong with the file, or nothing. Raises StorageFailedError when it is not ours or too new to read."""
    if not path.exists():
        return "Its log is there, and the file itself is not." if _part(path, "-wal").exists() else ""
    if path.stat().st_size == 0:
        return ""
    try:
        with translated(path):
            return _examine(path, vfs)
    except CorruptDataError as error:
        return error.why or error.what


def suspect(path: Path) -> None:
    """Remember that damage was met while running, so that the next start reads the whole file."""
    _part(path, "-suspect").touch()


def set_aside(path: Path, *, why: str = "corrupt", clock: Clock = SYSTEM, files: FileSystem = REAL) -> Path | None:
    """Rename the store's files to `*.<why>.<time>`; returns the new name, or null when there was no file."""
    stamp = clock.now().strftime("%Y%m%dT%H%M%S%fZ")
    moved = None
    for part in _PARTS:
        old = _part(path, part)
        if old.exists():
            new = path.with_name(f"{path.name}.{why}.{stamp}{part}")
            files.rename(old, new)
            moved = moved or new
    files.remove(_part(path, "-suspect"))
    files.sync_folder(path.parent)
    return moved


def _examine(path: Path, vfs: str) -> str:
    connection = connect(path, vfs, apsw.SQLITE_OPEN_READWRITE)
    try:
        mark, layout = connection.pragma("application_id"), connection.pragma("user_version")
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        if mark == 0 and not tables:
            # An interrupted creation was rolled back just now, to no byte at all.
            empty = connection.pragma("page_count") or not path.stat().st_size
            return "" if empty else "It is cut off before the end of its first page."
        _require_ours(path, mark, layout)
        if cut := _cut(path, connection):
            return cut
        marked = _part(path, "-suspect")
        if path.stat().st_size > CHECKED_BYTES and not marked.exists():
            return ""
        found = str(connection.execute("PRAGMA quick_check(1)").get)
        if found == "ok":
            marked.unlink(missing_ok=True)
            return ""
        return found
    finally:
        connection.close()


def _cut(path: Path, connection: apsw.Connection) -> str:
    """Whether the file ends before its last page does.

    SQLite reads zeros there, unchecked by page checksums. What is still in the write-ahead log is moved to the file
    first; where another process or a full disk prevents that, this is left to the next start.
    """
    with suppress(apsw.FullError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    log_file = _part(path, "-wal")
    if log_file.exists() and log_file.stat().st_size:
        return ""
    needed = connection.pragma("page_count") * connection.pragma("page_size")
    size = path.stat().st_size
    return f"It has {size} bytes, and its pages need {needed}." if size < needed else ""


def _require_ours(path: Path, mark: int, layout: int) -> None:
    if mark != APPLICATION:
        raise StorageFailedError(
            "The file is a database of another program.", where=str(path), next="Choose another data folder."
        )
    if layout > FORMAT:
        raise StorageFailedError(
            "The hot store was written by a newer Wayside.",
            where=str(path),
            why=f"Its layout is {layout}; this version reads up to {FORMAT}.",
            next="Run the newer version, or `wayside rebuild` to compute it again from the log with this one.",
        )


def _part(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


def is_final(error: BaseException | None) -> bool:
    """Whether a failed sync is the cause: the kernel may have dropped the pages, so nothing more is written."""
    final = (apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC)
    return isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) in final
