"""Hostile requests: each has its status and its words, none is a fault of ours, and the server answers on."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass, field

import orjson
import pyarrow as pa
import pytest

from server_site import RECORDS, Site, sample

JSON = "application/json"
NDJSON = "application/x-ndjson"


def line(**changes: object) -> bytes:
    """A good record with some members changed."""
    return orjson.dumps({**sample(), **changes})


def with_value(text: bytes) -> bytes:
    """A good record whose value is the given JSON text."""
    return line(value=0.125).replace(b"0.125", text)


def with_station(text: bytes) -> bytes:
    """A good record whose station is the given JSON text."""
    return line(station="NAME").replace(b'"NAME"', text)


GOOD = line()
DEEP = b'{"x":' * 200 + b"1" + b"}" * 200
KEYS = b"{" + b",".join(b'"k%d":1' % number for number in range(60_000)) + b"}"


@dataclass(frozen=True)
class Hostile:
    """One request and its answer."""

    name: str
    body: bytes
    status: int
    words: str
    media: str | None = JSON
    headers: dict[str, str] = field(default_factory=dict)
    path: str = RECORDS
    method: str = "POST"


def packed(name: str, body: bytes, encoding: str, status: int, words: str, media: str = JSON) -> Hostile:
    return Hostile(name, body, status, words, media, {"content-encoding": encoding})


def zstd(body: bytes) -> bytes:
    return bytes(pa.compress(body, codec="zstd", asbytes=True))


CASES = [
    # What is not JSON at all
    Hostile("nothing", b"", 422, "no record"),
    Hostile("white space", b" \r\n\t ", 422, "no record"),
    Hostile("empty array", b"[]", 422, "no record"),
    Hostile("blank lines", b"\n\n \n", 422, "no record", NDJSON),
    Hostile("half an object", GOOD[:-1], 422, "json.syntax"),
    Hostile("half an array", b"[" + GOOD, 422, "json.syntax"),
    Hostile("comma at the end", GOOD[:-1] + b",}", 422, "json.syntax"),
    Hostile("array with a comma at the end", b"[" + GOOD + b",]", 422, "json.syntax"),
    Hostile("two objects", GOOD + GOOD, 422, "json.syntax"),
    Hostile("text behind the object", GOOD + b" x", 422, "json.syntax"),
    Hostile("single quotes", GOOD.replace(b'"', b"'"), 422, "json.syntax"),
    Hostile("comment", b"/* hello */" + GOOD, 422, "json.syntax"),
    Hostile("byte order mark", b"\xef\xbb\xbf" + GOOD, 422, "json.syntax"),
    Hostile("UTF-16", GOOD.decode().encode("utf-16"), 422, "json.syntax"),
    Hostile("NUL bytes", b"\0" * 100, 422, "json.syntax"),
    Hostile("a form", b"station=north&value=1", 422, "json.syntax"),
    Hostile("XML", b"<?xml version='1.0'?><x/>", 422, "json.syntax"),
    Hostile("protobuf", bytes(range(1, 90)), 422, "json.syntax"),
    # JSON of another shape
    Hostile("a number", b"42", 422, "one JSON object"),
    Hostile("a text", b'"hello"', 422, "one JSON object"),
    Hostile("null", b"null", 422, "one JSON object"),
    Hostile("an array in an array", b"[[" + GOOD + b"]]", 422, "one JSON object"),
    Hostile("array of numbers", b"[1,2,3]", 422, "one JSON object"),
    Hostile("no members", b"{}", 422, "station.required"),
    # Numbers
    Hostile("NaN", with_value(b"NaN"), 422, "json.syntax"),
    Hostile("Infinity", with_value(b"-Infinity"), 422, "json.syntax"),
    Hostile("1e400", with_value(b"1e400"), 422, ""),
    Hostile("-1e999999999", with_value(b"-1e999999999"), 422, ""),
    Hostile("a number as text", with_value(b'"1.5"'), 422, "value.type"),
    Hostile("true as a number", with_value(b"true"), 422, "value.type"),
    Hostile("leading zero", with_value(b"012"), 422, "json.syntax"),
    Hostile("plus sign", with_value(b"+1"), 422, "json.syntax"),
    Hostile("underscore", with_value(b"1_0"), 422, "json.syntax"),
    Hostile("hexadecimal", with_value(b"0x10"), 422, "json.syntax"),
    Hostile("digits of another script", with_value("१२".encode()), 422, "json.syntax"),
    Hostile("decimal comma", with_value(b"12,5"), 422, "json.syntax"),
    Hostile("5,000 digits", with_value(b"9" * 5_000), 422, "value"),
    Hostile(
        "integer beyond 64 bits", line(count=0).replace(b'"count":0', b'"count":9223372036854775808'), 422, "count"
    ),
    Hostile(
        "5,000 digits for an integer", line(count=0).replace(b'"count":0', b'"count":' + b"9" * 5_000), 422, "count"
    ),
    Hostile("fraction for an integer", line(count=1.5), 422, "count.type"),
    Hostile("out of range", line(value=1000), 422, "value.range"),
    # Text
    Hostile("invalid UTF-8", with_station(b'"\xff\xfe"'), 422, "json.syntax"),
    Hostile("overlong UTF-8", with_station(b'"\xc0\xaf"'), 422, "json.syntax"),
    Hostile("UTF-8 cut off", with_station(b'"\xe6\x97"'), 422, "json.syntax"),
    Hostile("lone surrogate", with_station(b'"\\ud800"'), 422, "json.syntax"),
    Hostile("surrogate in UTF-8", with_station(b'"\xed\xa0\x80"'), 422, "json.syntax"),
    Hostile("raw control character", with_station(b'"a\x01b"'), 422, "json.syntax"),
    Hostile("NUL in a key", with_station(b'"a\\u0000b"'), 422, "station.text"),
    Hostile("line break in a key", with_station(b'"a\\nb"'), 422, "station.text"),
    Hostile("direction override in a key", with_station('"a\u202eb"'.encode()), 422, "station.text"),
    Hostile("unknown escape", with_station(b'"\\x41"'), 422, "json.syntax"),
    Hostile("empty id", line(station=""), 422, "station.length"),
    Hostile("id of 65 characters", line(station="x" * 65), 422, "station.length"),
    Hostile("id of 900 KiB", line(station="x" * 900_000), 422, "station.length"),
    Hostile("note of 300 KiB", line(note="x" * 300_000), 422, "note.length"),
    Hostile("unknown choice", line(sensor="gravity"), 422, "sensor.choice"),
    Hostile("key as an object", line(station={"$ne": None}), 422, "station.type"),
    Hostile("key as an array", line(station=["a"]), 422, "station.type"),
    # Times
    Hostile("no offset", line(at="2026-11-23T10:00:00"), 422, "at.instant"),
    Hostile("no such day", line(at="2026-02-30T10:00:00Z"), 422, "at.instant"),
    Hostile("milliseconds for seconds", line(at=1_795_000_000_000), 422, "at"),
    Hostile("far future", line(at="2099-01-01T00:00:00Z"), 422, "at.plausible"),
    Hostile("before 1970", line(at="1969-12-31T23:59:59Z"), 422, "at.plausible"),
    # Structure
    Hostile("a key twice", GOOD[:-1] + b',"value":2}', 422, "json.repeated_key"),
    Hostile("a key twice, once escaped", GOOD[:-1] + b',"\\u0076alue":2}', 422, "json.repeated_key"),
    Hostile("nested 200 deep", line(x=0).replace(b'"x":0', b'"x":' + DEEP), 422, "json.depth"),
    Hostile("100,000 brackets", b"[" * 100_000, 422, "json"),
    Hostile("100,000 brackets in a member", line(x=0).replace(b'"x":0', b'"x":' + b"[" * 100_000), 422, "json"),
    Hostile("60,000 members", KEYS, 422, "required"),
    Hostile("prototype", b'{"__proto__":{"station":"x"}}', 422, "station.required"),
    # Size
    Hostile("object over 1 MiB", line(note="x" * 1_100_000), 413, "1 MiB"),
    Hostile("array over 8 MiB", b"[" + b" " * (8 << 20) + GOOD + b"]", 413, "8 MiB"),
    Hostile("lines over 8 MiB", (GOOD + b"\n") * (9 * 1024 * 1024 // len(GOOD)), 413, "8 MiB", NDJSON),
    Hostile("one line of 9 MiB", b'{"station":"' + b"x" * (9 << 20), 413, "8 MiB", NDJSON),
    Hostile("5,001 records in an array", b"[" + b",".join([GOOD] * 5_001) + b"]", 413, "5,000"),
    Hostile("5,001 lines", b"\n".join([GOOD] * 5_001), 413, "5,000", NDJSON),
    # Encodings
    packed("gzip that is none", b"hello", "gzip", 400, "not valid gzip"),
    packed("gzip cut off", gzip.compress(GOOD)[:-9], "gzip", 400, "not valid gzip"),
    packed("gzip with a wrong checksum", gzip.compress(GOOD)[:-8] + bytes(8), "gzip", 400, "not valid gzip"),
    packed("gzip and garbage", gzip.compress(GOOD) + b"garbage", "gzip", 400, "not valid gzip"),
    packed("empty gzip body", b"", "gzip", 400, "not valid gzip"),
    packed("gzip of nothing", gzip.compress(b""), "gzip", 422, "no record"),
    packed("gzip bomb", gzip.compress(bytes(64 << 20), 9), "gzip", 413, ""),
    packed("gzip bomb under the cap", gzip.compress(b"[" + b" " * (7 << 20) + b"]", 9), "gzip", 413, "100 times"),
    packed("gzip in gzip", gzip.compress(gzip.compress(GOOD)), "gzip", 422, "json.syntax"),
    packed("declared twice", gzip.compress(gzip.compress(GOOD)), "gzip, gzip", 415, "more than once"),
    packed("deflate", zlib.compress(GOOD), "deflate", 415, "gzip or zstd"),
    packed("brotli", b"\x0b\x02\x80", "br", 415, "gzip or zstd"),
    packed("unknown encoding", GOOD, "rot13", 415, "gzip or zstd"),
    packed("zstd that is none", b"hello world", "zstd", 400, "not valid zstd"),
    packed("zstd cut off", zstd(GOOD)[:-3], "zstd", 400, "not valid zstd"),
    packed("zstd bomb", zstd(bytes(64 << 20)), "zstd", 413, ""),
    packed("zstd with a window of 2 GiB", b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(20), "zstd", 413, "window"),
    # Kinds
    Hostile("no content type", GOOD, 415, "application/json", None),
    Hostile("plain text", GOOD, 415, "application/json", "text/plain"),
    Hostile("a form's type", GOOD, 415, "application/json", "application/x-www-form-urlencoded"),
    Hostile("multipart", GOOD, 415, "application/json", "multipart/form-data; boundary=x"),
    Hostile("Latin-1", GOOD, 415, "UTF-8", "application/json; charset=latin-1"),
    Hostile("a type of 4 KiB", GOOD, 415, "application/json", "application/" + "x" * 4_096),
    # Addresses and headers
    Hostile("unknown topic", GOOD, 404, "no topic", path="/v1/topics/nope/records"),
    Hostile("topic of another folder", GOOD, 404, "", path="/v1/topics/..%2f..%2fetc/records"),
    Hostile("unknown feed", GOOD, 404, "no feed", path=RECORDS + "?feed=nope"),
    Hostile("unknown parameter", GOOD, 422, "no parameter", path=RECORDS + "?fed=pushed"),
    Hostile("empty idempotency key", GOOD, 422, "idempotency", headers={"idempotency-key": ""}),
    Hostile("huge idempotency key", GOOD, 422, "idempotency", headers={"idempotency-key": "x" * 300}),
    Hostile("foreign host", GOOD, 421, "not addressed", headers={"host": "evil.example"}),
    Hostile("host with a trick", GOOD, 421, "not addressed", headers={"host": "127.0.0.1:80@evil.example"}),
    Hostile("foreign origin", GOOD, 403, "another origin", headers={"origin": "https://evil.example"}),
    Hostile("origin null", GOOD, 403, "another origin", headers={"origin": "null"}),
    Hostile("origin of another port", GOOD, 403, "another origin", headers={"origin": "http://127.0.0.1:1"}),
    Hostile("PUT", GOOD, 405, "not allowed", method="PUT"),
    Hostile("DELETE", b"", 405, "not allowed", method="DELETE"),
    Hostile("quarantine as a topic", GOOD, 405, "not allowed", path="/v1/topics/_quarantine/records"),
]


def test_there_are_at_least_sixty_and_each_has_a_name() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_hostile_request(site: Site, case: Hostile) -> None:
    before = site.total()
    headers = dict(case.headers)
    if case.media is not None:
        headers["content-type"] = case.media
    answer = site.client.request(case.method, case.path, content=case.body, headers=headers)
    assert answer.status_code == case.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) >= {"type", "title", "status", "detail", "where", "why", "next", "instance"}
    assert body["status"] == case.status
    assert case.words.lower() in answer.text.lower()
    assert "Traceback" not in answer.text
    assert len(answer.content) < 16_384
    assert site.total() == before, "nothing of it may enter the log"
    assert site.client.get("/livez").status_code == 200


def test_what_was_rejected_is_kept_with_its_bytes(fresh: Site) -> None:
    for case in CASES:
        if case.status == 422 and ("json." in case.words or "." in case.words) and case.path == RECORDS:
            headers = {"content-type": case.media or JSON, **case.headers}
            fresh.client.post(RECORDS, content=case.body, headers=headers)
    kept = fresh.client.get("/v1/quarantine", params={"limit": 1000}).json()
    assert kept["total"] == len(kept["rows"]) >= 50
    assert all(row["feed"] == "samples" and row["rule"] and row["message"] for row in kept["rows"])
    by_station = [row for row in kept["rows"] if row["rule"] == "sensor.choice"]
    assert json.loads(by_station[0]["raw"])["sensor"] == "gravity"
    cut = next(row for row in kept["rows"] if row["raw_truncated"])
    assert len(cut["raw"].encode()) <= 4096
