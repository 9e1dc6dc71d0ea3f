"""Files that come together: a zip or a folder, opened within limits, so that a hostile one does no harm.

What an archive says of itself is checked before anything is unpacked, and what is unpacked is counted: a zip that
lies about its sizes is refused at the byte that passes a limit.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wayside.errors import WaysideError

PIECE = 1 << 20


@dataclass(frozen=True)
class ArchiveLimits:
    """Bytes of the zip, of all files and of one file; number of files; times that a file may grow when unpacked."""

    compressed: int = 200 << 20
    total: int = 2 << 30
    entry: int = 1 << 30
    entries: int = 64
    ratio: int = 100
    ratio_from: int = 1 << 20
    """A file below this size may grow as it likes."""


class ArchiveError(WaysideError):
    """An archive cannot be used: it is none, it is damaged, or it passes a limit."""


@contextmanager
def unpacked(source: Path, *, limits: ArchiveLimits | None = None) -> Iterator[Mapping[str, Path]]:
    """The files of a zip or folder by name, for as long as the block lasts. Raises ArchiveError.

    Files in a single top folder, as some zips have them, are named without it; files further down are left out.
    """
    bounds = limits or ArchiveLimits()
    if source.is_dir():
        yield of_folder(source, bounds)
        return
    folder = Path(tempfile.mkdtemp(prefix="wayside-archive-"))
    try:
        yield of_zip(source, folder, bounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def of_folder(folder: Path, limits: ArchiveLimits) -> dict[str, Path]:
    """The plain files of a folder; links and what else there is are left out."""
    found = {path.name: path for path in sorted(folder.iterdir()) if path.is_file() and not path.is_symlink()}
    if len(found) > limits.entries:
        raise refused(folder, f"it holds {len(found)} files; {limits.entries} may")
    for name, path in found.items():
        if path.stat().st_size > limits.entry:
            raise refused(folder, f"{name} has {path.stat().st_size} bytes; {limits.entry} may")
    return found


def of_zip(source: Path, folder: Path, limits: ArchiveLimits) -> dict[str, Path]:
    """The files of a zip, unpacked into a folder under numbers, never under their own names."""
    try:
        size = source.stat().st_size
    except OSError as error:
        raise ArchiveError(f"{source} cannot be read: {error.strerror}.", where=str(source)) from error
    if size > limits.compressed:
        raise refused(source, f"the zip has {size} bytes; {limits.compressed} may")
    try:
        with zipfile.ZipFile(source) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            check(source, size, entries, limits)
            found: dict[str, Path] = {}
            left = limits.total
            for number, (name, entry) in enumerate(named(entries).items()):
                found[name] = folder / str(number)
                left -= copy(archive, entry, found[name], source=source, most=min(left, limits.entry))
            return found
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ArchiveError(
            f"{source.name} is not a zip that can be read.",
            where=str(source),
            why=f"{error}.",
            next="Fetch it again; it may have been cut off.",
        ) from error


def check(source: Path, size: int, entries: list[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    """Refuse by what the zip says of itself: number, sizes, kinds of files, and two files on the same bytes."""
    if len(entries) > limits.entries:
        raise refused(source, f"it holds {len(entries)} files; {limits.entries} may")
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.flag_bits & 0x1:
            raise refused(source, f"{entry.filename} is encrypted")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise refused(source, f"{entry.filename} is a link")
        if entry.header_offset < end:
            raise refused(source, f"{entry.filename} lies over another file")
        end = entry.header_offset + entry.compress_size
        if end > size:
            raise refused(source, f"{entry.filename} reaches beyond the end")
        if entry.file_size > limits.entry:
            raise refused(source, f"{entry.filename} has {entry.file_size} bytes; {limits.entry} may")
        if entry.file_size > limits.ratio_from and entry.file_size > limits.ratio * max(1, entry.compress_size):
            raise refused(source, f"{entry.filename} grows more than {limits.ratio} times when unpacked")
    if sum(entry.file_size for entry in entries) > limits.total:
        raise refused(source, f"its files have more than {limits.total} bytes together")


def named(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Files by name, without a top folder that all of them share."""
    paths = {PurePosixPath(entry.filename.replace("\\", "/")): entry for entry in entries}
    tops = {path.parts[0] for path in paths if path.parts}
    nested = bool(paths) and len(tops) == 1 and all(len(path.parts) > 1 for path in paths)
    depth = 2 if nested else 1
    return {path.name: entry for path, entry in paths.items() if len(path.parts) == depth}


def copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, *, source: Path, most: int) -> int:
    """Unpack one file in pieces; returns its bytes. Raises ArchiveError at the byte that is too much."""
    done = 0
    with archive.open(entry) as packed, target.open("wb") as plain:
        while piece := packed.read(PIECE):
            done += len(piece)
            if done > most:
                raise refused(source, f"{entry.filename} has more than {most} bytes")
            plain.write(piece)
    return done


def refused(source: Path, why: str) -> ArchiveError:
    """The error for an archive that passes a limit."""
    return ArchiveError(f"{source.name} is refused: {why}.", where=str(source), next="Nothing of it was used.")
