"""The data folder: who may write it, which version of Wayside it is of, and where everything lies in it."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from wayside import __version__
from wayside.clock import SYSTEM
from wayside.errors import CorruptDataError, StorageFailedError
from wayside.files import REAL, FileSystem, read_whole, replace_whole

log = structlog.get_logger(__name__)
FORMAT = 1
"""Of the data folder as a whole; it grows when an older Wayside could not read what this one writes."""


@dataclass(frozen=True)
class Folder:
    """A data folder and the places in it."""

    root: Path
    files: FileSystem = REAL

    @property
    def log(self) -> Path:
        """The topics' segments."""
        return self.root / "log"

    @property
    def hot(self) -> Path:
        """The store of tables, windows and checkpoints."""
        return self.root / "hot" / "hot.sqlite"

    @property
    def lake(self) -> Path:
        """The Delta tables of the three tiers."""
        return self.root / "lake"

    @property
    def feeds(self) -> Path:
        """How far sources have come that are read bit by bit, a file each."""
        return self.root / "feeds"

    @property
    def domains(self) -> Path:
        """What domains keep for themselves, each in a folder of its own."""
        return self.root / "domains"

    @property
    def stamp(self) -> Path:
        """Which version wrote the folder."""
        return self.root / "wayside.json"

    def token(self) -> str:
        """The administrator's token, made at the first call; only this user can read its file.

        Empty, so that nobody has it, in a folder that cannot be written, as that of a mere server may be.
        """
        file = self.root / "secrets" / "admin.token"
        try:
            content = read_whole(self.files, file)
            if content:
                return content.decode().strip()
            self.files.make_folder(file.parent)
            file.parent.chmod(0o700)  # before there is anything in it
            made = secrets.token_urlsafe(32)
            replace_whole(self.files, file, made.encode() + b"\n")
            file.chmod(0o600)
        except OSError as error:
            log.warning("there is no administrator's token", file=str(file), why=str(error))
            return ""
        return made

    def format(self) -> int | None:
        """The format that the folder was written in; null for a new folder."""
        content = read_whole(self.files, self.stamp)
        if content is None:
            return None
        try:
            return int(json.loads(content)["format"])
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptDataError(
                "The data folder's version cannot be read.",
                where=str(self.stamp),
                why=str(error),
                next=f'If this Wayside wrote the folder, write {{"format": {FORMAT}}} into that file.',
            ) from error

    def mark(self) -> None:
        """Write down that this version of Wayside writes the folder from here on."""
        words = {"format": FORMAT, "wayside": __version__, "since": SYSTEM.now().isoformat(timespec="seconds")}
        replace_whole(self.files, self.stamp, json.dumps(words, indent=2).encode() + b"\n")

    def migrate(self) -> list[str]:
        """Bring an older folder up to this format; returns what was done. Raises for a newer one."""
        found = self.format()
        if found is None:
            self.mark()
            return [f"Marked {self.root} as format {FORMAT}."]
        self.check()
        return []

    def check(self) -> None:
        """Refuse a folder that a newer Wayside has written."""
        found = self.format()
        if found is not None and found != FORMAT:
            raise StorageFailedError(
                f"The data folder is of format {found}; this is Wayside {__version__}, which writes format {FORMAT}.",
                where=str(self.root),
                next="Use the Wayside that wrote it, or a newer one." if found > FORMAT else "Run `wayside migrate`.",
            )


@contextmanager
def hold(root: Path, files: FileSystem = REAL) -> Iterator[Folder]:
    """Take the data folder for this process, making it if it is missing.

    Raises DataFolderLockedError when another process has it, StorageFailedError when it cannot be written.
    """
    try:
        files.make_folder(root)
        lock = files.lock(root)
    except OSError as error:
        raise StorageFailedError(
            "The data folder cannot be used.",
            where=str(root),
            why=f"{error.strerror or error}.",
            next="Choose another one with --data-dir or WAYSIDE_DATA_DIR.",
        ) from error
    try:
        yield Folder(root, files)
    finally:
        lock.release()


def empty(root: Path) -> None:
    """Remove what Wayside has written below a data folder that is held; nothing else that lies there."""
    for name in ("log", "hot", "lake", "feeds"):
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "wayside.json").unlink(missing_ok=True)
