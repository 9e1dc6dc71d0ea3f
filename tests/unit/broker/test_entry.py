"""The header: what it says is what was written, and no flipped bit goes unseen."""

from __future__ import annotations

import random
import struct

import pytest

from wayside.broker import entry
from wayside.broker.entry import Header

HEADER = Header(
    kind=entry.ROWS,
    flags=entry.WITH_IDS | entry.WITH_OFFSETS,
    size=1001,
    rows=17,
    payload_crc=0xDEADBEEF,
    schema_crc=0x12345678,
    first=1 << 40,
    next=(1 << 40) + 17,
    acked=1 << 39,
    appended=1_767_268_800_000_000,
    min_event=-5,
    max_event=entry.NO_EVENT_MIN,
)


def test_a_header_comes_back_as_it_was() -> None:
    data = entry.encode(HEADER)
    assert len(data) == entry.SIZE
    assert entry.decode(data) == HEADER
    assert entry.decode(b"x" * 16 + data, 16) == HEADER


def test_every_flipped_bit_is_seen() -> None:
    data = entry.encode(HEADER)
    checked = entry.SIZE - 4  # the last four bytes only fill up
    for bit in range(8 * checked):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert entry.decode(bytes(flipped)) is None, f"bit {bit}"


def test_every_cut_is_seen() -> None:
    data = entry.encode(HEADER)
    assert all(entry.decode(data[:size]) is None for size in range(entry.SIZE))


def test_random_bytes_are_no_header() -> None:
    chance = random.Random(1)
    for _ in range(1000):
        assert entry.decode(entry.MAGIC + chance.randbytes(entry.SIZE - 4)) is None


@pytest.mark.parametrize("change", [{"size": entry.LARGEST + 1}, {"first": 5, "next": 4}])
def test_impossible_values_are_refused_even_with_a_right_checksum(change: dict[str, int]) -> None:
    assert entry.decode(entry.encode(HEADER._replace(**change))) is None


def test_entries_fill_up_to_16_bytes() -> None:
    for size in range(40):
        payload = bytes(size)
        whole = b"".join(entry.parts(HEADER._replace(size=size), payload))
        assert len(whole) == HEADER._replace(size=size).span
        assert len(whole) % entry.ALIGN == 0


def test_the_layout_on_disk_is_what_the_format_says() -> None:
    """A change here makes old logs unreadable: give the magic a new number then."""
    data = entry.encode(HEADER)
    assert data[:4] == b"WSE1"
    assert struct.unpack_from("<BBHIIII", data, 4) == (0, 3, 0, 1001, 17, 0xDEADBEEF, 0x12345678)
    assert struct.unpack_from("<qqqqqq", data, 24) == HEADER[6:]
    assert struct.unpack_from("<I", data, 72)[0] == entry.checksum(data[:72])


def test_the_checksum_is_crc_32c() -> None:
    assert entry.checksum(b"123456789") == 0xE3069283
