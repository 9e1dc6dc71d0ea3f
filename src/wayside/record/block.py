"""Many lines at once: where each begins and ends, and where its quotes are.

Everything here is arithmetic on arrays of positions; no Python object per line is made.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
QUOTE, NEWLINE, BACKSLASH, SPACE = 0x22, 0x0A, 0x5C, 0x20
PADDING = bytes(32)
"""Room for loads of eight bytes that begin at the last one."""


PIECE = 4 << 20
"""Bytes that are looked at together; more do not stay in the processor's cache."""


def pieces(content: bytes) -> list[bytes]:
    """A block cut into pieces of about the same size that end where a line ends."""
    if len(content) <= PIECE + PIECE // 2:
        return [content]
    found, start = [], 0
    while start < len(content):
        end = content.rfind(b"\n", start, start + PIECE) + 1 or content.find(b"\n", start + PIECE) + 1
        if not end or len(content) - end < PIECE // 4:
            end = len(content)
        found.append(content[start:end])
        start = end
    return found


class Block:
    """Lines of a block of bytes, with the positions of their quotes.

    `odd` marks lines that hold what the fast path does not look into: backslashes, and bytes that are not UTF-8.
    `controls` counts the control characters per line, or is null when there are none. `plain` says that all text is
    printable ASCII, escapes apart.
    """

    def __init__(self, content: bytes, *, keep_blank: bool = False) -> None:
        self.content = content
        ended = content.endswith(b"\n") and not keep_blank  # kept blank, the line after a last newline counts too
        whole = b"".join((content, b"" if ended else b"\n", PADDING))
        self.buffer = whole
        end = len(whole) - len(PADDING)
        self.bytes = np.frombuffer(whole, np.uint8)
        self.words = np.ndarray((len(whole) - 7,), "<u8", buffer=whole, strides=(1,))
        text = self.bytes[:end]
        # One look finds quotes, newlines and control characters; spaces and `!` lie among them and are sorted out.
        marks: Positions = np.flatnonzero(text <= QUOTE)
        kinds = text[marks]
        wanted = (kinds == QUOTE) | (kinds == NEWLINE)
        strange = marks[:0]
        if not wanted.all():
            strange = marks[(kinds < SPACE) & ~wanted]
            marks, kinds = marks[wanted], kinds[wanted]
        self.marks = marks
        breaks = np.flatnonzero(kinds == NEWLINE)
        self.ends: Positions = marks[breaks]
        self.starts: Positions = np.concatenate(([0], self.ends[:-1] + 1))
        self.quotes: Positions = np.diff(breaks, prepend=-1) - 1
        self.first_mark: Positions = breaks - self.quotes
        if not keep_blank:
            self._drop_blank()
        self._look_closer(text, strange)

    def __len__(self) -> int:
        return len(self.ends)

    def line(self, row: int) -> bytes:
        """The bytes of one line, without its newline."""
        return self.buffer[self.starts[row] : self.ends[row]]

    def lines(self, rows: Positions) -> list[bytes]:
        """The bytes of these lines."""
        spans = zip(self.starts[rows].tolist(), self.ends[rows].tolist(), strict=True)
        return [self.buffer[start:end] for start, end in spans]

    def _drop_blank(self) -> None:
        bare = np.flatnonzero(self.quotes == 0)
        blank = [row for row in bare.tolist() if not self.line(row).strip()]
        if not blank:
            return
        kept = np.ones(len(self.ends), np.bool_)
        kept[blank] = False
        self.starts, self.ends = self.starts[kept], self.ends[kept]
        self.quotes, self.first_mark = self.quotes[kept], self.first_mark[kept]

    def _look_closer(self, text: npt.NDArray[np.uint8], strange: Positions) -> None:
        self.odd: Mask | None = None
        self.controls: Positions | None = None
        if b"\\" in self.content:
            self._mark_odd(np.flatnonzero(text == BACKSLASH))
        ascii = self.content.isascii()
        if not ascii:
            try:
                self.content.decode()
            except UnicodeDecodeError:
                self._mark_odd(np.flatnonzero(text >= 0x80))
        if len(strange):
            self.controls = np.bincount(self._rows_of(strange), minlength=len(self))[: len(self)]
        self.plain = ascii and not len(strange) and b"\x7f" not in self.content

    def _mark_odd(self, positions: Positions) -> None:
        if self.odd is None:
            self.odd = np.zeros(len(self), np.bool_)
        rows = self._rows_of(positions)
        self.odd[rows[rows < len(self)]] = True

    def _rows_of(self, positions: Positions) -> Positions:
        return np.searchsorted(self.ends, positions)
