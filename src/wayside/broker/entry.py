"""The entry: a header of 80 bytes and one Arrow IPC message, both with a checksum.

A segment file is a row of entries, each starting at a multiple of 16 bytes. The first is of kind SCHEMA (its payload
is the Arrow schema message of all that follow), the rest are of kind ROWS (one record batch without its schema).

The header carries its own checksum beside that of the payload, so that the length can be trusted and the walk goes
on when only the payload is damaged. `first` and `next` say which offsets the entry accounts for: each entry begins
where the one before ended, so a gap always means loss. Compacted entries name the offsets that they kept in a column.
`acked` is the offset up to which the partition was durable when the entry was written: a valid later entry proves
that an earlier damaged one had been acknowledged.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import google_crc32c

from wayside.files import Part

MAGIC: Final = b"WSE1"
ALIGN: Final = 16
SIZE: Final = 80
LARGEST: Final = 1 << 30
ROWS: Final = 0
SCHEMA: Final = 1
WITH_IDS: Final = 1
WITH_OFFSETS: Final = 2
NO_EVENT_MIN: Final = (1 << 63) - 1
NO_EVENT_MAX: Final = -(1 << 63)

_FIELDS = struct.Struct("<4sBBHIIIIqqqqqq")
_CHECK = struct.Struct("<I4x")


class Header(NamedTuple):
    """What one entry says about itself; times in microseconds since 1970 in UTC, `size` without padding."""

    kind: int
    flags: int
    size: int
    rows: int
    payload_crc: int
    schema_crc: int
    first: int
    next: int
    acked: int
    appended: int
    min_event: int
    max_event: int

    @property
    def span(self) -> int:
        """Bytes from this entry's start to the next one's."""
        return SIZE + self.size + -self.size % ALIGN


def checksum(data: Part) -> int:
    """CRC-32C of a read-only buffer."""
    crc: int = google_crc32c.value(data)
    return crc


def encode(header: Header) -> bytes:
    """The 80 bytes of a header."""
    kind, flags, *rest = header
    fields = _FIELDS.pack(MAGIC, kind, flags, 0, *rest)
    return fields + _CHECK.pack(checksum(fields))


def decode(data: bytes, position: int = 0) -> Header | None:
    """The header at a position, or null when the bytes there are not one."""
    fields = data[position : position + _FIELDS.size]
    if len(data) < position + SIZE or not fields.startswith(MAGIC):
        return None
    (crc,) = _CHECK.unpack_from(data, position + _FIELDS.size)
    if crc != checksum(fields):
        return None
    _, kind, flags, _, *rest = _FIELDS.unpack(fields)
    header = Header(kind, flags, *rest)
    return header if header.size <= LARGEST and header.first <= header.next else None


def parts(header: Header, payload: Part) -> list[Part]:
    """The buffers of a whole entry, padding included."""
    return [encode(header), payload, bytes(-header.size % ALIGN)]
