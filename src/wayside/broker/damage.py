"""Damage to acknowledged data: named, kept and never forgotten.

Each damage is told once in the log, the metrics and to listeners. The damaged bytes are copied to the quarantine folder
with a note, and the notes are read again at the next start: what was lost stays visible until somebody removes them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote

import structlog

from wayside import metrics
from wayside.files import FileSystem, read_whole, replace_whole

_LOG = structlog.get_logger(__name__)
_LONGEST_COPY = 1 << 30


@dataclass(frozen=True)
class Damage:
    """Offsets `first` to `next` (exclusive) of a partition that were acknowledged and cannot be served.

    `path`, `position` and `length` say where the bytes lie (length 0: they are gone), `reason` what is wrong with them,
    `kept` where a copy was put. Damage to a spec or to committed offsets has the partition -1 and no offsets.
    """

    topic: str
    partition: int
    first: int
    next: int
    path: str
    reason: str
    position: int = 0
    length: int = 0
    kept: str = ""

    def of(self, first: int, to: int) -> Damage:
        """The same for other offsets."""
        return replace(self, first=first, next=to)


class DamageLedger:
    """All damage that is known, each range once. Without a folder nothing is copied (a reader only tells)."""

    def __init__(self, files: FileSystem, folder: Path | None) -> None:
        self._files = files
        self._folder = folder
        self._lock = threading.Lock()
        self._found: dict[tuple[object, ...], Damage] = {}
        self._listeners: list[Callable[[Damage], None]] = []

    def load(self) -> None:
        """Read the notes of earlier runs; one that cannot be read is left where it is."""
        if self._folder is None:
            return
        for name in self._files.names(self._folder):
            if not name.endswith(".json"):
                continue
            try:
                damage = Damage(**json.loads(read_whole(self._files, self._folder / name) or b""))
            except (ValueError, TypeError) as error:
                _LOG.warning("a note about damage is damaged itself", file=name, error=str(error))
                continue
            self._found[_key(damage)] = damage
            metrics.damaged("log")

    def report(self, damage: Damage) -> None:
        """Note damage, and put a copy aside; what is known already is not told again."""
        with self._lock:
            if _key(damage) in self._found:
                return
            self._found[_key(damage)] = damage
            listeners = list(self._listeners)
        metrics.damaged("log")
        _LOG.error(
            "stored records are damaged",
            topic=damage.topic,
            partition=damage.partition,
            first=damage.first,
            next=damage.next,
            file=damage.path,
            position=damage.position,
            reason=damage.reason,
        )
        if self._folder is not None:
            damage = self._keep(damage, self._folder)
        for listener in listeners:
            listener(damage)

    def subscribe(self, listener: Callable[[Damage], None]) -> None:
        """Call `listener` with each new damage, from the thread that met it."""
        with self._lock:
            self._listeners.append(listener)

    def entries(self) -> list[Damage]:
        """Everything found so far and in earlier runs."""
        with self._lock:
            return list(self._found.values())

    def copy(self, name: str, data: bytes) -> str:
        """Put bytes aside under a name; returns the path, or nothing when even that fails."""
        if self._folder is None:
            return ""
        path = self._folder / quote(name, safe="")
        try:
            replace_whole(self._files, path, data)
        except OSError as error:
            _LOG.error("damaged bytes could not be copied aside", file=str(path), error=str(error))
            return ""
        return str(path)

    def _keep(self, damage: Damage, folder: Path) -> Damage:
        name = f"{damage.topic}-{damage.partition}-{damage.first}-{damage.next}"
        data = b""
        if damage.length:
            try:
                file = self._files.open(Path(damage.path))
                data = file.read(min(damage.length, _LONGEST_COPY), damage.position)
            except OSError as error:
                _LOG.error("damaged bytes could not be read", file=damage.path, error=str(error))
        if data:
            damage = replace(damage, kept=self.copy(f"{name}.bin", data))
        self.copy(f"{name}.json", json.dumps(asdict(damage), indent=1, ensure_ascii=False).encode())
        with self._lock:
            self._found[_key(damage)] = damage
        return damage


def _key(damage: Damage) -> tuple[object, ...]:
    place = damage.path if damage.partition < 0 else ""
    return damage.topic, damage.partition, damage.first, damage.next, place
