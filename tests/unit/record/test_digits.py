"""Numbers and instants read from words of bytes are those of the strict readers, or are said not to be read."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from wayside.record.block import Words
from wayside.record.digits import DATES, numbers, seconds

NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)\.[0-9]+|-?[1-9][0-9]*|0")
WHOLE = re.compile(rb"-?[1-9][0-9]*|0")
EDGES = [
    b"", b"-", b".", b"0", b"-0", b"-0.0", b"0.0", b"00", b"01", b"1.", b".1", b"-.1", b"-01", b"1e5", b"1E5", b"+1",
    b"12345678",
    b"-1234567", b"123456789", b"1.234567", b"123.4567", b"0.000001", b"0000000", b"--1", b"1..1", b"1.1.1",
    b"NaN", b" 1", b"1 ", b"1/2", b"1:2", b"\xb1", b"9999999.", b"99999.99",
]  # fmt: skip


def words(texts: Sequence[bytes], number: int, noise: random.Random) -> Words:
    """The given word of each text, with any bytes behind the text."""
    padded = [text + noise.randbytes(24) for text in texts]
    return np.array([int.from_bytes(each[8 * number : 8 * number + 8], "little") for each in padded], np.uint64)


def candidates(noise: random.Random) -> list[bytes]:
    made = [b"%.*f" % (noise.randrange(5), noise.uniform(-2_000, 2_000)) for _ in range(4_000)]
    made += [b"%d" % noise.randrange(-(10**9), 10**9) for _ in range(2_000)]
    made += [bytes(noise.choices(b"0123456789.-+e01.-", k=noise.randrange(11))) for _ in range(8_000)]
    return EDGES + made


@pytest.mark.parametrize("whole", [False, True])
def test_numbers_are_read_as_written_or_not_at_all(whole: bool) -> None:
    noise = random.Random(3)
    texts = candidates(noise)
    values, good = numbers(words(texts, 0, noise), np.array(list(map(len, texts))), whole=whole)
    form = WHOLE if whole else NUMBER
    for text, value, read in zip(texts, values.tolist(), good.tolist(), strict=True):
        assert read == (form.fullmatch(text) is not None and len(text) <= 8), text
        if read:
            assert repr(value) == repr(int(text) if whole else float(text)), text


def test_sizes_that_mean_nothing_are_not_read() -> None:
    same = np.array([0x31], np.uint64).repeat(3)
    assert numbers(same, np.array([-5, 9, 2**40]), whole=False).good.tolist() == [False] * 3


def instants_of(texts: Sequence[bytes]) -> list[int | None]:
    noise = random.Random(5)
    micros, good = seconds(*(words(texts, number, noise) for number in range(3)), np.array(list(map(len, texts))))
    return [value if read else None for value, read in zip(micros.tolist(), good.tolist(), strict=True)]


def expected(text: bytes) -> int | None:
    if re.fullmatch(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text) is None:
        return None
    try:
        moment = datetime.strptime(text.decode(), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize("seed", range(40))
def test_instants_are_read_as_written_or_not_at_all(seed: int) -> None:
    noise = random.Random(seed)
    start = datetime(1, 1, 1, tzinfo=UTC) + timedelta(seconds=noise.randrange(9_998 * 31_556_952))
    texts = [(start + timedelta(seconds=noise.randrange(172_800))).isoformat()[:19].encode() + b"Z" for _ in range(60)]
    assert instants_of(texts) == list(map(expected, texts))
    mutated = []
    for text in texts:
        at = noise.randrange(len(text))
        mutated.append(
            text[:at] + noise.choice([b"", b"0", b"9", b":", b"-", b"Z", b"t", b" ", b"\x00"]) + text[at + 1 :]
        )
    for text, value in zip(mutated, instants_of(mutated), strict=True):
        assert value in (None, expected(text)), text


@pytest.mark.parametrize(
    "text",
    ["2023-02-29T10:00:00Z", "2023-13-01T10:00:00Z", "0000-01-01T10:00:00Z", "2023-W01-1T10:00:0Z",
     "2023-03-28T24:00:00Z", "2023-03-28T10:60:00Z", "2023-03-28T10:00:60Z", "2023-03-28 10:00:00Z",
     "2023-03-28T10:00:00z", "2023-03-28T10:00:00+", "2023-03-28T10:00:00.5Z", "+123-03-28T10:00:00Z"],
)  # fmt: skip
def test_what_is_no_instant_in_whole_seconds_is_not_read(text: str) -> None:
    assert instants_of([text.encode(), b"2023-03-28T10:00:00Z"])[0] is None


def test_more_days_than_are_looked_for_are_left_to_others() -> None:
    texts = [b"2023-03-%02dT10:00:00Z" % day for day in range(1, DATES + 4)]
    read = instants_of(texts)
    assert read[:DATES] == list(map(expected, texts[:DATES]))
    assert read[DATES:] == [None] * 3
