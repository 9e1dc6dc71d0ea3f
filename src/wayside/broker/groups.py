"""Committed offsets of consumer groups: one small file per group, replaced as a whole.

The version before is kept beside it, so that a damaged file costs a few repeated records and never a silent start
from the beginning.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from wayside.broker.damage import Damage
from wayside.broker.entry import checksum
from wayside.files import FileSystem, read_whole, replace_whole
from wayside.values import Position


class GroupOffsets:
    """The offsets of all groups of one log."""

    def __init__(self, files: FileSystem, folder: Path, report: Callable[[Damage], None]) -> None:
        self._files = files
        self._folder = folder
        self._report = report
        self._lock = threading.Lock()
        self._known: dict[str, dict[Position, int]] = {}

    def load(self) -> None:
        """Read all groups. Raises OSError."""
        found = self._files.names(self._folder)
        for name in found:
            if name.endswith(".tmp"):
                self._files.remove(self._folder / name)
        for name in sorted({name.removesuffix(".old") for name in found}):
            if name.endswith(".json"):
                self._known[unquote(name.removesuffix(".json"))] = self._read(self._folder / name)

    def commit(self, group: str, positions: Mapping[Position, int]) -> None:
        """Set positions durably. Raises OSError, after which the old ones still stand."""
        with self._lock:
            new = self._known.get(group, {}) | dict(positions)
            path = self._folder / f"{quote(group, safe='')}.json"
            replace_whole(self._files, path, _encode(new), keep=path.with_name(path.name + ".old"))
            self._known[group] = new

    def committed(self, group: str) -> dict[Position, int]:
        """The next offsets that the group will read."""
        with self._lock:
            return dict(self._known.get(group, {}))

    def forget(self, topic: str) -> None:
        """Drop a topic from all groups durably. Raises OSError."""
        for group, known in list(self._known.items()):
            left = {position: offset for position, offset in known.items() if position[0] != topic}
            if len(left) < len(known):
                with self._lock:
                    path = self._folder / f"{quote(group, safe='')}.json"
                    for _ in range(2):  # twice: the version that is kept beside must not name the topic either
                        replace_whole(self._files, path, _encode(left), keep=path.with_name(path.name + ".old"))
                    self._known[group] = left

    def reread(self, group: str) -> dict[Position, int]:
        """The same from disk, for a process that does not write."""
        return self._read(self._folder / f"{quote(group, safe='')}.json")

    def highest(self, position: Position) -> int:
        """The largest offset that any group has committed for a partition."""
        with self._lock:
            return max((known.get(position, 0) for known in self._known.values()), default=0)

    def _read(self, path: Path) -> dict[Position, int]:
        data = read_whole(self._files, path)
        found = _decode(data) if data is not None else None
        if found is not None:
            return found
        if data is not None:
            reason = "committed offsets are damaged; the version before them is used"
            self._report(Damage(path.stem, -1, 0, 0, str(path), reason, 0, len(data)))
        data = read_whole(self._files, path.with_name(path.name + ".old"))
        return (_decode(data) if data is not None else None) or {}


def _encode(positions: Mapping[Position, int]) -> bytes:
    rows = [[topic, partition, offset] for (topic, partition), offset in sorted(positions.items())]
    body = json.dumps(rows, ensure_ascii=False)
    return f"{checksum(body.encode()):08x}\n{body}\n".encode()


def _decode(data: bytes) -> dict[Position, int] | None:
    crc, _, body = data.partition(b"\n")
    body = body.removesuffix(b"\n")
    if crc != f"{checksum(body):08x}".encode():
        return None
    return {(topic, partition): offset for topic, partition, offset in json.loads(body)}
