"""A PMTiles file of one vector tile, made here: water in the west of a meridian, land in the east."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

EXTENT = 4096
ZOOM = 9


def varint(number: int) -> bytes:
    """As protobuf and PMTiles write numbers."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def part(field: int, content: bytes) -> bytes:
    """A field of protobuf that has a length."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def zigzag(number: int) -> int:
    return (number << 1) ^ (number >> 31)


def water_until(x: int) -> bytes:
    """A tile with one layer `water`: a polygon from its western edge to `x`."""
    begin, line, close = 1 | 1 << 3, 2 | 3 << 3, 7 | 1 << 3
    moves = [begin, 0, 0, line, x, 0, 0, EXTENT, -x, 0, close]
    commands = {0, 3, 10}
    packed = b"".join(varint(value if at in commands else zigzag(value)) for at, value in enumerate(moves))
    feature = varint(3 << 3) + varint(3) + part(4, packed)
    version, extent = varint(15 << 3) + varint(2), varint(5 << 3) + varint(EXTENT)
    return part(3, version + part(1, b"water") + part(2, feature) + extent)


def tile_id(zoom: int, x: int, y: int) -> int:
    """The number of a tile along the Hilbert curve, behind those of all lower zooms."""
    found, side = 0, 1 << zoom
    half = side >> 1
    while half:
        right, down = int(x & half > 0), int(y & half > 0)
        found += half * half * ((3 * right) ^ down)
        if not down:
            if right:
                x, y = side - 1 - x, side - 1 - y
            x, y = y, x
        half >>= 1
    return found + sum(4**lower for lower in range(zoom))


def write(path: Path, longitude: float, latitude: float) -> Path:
    """The tile around a place; the shore runs through the place from north to south."""
    side = 1 << ZOOM
    sine = math.sin(math.radians(latitude))
    x, y = (longitude / 360 + 0.5) * side, (0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)) * side
    tile = water_until(round((x - int(x)) * EXTENT))
    directory = varint(1) + varint(tile_id(ZOOM, int(x), int(y))) + varint(1) + varint(len(tile)) + varint(1)
    told = {"vector_layers": [{"id": "water", "fields": {}}], "attribution": "<b>Made</b> &amp; drawn here"}
    metadata = json.dumps(told).encode()
    root = 127
    notes, data = root + len(directory), root + len(directory) + len(metadata)
    numbers = [root, len(directory), notes, len(metadata), data, 0, data, len(tile), 1, 1, 1]
    bounds = [round(value * 1e7) for value in (-180.0, -85.0, 180.0, 85.0)]
    middle = [round(value * 1e7) for value in (longitude, latitude)]
    header = b"PMTiles\x03" + struct.pack("<11Q", *numbers) + bytes([1, 1, 1, 1, ZOOM, ZOOM])
    header += struct.pack("<4i", *bounds) + bytes([ZOOM]) + struct.pack("<2i", *middle)
    path.write_bytes(header + directory + metadata + tile)
    return path
