"""Memory that was freed, and that the C library still holds: given back to the system.

glibc keeps what is freed for the next request, in an arena per thread. After a burst of records, or a round of the
lake, a hundred megabytes of such leftovers stay resident for as long as the process lives. Giving them back takes some
milliseconds, in which other threads go on. Other C libraries are left alone.
"""

from __future__ import annotations

import ctypes
import resource
from functools import cache
from pathlib import Path
from typing import Any, Final

LEAST: Final = 32 << 20
"""Bytes below which it is not worth it: a process that works needs some again in the next moment."""
_STATM: Final = Path("/proc/self/statm")


class Heap:
    """What this process holds, looked at every so often; used by one thread."""

    def __init__(self, least: int = LEAST) -> None:
        self._least = least
        self._lowest = resident()

    def look(self) -> bool:
        """Give leftovers back when there are many and the process has grown as much; returns whether any were.

        What was given back is still counted as a leftover, and so the process must have grown since the last time.
        """
        now = resident()
        self._lowest = min(self._lowest, now)
        if now - self._lowest < self._least or leftovers() < self._least:
            return False
        given = give_back()
        self._lowest = resident()
        return given


def resident() -> int:
    """Bytes of this process's own in memory, without files and libraries; 0 where the system does not say so."""
    try:
        _, pages, shared, *_ = map(int, _STATM.read_text().split())
    except (OSError, ValueError):
        return 0
    return (pages - shared) * resource.getpagesize()


def leftovers() -> int:
    """Bytes that were freed and are held for later, whether in memory or not; 0 where the C library does not say so."""
    library = _library()
    return 0 if library is None else int(library.mallinfo2().fordblks)


def give_back() -> bool:
    """Let the system have the pages of leftovers; returns whether it got some."""
    library = _library()
    return library is not None and bool(library.malloc_trim(0))


class _Counts(ctypes.Structure):
    """`struct mallinfo2`; `fordblks` counts the free bytes of all arenas."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    )  # fmt: skip


@cache
def _library() -> Any:
    """The C library, when it is a glibc that counts and gives back (2.33 and newer)."""
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallinfo2") and hasattr(library, "malloc_trim")):
        return None
    library.mallinfo2.restype = _Counts
    library.malloc_trim.argtypes = [ctypes.c_size_t]
    return library
