"""A disk in memory that can fail or lose power at any call, and what it may look like afterwards.

The rules are harsher than those of most file systems: what was written is kept by a crash only when the file was
synced, a name only when its folder was; of everything else any part may survive, in any order, torn at any byte, or
grown with zeros where data should be. After a failed sync the pages are dropped, so that a second sync which succeeds
saves nothing (as Linux does).
"""

from __future__ import annotations

import errno
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

FaultKind = Literal["EIO", "ENOSPC", "short", "crash"]


class PowerCutError(OSError):
    """Nothing reaches the disk any more."""


@dataclass(frozen=True)
class Fault:
    """What happens at which call; calls count from 1. With `lasting`, at every later call of the same kind too."""

    at: int
    kind: FaultKind
    lasting: bool = False


@dataclass
class Change:
    """A write (position and data) or a cut (data null) that has not been synced; `lost` after a failed sync."""

    position: int
    data: bytes | None
    lost: bool = False

    def apply(self, content: bytearray) -> None:
        if self.data is None:
            resize(content, self.position)
            return
        if len(content) < self.position:
            resize(content, self.position)
        content[self.position : self.position + len(self.data)] = self.data

    def overlaps(self, other: Change) -> bool:
        """Whether the other one has made this one's bytes its own."""
        if self.data is None or other.data is None:
            return True
        return self.position < other.position + len(other.data) and other.position < self.position + len(self.data)

    def torn(self, chance: random.Random) -> Change:
        """The same with only some of its bytes; the file may have grown all the same, with zeros for the rest."""
        if self.data is None:
            return self
        low, high = sorted(chance.randint(0, len(self.data)) for _ in range(2))
        match chance.choice(["short", "zeros", "hole"]):
            case "short":
                return Change(self.position, self.data[:low])
            case "zeros":
                return Change(self.position, self.data[:low] + bytes(len(self.data) - low))
            case _:
                return Change(self.position, self.data[:low] + bytes(high - low) + self.data[high:])


def resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


@dataclass
class Inode:
    """Content as the running process sees it, as the disk has it, and what lies between."""

    live: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        change.apply(self.live)
        self.pending.append(change)

    def sync(self) -> None:
        content = bytearray(self.durable)
        for change in self.pending:
            if not change.lost:
                change.apply(content)
        self.durable = bytes(content)
        kept = [change for change in self.pending if not change.lost]
        self.pending = [c for c in self.pending if c.lost and not any(c.overlaps(other) for other in kept)]

    def after_crash(self, chance: random.Random) -> bytes:
        """One of the contents that a power cut may leave."""
        content = bytearray(self.durable)
        for change in survivors(self.pending, chance):
            change.apply(content)
        return bytes(content)


def survivors(changes: Sequence[Any], chance: random.Random) -> list[Any]:
    """All, none, the first few, or any of some changes; of writes, the last one perhaps torn."""
    how = chance.choice(["none", "all", "prefix", "some", "torn"])
    if how == "none" or not changes:
        return []
    if how == "all":
        return list(changes)
    if how == "some":
        return [change for change in changes if chance.random() < 0.5]
    kept = list(changes[: chance.randint(0, len(changes))])
    if how == "torn" and kept and isinstance(kept[-1], Change):
        kept[-1] = kept[-1].torn(chance)
    return kept


Renaming = list[tuple[Path, Inode | None]]


class SimulatedDisk:
    """A `FileSystem`; `calls` names every call made so far."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.fault = fault
        self.calls: list[str] = []
        self.powered = True
        self.struck = False
        self._names: dict[Path, Inode] = {}
        self._durable: dict[Path, Inode] = {}
        self._pending: list[Renaming] = []

    def after_crash(self, seed: int) -> SimulatedDisk:
        """A healthy disk with one of the states that a power cut may leave; seed 0 keeps only what was synced."""
        chance = random.Random(seed)
        disk = SimulatedDisk()
        names = dict(self._durable)
        for renaming in [] if seed == 0 else survivors(self._pending, chance):
            for path, inode in renaming:
                if inode is None:
                    names.pop(path, None)
                else:
                    names[path] = inode
        for path, inode in names.items():
            content = inode.durable if seed == 0 else inode.after_crash(chance)
            disk._names[path] = disk._durable[path] = Inode(bytearray(content), content)
        return disk

    def after_kill(self) -> SimulatedDisk:
        """A healthy disk with everything that the killed process had written."""
        disk = SimulatedDisk()
        for path, inode in self._names.items():
            disk._names[path] = disk._durable[path] = Inode(bytearray(inode.live), bytes(inode.live))
        return disk

    def files(self) -> dict[Path, bytes]:
        """Everything that the running process sees."""
        return {path: bytes(inode.live) for path, inode in sorted(self._names.items())}

    def put(self, path: Path, content: bytes | None) -> None:
        """Change a file behind the process's back, durably; null removes it."""
        if content is None:
            self._names.pop(path, None)
            self._durable.pop(path, None)
        else:
            inode = self._names.setdefault(path, Inode())
            inode.live[:] = content
            inode.durable, inode.pending = content, []
            self._durable[path] = inode

    def call(self, name: str) -> FaultKind | None:
        """Count a call; raise, or return what the caller must do by halves."""
        if not self.powered:
            raise PowerCutError(errno.EIO, "the power is cut")
        self.calls.append(name)
        fault = self.fault
        if fault is None or len(self.calls) < fault.at:
            return None
        if len(self.calls) == fault.at:
            self._kind = name.split()[0]
        elif not fault.lasting or name.split()[0] != self._kind:
            return None
        self.struck = True
        if fault.kind == "crash":
            if name.startswith("write"):
                return "crash"
            self.powered = False
            raise PowerCutError(errno.EIO, "the power is cut")
        if fault.kind == "short":
            return "short" if name.startswith("write") else None
        raise OSError(getattr(errno, fault.kind), f"{fault.kind} at call {fault.at}: {name}")

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> SimulatedFile:
        self.call(f"open {path.name}")
        if path not in self._names:
            if not create:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            self._link(path, Inode())
        return SimulatedFile(self, self._names[path], path.name)

    def names(self, folder: Path) -> list[str]:
        self.call(f"names {folder.name}")
        inside = {path.relative_to(folder).parts[0] for path in self._names if path.is_relative_to(folder)}
        return sorted(inside)

    def make_folder(self, folder: Path) -> None:
        self.call(f"make_folder {folder.name}")

    def rename(self, old: Path, new: Path) -> None:
        self.call(f"rename {new.name}")
        if old not in self._names:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(old))
        inode = self._names.pop(old)
        self._names[new] = inode
        self._pending.append([(old, None), (new, inode)])

    def remove(self, path: Path) -> None:
        self.call(f"remove {path.name}")
        if self._names.pop(path, None) is not None:
            self._pending.append([(path, None)])

    def sync_folder(self, folder: Path) -> None:
        self.call(f"sync_folder {folder.name}")
        for renaming in [r for r in self._pending if r[0][0].parent == folder]:
            self._pending.remove(renaming)
            for path, inode in renaming:
                if inode is None:
                    self._durable.pop(path, None)
                else:
                    self._durable[path] = inode

    def free(self, folder: Path) -> int:
        return 1 << 20

    def lock(self, folder: Path) -> NoLock:
        return NoLock()

    def _link(self, path: Path, inode: Inode) -> None:
        self._names[path] = inode
        self._pending.append([(path, inode)])


class NoLock:
    """The simulated disk has one user."""

    def release(self) -> None:
        """Nothing to release."""


class SimulatedFile:
    """A `DataFile` of a simulated disk."""

    def __init__(self, disk: SimulatedDisk, inode: Inode, name: str) -> None:
        self._disk = disk
        self._inode = inode
        self._name = name

    def read(self, size: int, position: int) -> bytes:
        self._disk.call(f"read {self._name}")
        return bytes(self._inode.live[position : position + size])

    def write(self, parts: Sequence[Any], position: int) -> int:
        data = b"".join(parts)
        fault = self._disk.call(f"write {self._name}")
        if fault is not None:
            data = data[: len(data) // 2]
        if data:
            self._inode.change(Change(position, data))
        if fault == "crash":
            self._disk.powered = False
            raise PowerCutError(errno.EIO, "the power is cut")
        return len(data)

    def sync(self) -> None:
        try:
            self._disk.call(f"sync {self._name}")
        except OSError:
            if self._disk.powered:
                for change in self._inode.pending:
                    change.lost = True
            raise
        self._inode.sync()

    def truncate(self, size: int) -> None:
        self._disk.call(f"truncate {self._name}")
        self._inode.change(Change(size, None))

    def allocate(self, size: int) -> None:
        self._disk.call(f"allocate {self._name}")
        self._inode.change(Change(size, None))

    def size(self) -> int:
        return len(self._inode.live)

    def identity(self) -> tuple[int, int]:
        return 0, id(self._inode)

    def close(self) -> None:
        """Nothing to close."""
