"""The bulk decoder gives the verdicts of the strict one, on good, odd and hostile lines alike."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.record import Record, field
from wayside.record import bulk as bulk_module
from wayside.record.block import Block
from wayside.record.bulk import BulkDecoder
from wayside.record.decode import Decoder
from wayside.record.judge import Decoded

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Probe(Record, key="name", time="at"):
    """One of every kind of field, required and optional."""

    name: str
    at: datetime
    level: float = field(ge=-1000, le=1000)
    kind: Literal["a", "bb", "something rather long"]
    note: str | None
    count: int | None
    alarm: bool | None
    seen: datetime | None = field(zone="Europe/Madrid")


GOOD = {"name": "x", "at": "2026-05-01T10:00:00Z", "level": 1.5, "kind": "a"}
HOSTILE_VALUES = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e400",
    b"-1e400",
    b"1e308",
    b"5e-324",
    b"-0",
    b"-0.0",
    b"0.0",
    b"00",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"1_000",
    b"0x10",
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b"1" * 400,
    b"0." + b"1" * 60,
    b"123456789012345.123456789012345",
    b"999999999999999",
    b"-999999999999999.5",
    b"1e5",
    b"1E+5",
    b"1.0",
    b"2.50",
    b"true",
    b"false",
    b"null",
    b"True",
    b'"true"',
    b'"1"',
    b'""',
    b'" "',
    b'"n/a"',
    b'"a"',
    b'"A"',
    b'"something rather long"',
    b'"something rather lonG"',
    b'"\\u0061"',
    b'"a\\n"',
    b'"\\ud800"',
    b'"\x00"',
    b'"\x1f"',
    b'"\x7f"',
    b'"\t"',
    b'"\xc3\xa9"',
    b'"\xff"',
    b'"\xc0\xaf"',
    b'"\xed\xa0\x80"',
    '"\u202e"'.encode(),
    '"\u200b"'.encode(),
    '"e\u0301"'.encode(),
    b'"' + b"k" * 129 + b'"',
    b'"' + "é".encode() * 100 + b'"',
    b'"2026-05-01T10:00:00Z"',
    b'"2026-05-01T10:00:00.123456Z"',
    b'"2026-02-30T10:00:00Z"',
    b'"2026-05-01T10:00:00+02:00"',
    b'"2026-05-01T10:00:00"',
    b'"2026-03-29 02:30"',
    b'"2099-01-01T00:00:00Z"',
    b'"1969-12-31T23:59:59Z"',
    b'"2026-05-01T23:59:60Z"',
    b'"yesterday"',
    b"1777629600",
    b"1777629600.5",
    b"1777629600000",
    b"-1",
    b"0",
    b"253402300800",
    b"-62135596801",
    b'"0000-01-01T00:00:00Z"',
    b'"0001-01-01T00:00:00+23:00"',
    b'"9999-12-31T23:59:59-23:00"',
    b"{}",
    b"[]",
    b"[[[[]]]]",
    b'{"name":"y"}',
    b"[" * 40 + b"]" * 40,
    b'"a" , "name" : "z"',
    b'"x","name":"y"',
    b"1,2",
    b"",
    b" ",
    b'"',
    b'"unfinished',
    b"\\",
    b'"\\"',
    b'"a"b"',
    b'"a""b"',
    b"'a'",
]
HOSTILE_LINES = [
    b"",
    b" ",
    b"\r",
    b"{}",
    b"[]",
    b"null",
    b"1",
    b'"x"',
    b"{",
    b"}",
    b"{" * 50,
    b"[" * 100_000,
    b"\xef\xbb\xbf{}",
    b"#no json",
    b'{"name":"x"} {"name":"y"}',
    b'{"name":"x"},',
    b'{"name":"x",}',
    b'{name:"x"}',
    b"\x00",
    b"\xff\xfe",
    b'{"a":1}' * 3,
]


def line_of(values: dict[str, bytes], *, spaced: bool = False, tail: bytes = b"") -> bytes:
    """A line of raw values, the way that a sender without a JSON library writes it."""
    between, after = (b", ", b": ") if spaced else (b",", b":")
    return b"{" + between.join(b'"%s"%s%s' % (k.encode(), after, v) for k, v in values.items()) + b"}" + tail


def raw(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def same(strict: Decoded, fast: Decoded) -> None:
    """Equal to the last bit: -0.0 is not 0.0 here."""
    assert fast.rejections == strict.rejections
    assert fast.rows.to_list() == strict.rows.to_list()
    assert fast.frame.schema == strict.frame.schema
    assert fast.frame.equals(strict.frame)
    signs = [[math.copysign(1, value) for value in each.frame["level"]] for each in (strict, fast)]
    assert signs[0] == signs[1]


def both(lines: list[bytes], *, decoder: BulkDecoder | None = None) -> Decoded:
    strict = Decoder(Probe).decode(lines, NOW)
    fast = (decoder or BulkDecoder(Probe)).decode_block(Block(b"\n".join(lines), keep_blank=True), NOW)
    same(strict, fast)
    return fast


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even two lines are worth a shape here, so that small examples reach every path."""
    monkeypatch.setattr(bulk_module, "WORTHWHILE", 1)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["a", "bb", "d-17", "ü" * 12])
numbers = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**70), 2**70)
    | st.decimals(-2000, 2000, places=2).map(float)
)
moments = st.integers(-(2**28), 2**31).map(
    lambda t: datetime.fromtimestamp(t, UTC).isoformat().replace("+00:00", "Z")
) | st.integers(-(10**12), 10**12)
values: dict[str, st.SearchStrategy[Any]] = {
    "name": texts,
    "at": moments,
    "level": numbers,
    "kind": st.sampled_from(["a", "bb", "something rather long", "c"]),
    "note": texts | st.none(),
    "count": st.integers(-(2**64), 2**64) | st.none(),
    "alarm": st.booleans() | st.none(),
    "seen": moments | st.none(),
    "extra": texts | numbers | st.booleans() | st.none() | st.lists(st.integers(), max_size=2),
}
messages = st.fixed_dictionaries(
    {name: values[name].map(raw) for name in GOOD},
    optional={name: values[name].map(raw) for name in values if name not in GOOD},
)
odd = st.builds(
    lambda message, name, value: {**message, name: value},
    messages,
    st.sampled_from(list(values)),
    st.sampled_from(HOSTILE_VALUES),
)
lines = st.lists(
    st.builds(line_of, messages | odd, spaced=st.booleans(), tail=st.sampled_from([b"", b" ", b"\r"]))
    | st.sampled_from(HOSTILE_LINES)
    | st.binary(max_size=40).filter(lambda line: b"\n" not in line),
    min_size=1,
    max_size=12,
)


@given(lines)
def test_random_lines(found: list[bytes]) -> None:
    both(found)


@given(st.lists(messages, min_size=2, max_size=8), st.lists(st.tuples(st.integers(0, 7), st.binary(max_size=3))))
def test_lines_of_one_shape_with_bytes_changed(found: list[dict[str, bytes]], changes: list[tuple[int, bytes]]) -> None:
    made = [line_of(message) for message in found]
    for at, patch in changes:
        line = made[at % len(made)]
        cut = (at * 7919) % max(1, len(line))
        made[at % len(made)] = (line[:cut] + patch + line[cut + len(patch) :]).replace(b"\n", b" ")
    both(made)


@pytest.mark.parametrize("name", list(values))
def test_every_hostile_value_in_every_field_among_good_lines(name: str) -> None:
    full = {**GOOD, "note": "n", "count": 3, "alarm": True, "seen": "2026-01-01T00:00:00Z", "extra": 1}
    for base in (GOOD, full):
        good = {key: raw(value) for key, value in base.items()}
        made = [line_of({**good, name: value}) for value in HOSTILE_VALUES]
        found = both([line_of(good), *made, line_of(good)])
        assert 0 in found.rows.to_list()


def test_hostile_lines_among_good_ones() -> None:
    good = line_of({key: raw(value) for key, value in GOOD.items()})
    found = both([good, *[line for bad in HOSTILE_LINES for line in (bad, good)]])
    assert found.frame.height == len(HOSTILE_LINES) + 1


def test_repeated_keys_in_every_shape() -> None:
    good = line_of({key: raw(value) for key, value in GOOD.items()})
    twice = good[:-1] + b',"level":2.5}'
    found = both([twice] * 3 + [good] * 3)
    assert [rejection.rule for rejection in found.rejections] == ["json.repeated_key"] * 3


def test_shapes_are_remembered_from_block_to_block() -> None:
    decoder = BulkDecoder(Probe)
    good = [line_of({**{k: raw(v) for k, v in GOOD.items()}, "name": raw(f"d{i}")}) for i in range(200)]
    spaced = [line_of({k: raw(v) for k, v in GOOD.items()}, spaced=True) for _ in range(100)]
    both([line for pair in zip(good[:100], spaced, strict=True) for line in pair], decoder=decoder)
    assert len(decoder.shapes) == 2
    both([*good, *spaced], decoder=decoder)
    assert len(decoder.shapes) == 2


def test_a_block_counts_messages_and_skips_blank_lines() -> None:
    good = line_of({key: raw(value) for key, value in GOOD.items()})
    block = Block(b"\n".join([b"", good, b"  ", good, b"nonsense", b"\r", good, b""]))
    found = BulkDecoder(Probe).decode_block(block, NOW)
    assert len(block) == 4
    assert found.rows.to_list() == [0, 1, 3]
    assert [(r.row, r.rule, block.line(r.row)) for r in found.rejections] == [(2, "json.syntax", b"nonsense")]


def varied(random: Random, number: int) -> dict[str, bytes]:
    """A message with numbers short and long, and times whole, broken and spread over days."""
    second = f"2026-05-{random.randrange(1, 29):02d}T{random.randrange(24):02d}:00:0{random.randrange(10)}"
    return {
        "name": raw(f"device-{number}" * random.randrange(1, 4)),
        "at": raw(second + random.choice(["Z", "Z", "Z", ".25Z", "+02:00"])),
        "level": raw(round(random.uniform(-999, 999), random.choice([1, 2, 9]))),
        "kind": raw(random.choice(["a", "bb", "something rather long"])),
        "count": raw(random.choice([number, -number, 10**12 + number])),
        "alarm": raw(random.random() < 0.5),
        "extra": raw(round(random.uniform(0, 1), random.choice([3, 12]))),
    }


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("share", [0.01, 0.04, 0.2])
def test_a_few_broken_lines_among_many(seed: int, share: float) -> None:
    random = Random(seed)
    made = [line_of(varied(random, number)) for number in range(600)]
    for at, line in enumerate(made):
        if random.random() < share:
            cut = random.randrange(len(line))
            patch = random.choice([b"", b'"', b"}", b",", b"99", b"\\", b"\xff", random.choice(HOSTILE_VALUES)])
            made[at] = random.choice([line[:cut] + patch, line[:cut] + patch + line[cut + 1 :]])
    found = both(made)
    assert found.frame.height > 400
