"""The mark: the newest whole one counts, and a torn write leaves the one before."""

from __future__ import annotations

from pathlib import Path

from wayside.broker.mark import Mark, MarkFile
from wayside.files import REAL


def made(folder: Path) -> MarkFile:
    mark = MarkFile(REAL, folder)
    mark.create()
    return mark


def test_there_is_none_in_a_new_folder(tmp_path: Path) -> None:
    assert MarkFile(REAL, tmp_path).load() is None
    assert made(tmp_path).load() is None


def test_the_newest_counts(tmp_path: Path) -> None:
    mark = made(tmp_path)
    for end in range(1, 10):
        mark.write(end // 2, end)
        assert MarkFile(REAL, tmp_path).load() == Mark(end, end // 2, end)


def test_it_goes_on_counting_after_a_restart(tmp_path: Path) -> None:
    made(tmp_path).write(0, 5)
    again = MarkFile(REAL, tmp_path)
    again.load()
    again.write(0, 6)
    assert MarkFile(REAL, tmp_path).load() == Mark(2, 0, 6)


def test_a_torn_write_leaves_the_one_before(tmp_path: Path) -> None:
    mark = made(tmp_path)
    mark.write(0, 5)
    before = (tmp_path / "mark").read_bytes()
    mark.write(0, 6)
    after = (tmp_path / "mark").read_bytes()
    first = next(at for at in range(len(after)) if before[at : at + 1] != after[at : at + 1])
    last = max(at for at in range(len(after)) if before[at : at + 1] != after[at : at + 1])
    for cut in range(first, last + 1):
        (tmp_path / "mark").write_bytes(after[:cut] + before[cut:])
        found = MarkFile(REAL, tmp_path).load()
        assert found is not None
        assert found.end == 5


def test_every_damage_to_both_slots_is_seen(tmp_path: Path) -> None:
    mark = made(tmp_path)
    mark.write(0, 5)
    mark.write(0, 6)
    data = (tmp_path / "mark").read_bytes()
    for at in range(32):
        changed = bytearray(data)
        changed[at] ^= 1
        changed[512 + at] ^= 1
        (tmp_path / "mark").write_bytes(changed)
        assert MarkFile(REAL, tmp_path).load() is None
