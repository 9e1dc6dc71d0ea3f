"""What was in use when: versions of something that is replaced as a whole, each with the instant from which it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from wayside.files import REAL, replace_whole
from wayside.record.times import EPOCH

END = ".version"


@dataclass(frozen=True)
class Version:
    """One version: in use since an instant, until another one was (null: still); `digest` names its content."""

    since: datetime
    until: datetime | None
    digest: str
    path: Path


class Versions:
    """The versions of one thing in a folder: at most so many, and so many bytes; the oldest go first.

    The newest always stays, however large it is. Several processes may share the folder: of the same version written
    twice in a row the first one counts.
    """

    def __init__(self, folder: Path, name: str, *, most: int = 40, largest: int = 1 << 30) -> None:
        self._folder = folder
        self._name = name
        self._most = most
        self._largest = largest

    def keep(self, digest: str, at: datetime, content: Callable[[], bytes]) -> bool:
        """Write down that this content is in use from an instant on; whether that was news. Raises OSError.

        `digest` (letters and numbers) says what the content is; it is asked for only where it is another than before.
        """
        known = self.all()
        if known and known[-1].digest == digest:
            return False
        REAL.make_folder(self._folder)
        micros = (at - EPOCH) // timedelta(microseconds=1)
        replace_whole(REAL, self._folder / f"{self._name}.{micros:017d}.{digest}{END}", content())
        self._trim()
        return True

    def all(self) -> list[Version]:
        """All that are kept, the oldest first."""
        found: list[tuple[datetime, str, Path]] = []
        for since, digest, path in self._files():
            if not found or found[-1][1] != digest:
                found.append((since, digest, path))
        ends = [later[0] for _, later in pairwise(found)]
        return [
            Version(since, until, digest, path)
            for (since, digest, path), until in zip(found, [*ends, None], strict=False)
        ]

    def at(self, instant: datetime) -> Version | None:
        """The version that was in use at an instant; null where it is not kept (any more)."""
        return next((one for one in reversed(self.all()) if one.since <= instant), None)

    def _files(self) -> list[tuple[datetime, str, Path]]:
        found = []
        for path in self._folder.glob(f"*{END}"):
            name, _, rest = path.name.removesuffix(END).rpartition(".")
            name, _, micros = name.rpartition(".")
            if name == self._name and micros.isascii() and micros.isdigit():
                found.append((EPOCH + timedelta(microseconds=int(micros)), rest, path))
        return sorted(found)

    def _trim(self) -> None:
        """Let go of the oldest files while there are too many, or too many bytes."""
        files = [path for *_, path in self._files()]
        sizes = {path: path.stat().st_size for path in files}
        while len(files) > 1 and (len(files) > self._most or sum(sizes[path] for path in files) > self._largest):
            files.pop(0).unlink(missing_ok=True)
