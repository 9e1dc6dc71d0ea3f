"""Many lines at once: where each begins and ends, and what stands at many places of them.

Everything here is arithmetic on arrays of positions; no Python object per line is made.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
QUOTE, NEWLINE, BACKSLASH, SPACE = 0x22, 0x0A, 0x5C, 0x20
PADDING = bytes(64)
"""Room for looks of 16 bytes that begin at the last one or a little behind it."""
HEAD = 16
"""Bytes that are looked at together."""
QUOTES = np.uint64(0x2222222222222222)
ONES = np.uint64(0x0101010101010101)
HIGHS = np.uint64(0x8080808080808080)
ONE = np.uint64(1)
PIECE = 4 << 20
"""Bytes that are decoded together; more do not stay in the processor's cache."""


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
    """Lines of a block of bytes.

    `odd` marks lines that hold what the fast path does not look into: backslashes, and bytes that are not UTF-8.
    `controls` counts the control characters per line, or is null when there are none. `plain` says that all text is
    printable ASCII, escapes apart.
    """

    def __init__(self, content: bytes, *, keep_blank: bool = False) -> None:
        self.content = content
        ended = content.endswith(b"\n") and not keep_blank  # kept blank, the line after a last newline counts too
        whole = b"".join((content, b"" if ended else b"\n", PADDING))
        self.buffer = whole
        self.bytes = np.frombuffer(whole, np.uint8)
        # 16 bytes from any place: NumPy has no larger integers, and copies complex numbers bit by bit.
        self.pairs = np.ndarray((len(whole) - 15,), "<c16", buffer=whole, strides=(1,))
        text = self.bytes[: len(whole) - len(PADDING)]
        low: Positions = np.flatnonzero(text < SPACE)
        kinds = text[low] == NEWLINE
        strange = low[:0]
        if not kinds.all():
            low, strange = low[kinds], low[~kinds]
        self.ends: Positions = low
        self.starts: Positions = np.concatenate(([0], low[:-1] + 1))
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

    def heads(self, places: Positions) -> Words:
        """The 16 bytes from each place on, as two words, the first bytes lowest."""
        found: Words = self.pairs[places].view("<u8").reshape(-1, 2)
        return found

    def next_quotes(self, places: Positions, heads: Words, limits: Positions) -> Positions:
        """Where the first quote at or after each place is, given the bytes there; behind the limit if there is none."""
        offsets = first_quotes(heads)
        found = places + offsets
        left = np.flatnonzero(offsets == HEAD)
        while len(left):
            left = left[found[left] < limits[left]]
            offsets = first_quotes(self.heads(found[left]))
            found[left] += offsets
            left = left[offsets == HEAD]
        return found

    def _drop_blank(self) -> None:
        pale = np.flatnonzero((self.bytes[self.starts] <= SPACE) & (self.bytes[self.ends - 1] <= SPACE))
        blank = [row for row in pale.tolist() if not self.line(row).strip()]
        if not blank:
            return
        kept = np.ones(len(self.ends), np.bool_)
        kept[blank] = False
        self.starts, self.ends = self.starts[kept], self.ends[kept]

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


def first_quotes(heads: Words) -> Positions:
    """How many bytes come before the first quote of each head, 16 where there is none."""
    found = quote_in(heads[:, 0])
    left = np.flatnonzero(found == 8)
    if len(left):
        found[left] += quote_in(heads[left, 1])
    return found.astype(np.int64)


def quote_in(words: Words) -> npt.NDArray[np.uint8]:
    """How many bytes come before the first quote of each word, 8 where there is none.

    A byte is zero exactly if it is the lowest to borrow when one is taken off each byte; then its high bit is set.
    """
    zero = words ^ QUOTES
    found = zero - ONES
    np.invert(zero, out=zero)
    found &= zero
    found &= HIGHS
    # The bits below the lowest one that is set are 7 and 8 more for each byte before it.
    below = found - ONE
    np.invert(found, out=found)
    below &= found
    bits: npt.NDArray[np.uint8] = np.bitwise_count(below)
    bits >>= 3
    return bits
