"""Walking a file: every whole entry is found, whatever lies between."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from wayside.broker import entry
from wayside.broker.entry import Header
from wayside.broker.scan import Walk
from wayside.files import REAL


def written(path: Path, sizes: list[int], seed: int = 1) -> list[tuple[int, Header, bytes]]:
    """A file of entries with payloads of these sizes; some payloads look like the beginning of an entry."""
    chance = random.Random(seed)
    content, made = b"", []
    for number, size in enumerate(sizes):
        payload = chance.randbytes(size)
        if size >= 64:
            payload = payload[:16] + entry.MAGIC * 4 + payload[32:]
        header = Header(0, 0, size, 1, entry.checksum(payload), 0, number, number + 1, 0, 0, 0, 0)
        made.append((len(content), header, payload))
        content += b"".join(entry.parts(header, payload))
    path.write_bytes(content)
    return made


def walked(path: Path, chunk: int) -> list[tuple[int, Header | None, bytes | None]]:
    file = REAL.open(path)
    walk = Walk(file, 0, file.size(), chunk=chunk)
    return [
        (found.position, found.header, None if found.payload is None else bytes(found.payload))
        for found in walk.entries()
    ]


@pytest.mark.parametrize("chunk", [80, 96, 1000, 4096, 1 << 20])
def test_all_entries_come_back_whatever_the_chunk(tmp_path: Path, chunk: int) -> None:
    made = written(tmp_path / "f", [0, 1, 16, 500, 70, 3000, 5, 200])
    assert walked(tmp_path / "f", chunk) == made


@pytest.mark.parametrize("chunk", [80, 333, 4096, 1 << 20])
def test_a_damaged_header_costs_one_entry(tmp_path: Path, chunk: int) -> None:
    sizes = [0, 100, 500, 70, 3000, 5, 200]
    for damaged in range(len(sizes)):
        made = written(tmp_path / "f", sizes)
        content = bytearray((tmp_path / "f").read_bytes())
        content[made[damaged][0] + 20] ^= 1
        (tmp_path / "f").write_bytes(content)
        found = walked(tmp_path / "f", chunk)
        whole = [one for one in found if one[1] is not None and one[2] is not None]
        assert whole == made[:damaged] + made[damaged + 1 :]
        assert [one[0] for one in found if one[1] is None] == [made[damaged][0]]


def test_a_damaged_payload_costs_one_entry_and_keeps_its_offsets(tmp_path: Path) -> None:
    made = written(tmp_path / "f", [100, 500, 70])
    content = bytearray((tmp_path / "f").read_bytes())
    content[made[1][0] + 200] ^= 1
    (tmp_path / "f").write_bytes(content)
    found = walked(tmp_path / "f", 4096)
    assert [one[1] for one in found] == [one[1] for one in made]
    assert [one[2] is not None for one in found] == [True, False, True]


def test_every_cut_leaves_the_entries_before_it(tmp_path: Path) -> None:
    made = written(tmp_path / "f", [100, 50, 30])
    content = (tmp_path / "f").read_bytes()
    for size in range(len(content)):
        (tmp_path / "f").write_bytes(content[:size])
        found = [one for one in walked(tmp_path / "f", 4096) if one[1] is not None and one[2] is not None]
        ends = [position + entry.SIZE + header.size for position, header, _ in made]
        assert found == made[: sum(end <= size for end in ends)]


@pytest.mark.parametrize("chunk", [80, 1000, 1 << 20])
def test_noise_and_zeros_between_entries_are_stepped_over(tmp_path: Path, chunk: int) -> None:
    made = written(tmp_path / "f", [100, 300, 50])
    content = (tmp_path / "f").read_bytes()
    cut = made[2][0]
    for noise in (bytes(4096), random.Random(2).randbytes(5008), entry.MAGIC * 1000):
        (tmp_path / "f").write_bytes(content[:cut] + noise + content[cut:])
        whole = [one for one in walked(tmp_path / "f", chunk) if one[1] is not None and one[2] is not None]
        assert [one[1:] for one in whole] == [one[1:] for one in made]
        assert whole[2][0] == cut + len(noise)
