"""Space set aside for the moment when the disk is full.

Appends never use it. It is given back while maintenance, committed offsets or a shutdown must write to make things
better, and taken again as soon as there is room.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from wayside.files import FileSystem

_LOG = structlog.get_logger(__name__)
_LARGEST: Final = 64 << 20


class Reserve:
    """One file of 64 MiB, or of a hundredth of what is free when that is less."""

    def __init__(self, files: FileSystem, folder: Path) -> None:
        self._files = files
        self._path = folder / "reserve"
        self._held = False

    def take(self) -> None:
        """Set the space aside, when it is there."""
        if self._held:
            return
        folder = self._path.parent
        try:
            size = min(_LARGEST, self._files.free(folder) // 100)
            file = self._files.open(self._path, write=True, create=True)
            file.allocate(size)
            file.close()
            self._held = True
        except OSError as error:
            _LOG.warning("there is no room for a reserve", file=str(self._path), error=str(error))
            self.release()

    def release(self) -> None:
        """Give the space back."""
        self._held = False
        try:
            self._files.remove(self._path)
        except OSError as error:
            _LOG.warning("the reserve could not be released", file=str(self._path), error=str(error))

    @contextmanager
    def open(self) -> Iterator[None]:
        """Give the space back while the body runs."""
        self.release()
        try:
            yield
        finally:
            self.take()
