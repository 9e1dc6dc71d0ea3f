"""The sparse index: a hint that never leads too far, and is thrown away when it does not fit."""

from __future__ import annotations

import random

from wayside.broker.entry import ROWS, Header
from wayside.broker.index import STRIDE, SegmentIndex


def header(first: int, rows: int, *, size: int = 10_000, at: int = 0, event: int = 0) -> Header:
    return Header(ROWS, 0, size, rows, 0, 0, first, first + rows, 0, at, event, event)


def filled(seed: int = 1) -> tuple[SegmentIndex, list[tuple[int, Header]]]:
    chance = random.Random(seed)
    index = SegmentIndex(100)
    position, first = 96, 100
    entries = []
    for _ in range(200):
        one = header(first, chance.randint(1, 50), at=chance.randint(0, 1000), event=chance.randint(0, 1000))
        entries.append((position, one))
        index.add(position, one)
        position += one.span
        first = one.next
    return index, entries


def test_an_offset_is_found_at_or_shortly_after_the_point() -> None:
    index, entries = filled()
    for position, one in entries:
        for offset in (one.first, one.next - 1):
            found = index.locate(offset)
            assert position - STRIDE - one.span < found <= position


def test_a_time_is_never_passed_over() -> None:
    index, entries = filled()
    for wanted in range(0, 1001, 7):
        first = next((p for p, one in entries if one.max_event >= wanted), None)
        found = index.find(wanted, "event")
        assert (found is None) == (first is None)
        assert found is None or found <= first
        first = next((p for p, one in entries if one.appended >= wanted), None)
        found = index.find(wanted, "append")
        assert found is None or found <= first


def test_it_comes_back_from_its_file() -> None:
    index, entries = filled()
    again = SegmentIndex.decode(index.encode(), index.position)
    assert again is not None
    assert again.encode() == index.encode()
    assert (again.end, again.position, again.oldest, again.newest, again.max_event) == (
        index.end,
        index.position,
        min(one.appended for _, one in entries),
        max(one.appended for _, one in entries),
        max(one.max_event for _, one in entries),
    )


def test_it_is_not_taken_for_a_file_of_another_size() -> None:
    index, _ = filled()
    assert SegmentIndex.decode(index.encode(), index.position + 16) is None


def test_every_damage_to_its_file_is_seen() -> None:
    index, _ = filled()
    data = index.encode()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 4
        assert SegmentIndex.decode(bytes(changed), index.position) is None, at
    assert all(SegmentIndex.decode(data[:size], index.position) is None for size in range(len(data)))


def test_what_was_added_since_can_be_forgotten() -> None:
    index, entries = filled()
    state = index.state()
    newest = index.newest
    position, last = entries[-1]
    for number in range(30):
        index.add(position + (number + 1) * last.span, header(last.next + number, 1, at=10_000))
    index.restore(state)
    assert (index.end, index.position, index.newest) == (last.next, position + last.span, newest)
    assert index.locate(last.next + 1000) <= position
