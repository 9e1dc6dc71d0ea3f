"""A disk under SQLite that counts calls, fails one of them, or loses power there.

It stands between SQLite and the real files as an apsw VFS. After a power cut, `survivors` writes the folder as a real
disk could have kept it: what was synced, and of what was not any choice of whole writes and torn ones.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from wayside.hot.connection import default_vfs

_NUMBERS = itertools.count()


class PowerCutError(Exception):
    """The machine has stopped; nothing after this moment reaches the disk."""


@dataclass
class Disk:
    """Fails the call number `fail_at` (from 1) with `error`, or cuts the power there when `error` is null."""

    fail_at: int = 0
    error: type[apsw.Error] | None = None
    extended: int = 0
    only: str = "write sync truncate"
    calls: int = 0
    off: bool = False
    durable: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, list[tuple[str, int, bytes]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        base = default_vfs()
        self.vfs = f"failing-{next(_NUMBERS)}"
        self._keep = _Vfs(self, self.vfs, base)

    def call(self, kind: str) -> None:
        """Count a call, and fail it when it is its turn."""
        if self.off:
            raise apsw.IOError("the machine is off")
        if kind not in self.only:
            return
        self.calls += 1
        if self.calls != self.fail_at:
            return
        if self.error is None:
            self.off = True
            raise PowerCutError
        error = self.error("failed on purpose")
        error.extendedresult = self.extended
        raise error

    def wrote(self, name: str, kind: str, position: int, data: bytes) -> None:
        self.pending.setdefault(name, []).append((kind, position, data))

    def synced(self, name: str) -> None:
        self.durable[name] = Path(name).read_bytes()
        self.pending[name] = []

    def removed(self, name: str) -> None:
        self.durable.pop(name, None)
        self.pending.pop(name, None)

    def survivors(self, chance: random.Random, folder: Path) -> None:
        """Write the files as they may look after the power cut."""
        for name in {*self.durable, *self.pending}:
            content = bytearray(self.durable.get(name, b""))
            for kind, position, data in self.pending.get(name, []):
                fate = chance.random()
                if fate < 0.4:
                    continue
                if kind == "truncate":
                    del content[position:]
                    continue
                kept = data if fate < 0.8 else data[: chance.randrange(len(data) + 1)]
                content.extend(bytes(max(0, position + len(kept) - len(content))))
                content[position : position + len(kept)] = kept
            (folder / Path(name).name).write_bytes(content)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, base: str, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__(base, name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, position: int) -> None:
        self._disk.call("write")
        super().xWrite(data, position)
        if Path(self._name).is_file():
            with Path(self._name).open("rb") as file:  # with the checksums that lower layers have put in
                file.seek(position)
                self._disk.wrote(self._name, "write", position, file.read(len(data)))

    def xSync(self, flags: int) -> None:
        self._disk.call("sync")
        super().xSync(flags)
        self._disk.synced(self._name)

    def excepthook(self, *_: object) -> bool:
        """SQLite closes files whatever happens, and has nobody to tell that the machine is off."""
        return True

    def xTruncate(self, size: int) -> None:
        self._disk.call("truncate")
        super().xTruncate(size)
        self._disk.wrote(self._name, "truncate", size, b"")


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk, name: str, base: str) -> None:
        self._disk = disk
        self._base = base
        super().__init__(name, base)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self._disk, self._base, name, flags)

    def excepthook(self, *_: object) -> bool:
        """As for files."""
        return True

    def xDelete(self, name: str, sync_folder: bool) -> None:
        self._disk.call("truncate")
        super().xDelete(name, sync_folder)
        self._disk.removed(name)
