"""Every data file is opened, written, synced, renamed and cut through this module.

The port is small on purpose: a test puts a simulated disk behind it, fails the n-th call, or crashes the machine
there, and opens the same code again on what a real disk could have kept. The rules that the port stands for:

* what was written is durable only after `DataFile.sync` returned;
* a created, renamed or removed name is durable only after `FileSystem.sync_folder` returned;
* an error of either is final for that file: the kernel may have dropped the pages, so nobody tries again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from wayside.errors import DataFolderLockedError

Part = Any
"""A read-only bytes-like object: bytes, or a `pyarrow.Buffer` (which has no type of its own)."""


class DataFile(Protocol):
    """One open file. Positions and sizes in bytes; there is no current position."""

    def read(self, size: int, position: int) -> bytes:
        """Up to `size` bytes; fewer only at the end of the file."""

    def write(self, parts: Sequence[Part], position: int) -> int:
        """Write the parts one after the other; returns how many bytes were taken, which may be fewer."""

    def sync(self) -> None:
        """Make the content durable (fdatasync)."""

    def truncate(self, size: int) -> None: ...

    def allocate(self, size: int) -> None:
        """Take `size` bytes of disk for the file now. Raises OSError with ENOSPC when they are not there."""

    def size(self) -> int: ...

    def identity(self) -> tuple[int, int]:
        """Equal for two open files exactly when they are the same file."""

    def close(self) -> None: ...


class Lock(Protocol):
    """A folder that belongs to this process until `release`."""

    def release(self) -> None: ...


class FileSystem(Protocol):
    """Names and folders."""

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> DataFile:
        """Open a file; `create` makes it when it is missing. Raises FileNotFoundError."""

    def names(self, folder: Path) -> list[str]:
        """Names in a folder in sorted order; none when there is no such folder."""

    def make_folder(self, folder: Path) -> None:
        """Make the folder and its parents, durably."""

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, replacing what had it."""

    def remove(self, path: Path) -> None:
        """Remove a file; a missing one is no error."""

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""

    def free(self, folder: Path) -> int:
        """Bytes that this process may still write on the folder's disk."""

    def lock(self, folder: Path) -> Lock:
        """Take the folder for this process. Raises DataFolderLockedError naming the holder."""


class _RealFile:
    """A file descriptor that closes itself when nobody holds it any more.

    Readers keep a removed segment open simply by keeping the object.
    """

    def __init__(self, path: Path, flags: int) -> None:
        self._fd = -1
        self._fd = os.open(path, flags | os.O_CLOEXEC, 0o640)

    def read(self, size: int, position: int) -> bytes:
        data = os.pread(self._fd, size, position)
        if len(data) == size or not data:
            return data
        rest = [data]
        done = len(data)
        while done < size and (data := os.pread(self._fd, size - done, position + done)):
            rest.append(data)
            done += len(data)
        return b"".join(rest)

    def write(self, parts: Sequence[Part], position: int) -> int:
        return os.pwritev(self._fd, parts, position)

    def sync(self) -> None:
        if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync alone leaves the data in the drive's cache
            fcntl.fcntl(self._fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(self._fd)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def allocate(self, size: int) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._fd, 0, size)
        else:
            os.pwrite(self._fd, bytes(size), 0)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def identity(self) -> tuple[int, int]:
        status = os.fstat(self._fd)
        return status.st_dev, status.st_ino

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class FolderLock:
    """A lock that ends with its process, however that ends: a stale lock file never blocks anyone."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, 200, 0).decode(errors="replace").strip() or "an unknown process"
            self.release()
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise DataFolderLockedError(
                f"The data folder is in use by {holder}.",
                where=str(folder),
                why="One process writes a data folder at a time; any number may read it.",
                next="Stop that process, or choose another data folder.",
            ) from error
        text = f"process {os.getpid()} on {socket.gethostname()}\n".encode()
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text, 0)

    def release(self) -> None:
        """Give the folder back; doing it twice is harmless."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.release()


class RealFileSystem:
    """The operating system's files."""

    def open(self, path: Path, *, write: bool = False, create: bool = False) -> DataFile:
        flags = os.O_RDWR if write else os.O_RDONLY
        return _RealFile(path, flags | (os.O_CREAT if create else 0))

    def names(self, folder: Path) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            return []

    def make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            self.sync_folder(path.parent)

    def rename(self, old: Path, new: Path) -> None:
        os.replace(old, new)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def free(self, folder: Path) -> int:
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize

    def lock(self, folder: Path) -> Lock:
        return FolderLock(folder)


def write_all(file: DataFile, parts: Sequence[Part], position: int) -> int:
    """Write every byte, however many calls that takes, and return the number. Raises OSError."""
    total = sum(len(part) for part in parts)
    done = file.write(parts, position)
    if done < total:
        rest = memoryview(b"".join(parts))
        while done < total:
            taken = file.write([rest[done:]], position + done)
            if not taken:
                raise OSError(errno.EIO, "the file takes no more bytes and gives no reason")
            done += taken
    return total


def read_whole(files: FileSystem, path: Path) -> bytes | None:
    """The content of a file, or null when there is none."""
    try:
        file = files.open(path)
    except FileNotFoundError:
        return None
    try:
        return file.read(file.size(), 0)
    finally:
        file.close()


def replace_whole(files: FileSystem, path: Path, content: bytes, *, keep: Path | None = None) -> None:
    """Give a file new content durably and at once: after a crash it holds the old or the new, never a mixture.

    With `keep`, the old content gets that name; a crash may then leave it under that name alone. Raises OSError.
    """
    fresh = path.with_name(path.name + ".tmp")
    file = files.open(fresh, write=True, create=True)
    try:
        file.truncate(0)
        write_all(file, [content], 0)
        file.sync()
    finally:
        file.close()
    if keep is not None and path.name in files.names(path.parent):
        files.rename(path, keep)
    files.rename(fresh, path)
    files.sync_folder(path.parent)


REAL = RealFileSystem()
