"""Where tables lie: what a folder and a bucket do each in its own way, so that all else is written once."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from wayside.clock import Clock
from wayside.files import REAL
from wayside.lake.settle import LOG, is_parquet, mend, set_aside, settle, settle_checkpoint
from wayside.lake.shape import TIERS
from wayside.values import Tier


class TablePlace(Protocol):
    """The place of one table. Raises OSError where the storage fails."""

    @property
    def uri(self) -> str:
        """The address that the Delta library opens."""

    @property
    def options(self) -> dict[str, str] | None:
        """What the Delta library must know to open it."""

    def exists(self) -> bool:
        """Whether there is a table, or what is left of one."""

    def prepare(self) -> None:
        """Make the place, before the first append."""

    def settle(self, version: int) -> None:
        """Make a commit durable; the append is acknowledged after it."""

    def mend(self, clock: Clock) -> None:
        """Take back what a power cut has torn at the table's end. Raises CorruptDataError for more damage."""

    def damaged(self, files: list[tuple[str, int]]) -> list[str]:
        """The names among these (name, size in bytes) whose files are missing or cut off."""

    def set_aside(self, name: str, clock: Clock) -> bool:
        """Keep a damaged file under another name; false when there is none."""

    def settle_checkpoint(self, *, sync: bool = False) -> int:
        """The version of the last checkpoint of the Delta log, or 0; with `sync`, made durable."""


class LakePlace(Protocol):
    """The place of a lake."""

    @property
    def where(self) -> str:
        """The place in words, without secrets."""

    def table(self, tier: Tier, name: str) -> TablePlace: ...

    def tables(self) -> list[tuple[Tier, str]]:
        """Every table that is there, in order."""


class Folder:
    """A lake in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def where(self) -> str:
        return str(self._root)

    def table(self, tier: Tier, name: str) -> TablePlace:
        return FolderTable(self._root / tier / name)

    def tables(self) -> list[tuple[Tier, str]]:
        return [
            (tier, name)
            for tier in sorted(TIERS)
            for name in REAL.names(self._root / tier)
            if (self._root / tier / name / LOG).is_dir()
        ]


class FolderTable:
    """See `TablePlace`; the Delta library syncs nothing, and a power cut tears files."""

    options = None

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def uri(self) -> str:
        return str(self._path)

    def exists(self) -> bool:
        return (self._path / LOG).is_dir()

    def prepare(self) -> None:
        REAL.make_folder(self._path)

    def settle(self, version: int) -> None:
        settle(self._path, version)

    def mend(self, clock: Clock) -> None:
        mend(self._path, clock=clock)

    def damaged(self, files: list[tuple[str, int]]) -> list[str]:
        return [name for name, size in files if not is_parquet(self._path / unquote(name), size=size)]

    def set_aside(self, name: str, clock: Clock) -> bool:
        file = self._path / unquote(name)
        if not file.exists():
            return False
        set_aside(file, clock, "it is cut off")
        return True

    def settle_checkpoint(self, *, sync: bool = False) -> int:
        return settle_checkpoint(self._path, sync=sync)
