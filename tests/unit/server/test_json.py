"""JSON as RFC 8259 has it, through the door: what must be accepted, and what must not.

The cases are our own, after the classes of the known parsing test suites: numbers, text, structure, white space,
literals. Each stands in a record as one member, or wraps a whole record.
"""

from __future__ import annotations

import itertools
import random

import orjson
import pytest

from server_site import RECORDS, Site, sample


def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


GOOD = orjson.dumps(sample())

NUMBERS = words("""
    0 -0 0.0 -0.0 1 -1 89.5 1e0 1E0 1e+1 1E+1 1e-1 1.5e1 0e1 0e-0 -0e+1 0.1e-300 1e-400 123e-2 1.0000000000000002
    0.00000000000000000000000000000000000000000000000001 12.3456789012345678901234567890 -89.999999999
""")
BROKEN_NUMBERS = words("""
    +1 01 -01 1. .5 -.5 1.e1 1e 1e+ 1e- 1E 0x1 1_0 1,5 NaN -NaN nan Infinity -Infinity +Infinity inf 1f 1d 1L --1 -+1
    1e1.5 1e٣ １ ۱ ∞ - . e1 1-1 1+1 0b1 0o7 $1 1°
""")
TEXTS = [
    r'"a"', r'"\u0061"', r'"é"', r'"\u00e9"', r'"日本"', r'"\ud83d\ude80"', '"🚀"', r'"\\"', r'"\""', r'"\/"', r'"/"',
    '"\u00a0"', '"\u2028"', '"\ufeff"', '"\U0010ffff"', r'"\uFFFD"', '"a\x7fb"', r'"<script>alert(1)</script>"',
    r'"{\"a\":1}"', r'"\b\f\n\r\t"', '"' + "x" * 1000 + '"',
]  # fmt: skip
BROKEN_TEXTS = [
    '"', '"a', "a", "'a'", '"\\x"', '"\\u12"', '"\\u12g4"', '"\\U00000061"', '"\\"', '"a\nb"', '"a\tb"', '"a\x00b"',
    '"\\ud800"', '"\\udc00"', '"\\ud800\\ud800"', '"\\ud800x"', '"\\udc00\\ud800"', '"\\a"', '"\\0"', '"\\\'"',
    '"a" "b"', '"a"b',
]  # fmt: skip
BROKEN_BYTES = [
    b'"\xff"', b'"\xc0\x80"', b'"\xc0\xaf"', b'"\xe0\x80\x80"', b'"\xf0\x80\x80\x80"',
    b'"\xf4\x90\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\x80"', b'"\xe6\x97"', b'"\xc3"', b'"\xfe\xff"',
]  # fmt: skip
IGNORED = [
    "null", "true", "false", "0", '""', "[]", "{}", "[1,2,[3]]", '{"a":{"b":[null]}}', "[[[[[[]]]]]]", '"\\u0000"',
    "[\t1 ,\r\n 2 ]", "-1e-9",
]  # fmt: skip
BROKEN_VALUES = [
    "", "nul", "True", "None", "undefined", "truefalse", "[1,]", "[,1]", "[1 2]", "[1", "1]", "{a:1}", '{"a":}',
    '{"a" 1}', '{"a":1,}', '{,"a":1}', '{"a":1 "b":2}', '{"a"', '{1:1}', '{"a"::1}', "[1]]", "{}}", "//", "/**/1", "#",
    "[NaN]",
    "[\x0b1]", "[\x0c1]", "[\u00a01]", "[\u20281]", "\ufeff1", "(1)", "1;", "<1>", "`a`", "[...]",
    "{'a':1}", "new Date()",
]  # fmt: skip
WRAPS = [b" %s", b"%s ", b"\t%s\n", b"\r\n%s\r\n", b"\n\n\n%s"]
BROKEN_WRAPS = [
    b"%s,", b"%s;", b"%s}", b"{%s}", b"%s%s", b"\xef\xbb\xbf%s", b"\x00%s", b"%s\x00", b"\x0b%s", b"\xc2\xa0%s",
    b"(%s)", b"data: %s", b")]}'\n%s", b"%s//x", b"x=%s", b"while(1);%s",
]  # fmt: skip


def member(name: str, text: str | bytes) -> bytes:
    """A good record with another member, whose value is given as it is."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return GOOD[:-1] + b',"' + name.encode() + b'":' + raw + b"}"


def valued(text: str) -> bytes:
    """A good record with another value."""
    return orjson.dumps(sample(value=0.125)).replace(b"0.125", text.encode())


ACCEPTED = [
    *[valued(text) for text in NUMBERS],
    *[member("note", text) for text in TEXTS],
    *[member("other", text) for text in IGNORED],
    *[wrap % GOOD for wrap in WRAPS],
    member("count", "-9223372036854775808"),
    member("count", "9223372036854775807"),
    member("count", "null"),
    GOOD.replace(b'"station"', b'"\\u0073tation"'),
]
REFUSED = [
    *[valued(text) for text in BROKEN_NUMBERS],
    *[member("note", text) for text in (*BROKEN_TEXTS, *BROKEN_BYTES)],
    *[member("other", text) for text in (*BROKEN_VALUES, *BROKEN_TEXTS, *BROKEN_BYTES)],
    *[wrap.replace(b"%s", GOOD) for wrap in BROKEN_WRAPS],
    *[GOOD[:end] for end in range(len(GOOD))],
]


def lines_of(cases: list[bytes]) -> list[bytes]:
    """The cases that fit one line."""
    return [case for case in cases if b"\n" not in case and case.strip()]


@pytest.mark.parametrize("case", ACCEPTED, ids=range(len(ACCEPTED)))
def test_must_be_accepted(site: Site, case: bytes) -> None:
    answer = site.post(case)
    assert answer.status_code == 202, (case, answer.text)
    assert answer.json()["accepted"] == 1


def test_must_be_refused_one_by_one(site: Site) -> None:
    before = site.total()
    for case in REFUSED:
        answer = site.post(case)
        assert answer.status_code == 422, (case, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert site.total() == before


@pytest.mark.parametrize("text", [b'"\xed\xa0\x80"', b'"\xed\xb0\x80"'])
def test_surrogates_in_members_that_nobody_reads(site: Site, text: bytes) -> None:
    assert site.post(member("note", text)).status_code == 422
    assert site.post(member("other", text)).status_code == 422


def test_all_together_mean_the_same_as_one_by_one(site: Site) -> None:
    good, bad = lines_of(ACCEPTED), lines_of(REFUSED)
    mixed = [(case, True) for case in good] + [(case, False) for case in bad]
    random.Random(7).shuffle(mixed)
    answer = site.client.post(
        RECORDS, content=b"\n".join(case for case, _ in mixed), headers={"content-type": "application/x-ndjson"}
    )
    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (len(good), len(bad))
    wrong = [row for row, (_, fine) in enumerate(mixed) if not fine]
    assert [error["row"] for error in body["errors"]] == wrong[:100]
    assert sum(span["count"] for span in body["offsets"]) == len(good)


def test_in_an_array_each_good_case_is_accepted(site: Site) -> None:
    answer = site.post(b"[" + b",".join(ACCEPTED) + b"]")
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == len(ACCEPTED)


def test_there_are_enough_of_both() -> None:
    assert len(ACCEPTED) >= 60
    assert len(REFUSED) >= 180
    assert not set(ACCEPTED) & set(REFUSED)
    assert len(list(itertools.chain(ACCEPTED, REFUSED))) == len(ACCEPTED) + len(REFUSED)
