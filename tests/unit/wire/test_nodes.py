"""Schemas are read strictly and have one text; what one can read of another is told with places."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.wire.avrojson import friendly, from_json, to_json
from wayside.wire.canonical import canonical
from wayside.wire.compatibility import differences
from wayside.wire.nodes import AvroError, parse


def record(*fields: dict[str, Any], name: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def one(kind: Any, name: str = "f", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


E = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
LIST = record(one("int", "v"), one(["null", "R"], "next", default=None))


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        ({"type": "string"}, '"string"'),
        ({"type": {"type": "string"}}, '"string"'),
        (
            {"fields": [one({"type": "int"}, doc="d")], "name": "a.b.R", "type": "record", "x": 1},
            '{"type":"record","name":"R","namespace":"a.b","fields":[{"name":"f","type":"int","doc":"d"}],"x":1}',
        ),
        (
            record(one(E, "a"), one("E", "b"), one("s.E", "c"), namespace="s"),
            '{"type":"record","name":"R","namespace":"s","fields":[{"name":"a","type":{"type":"enum","name":"E",'
            '"symbols":["A","B"]}},{"name":"b","type":"E"},{"name":"c","type":"E"}]}',
        ),
        (LIST, json.dumps(LIST, separators=(",", ":"))),
        ([{"type": "fixed", "size": 2, "name": "F"}, {"type": "map", "values": "int"}], None),
    ],
)
def test_one_text(given_: Any, text: str | None) -> None:
    found = canonical(parse(json.dumps(given_, indent=2)))
    assert text is None or found == text
    assert canonical(parse(found)) == found


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ("nonsense", "Undefined name"),
        ({"type": "record", "name": "R"}, "list of fields"),
        (record(one("int"), one("int")), "repeated field name"),
        (record(one("int", "a b")), "field name"),
        (record(one("int"), name="9"), "Illegal name"),
        (record(one("int", default="x")), "Invalid default"),
        (record(one(["null", "int"], default="x")), "Invalid default"),
        ([["null"], "int"], "may not hold a union"),
        (["int", "int"], "Duplicate in union"),
        ({"type": "enum", "name": "E", "symbols": ["A", "A"]}, "repeated symbol"),
        ({"type": "enum", "name": "E", "symbols": "A"}, "list of names"),
        ({"type": "fixed", "name": "F", "size": -1}, "size"),
        ({"type": "array"}, "items"),
        (record(one(record(one("int")), "inner")), "Can't redefine"),
        (12, "A type is a name"),
        (None, "A type is a name"),
    ],
)
def test_what_is_no_schema(given_: Any, words: str) -> None:
    with pytest.raises(AvroError, match=words):
        parse(json.dumps(given_))


def test_hostile_texts_are_refused() -> None:
    for text in ("", "{", "[" * 100_000, '{"type":' * 500 + '"int"' + "}" * 500, "NaN"):
        with pytest.raises(AvroError):
            parse(text)


def test_many_types_that_refer_to_each_other_are_compared_in_no_time() -> None:
    names = [f"T{number}" for number in range(24)]
    first = [one("int", "x")] + [one(["null", name], f"f{name}", default=None) for name in names]
    inner: Any = "int"
    for name in reversed(names):
        inner = {"type": "record", "name": name, "fields": [one(inner, "a"), *[one("Top", f"t{n}") for n in range(9)]]}
    text = json.dumps(record(one(inner, "a"), *first[:1], name="Top"))
    assert differences(parse(text), parse(text)) == []


BIGGER = {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}
FIXED = {"type": "fixed", "name": "F", "size": 2}
TABLE: list[tuple[str, Any, Any, list[tuple[str, str]]]] = [
    ("same", record(one("int")), record(one("int")), []),
    ("new field with default", record(one("int"), one("int", "g", default=0)), record(one("int")), []),
    (
        "new field without default",
        record(one("int"), one("int", "g")),
        record(one("int")),
        [("READER_FIELD_MISSING_DEFAULT_VALUE", "/fields/1")],
    ),
    ("removed field", record(one("int")), record(one("int"), one("int", "g")), []),
    ("alias of a field", record(one("int", "g", aliases=["f"])), record(one("int")), []),
    ("promotion", record(one("double")), record(one("int")), []),
    ("demotion", record(one("int")), record(one("double")), [("TYPE_MISMATCH", "/fields/0/type")]),
    ("string and bytes", record(one("bytes")), record(one("string")), []),
    ("other name", record(one("int"), name="S"), record(one("int")), [("NAME_MISMATCH", "/name")]),
    ("alias of a name", record(one("int"), name="S", aliases=["R"]), record(one("int")), []),
    ("other namespace", record(one("int"), namespace="a"), record(one("int"), namespace="b"), []),
    ("made optional", record(one(["null", "int"])), record(one("int")), []),
    ("made required", record(one("int")), record(one(["null", "int"])), [("TYPE_MISMATCH", "/fields/0/type")]),
    ("branch lost", ["null", "int"], ["null", "int", "string"], [("MISSING_UNION_BRANCH", "/2")]),
    ("no such branch", ["null", "int"], "string", [("MISSING_UNION_BRANCH", "/")]),
    ("symbol added", BIGGER, E, []),
    ("symbol lost", E, BIGGER, [("MISSING_ENUM_SYMBOLS", "/symbols")]),
    ("symbol lost with default", {**E, "default": "A"}, BIGGER, []),
    ("fixed", {**FIXED, "size": 3}, FIXED, [("FIXED_SIZE_MISMATCH", "/size")]),
    (
        "deep inside",
        record(one({"type": "array", "items": {"type": "map", "values": "int"}})),
        record(one({"type": "array", "items": {"type": "map", "values": "string"}})),
        [("TYPE_MISMATCH", "/fields/0/type/items/values")],
    ),
    ("recursive", LIST, LIST, []),
    ("root", "int", "string", [("TYPE_MISMATCH", "/")]),
]


@pytest.mark.parametrize(("reader", "writer", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_can_be_read(reader: Any, writer: Any, expected: list[tuple[str, str]]) -> None:
    found = differences(parse(json.dumps(reader)), parse(json.dumps(writer)))
    assert [(each.kind, each.path) for each in found] == expected


def test_the_words_of_a_difference() -> None:
    [found] = differences(parse(json.dumps(record(one("int"), one("int", "g")))), parse(json.dumps(record(one("int")))))
    assert str(found) == (
        "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'g' at path '/fields/1' in the new "
        "schema has no default value and is missing in the old schema', additionalInfo:'g'}"
    )


KITCHEN = record(
    one(["null", "string", "bytes", "double"], "u"),
    one({"type": "array", "items": ["null", E, {"type": "fixed", "name": "F", "size": 2}]}, "a"),
    one({"type": "map", "values": "long"}, "m"),
    one(["null", record(one("int"), name="In")], "r"),
    one({"type": "long", "logicalType": "timestamp-millis"}, "t"),
    one("float", "x", default=1.5),
)


@given(
    st.none() | st.fixed_dictionaries({"string": st.text(max_size=5)}) | st.fixed_dictionaries({"double": st.floats()}),
    st.lists(st.none() | st.just({"E": "A"}) | st.just({"F": "ÿ\x00"}), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(-(2**63), 2**63 - 1), max_size=3),
    st.none() | st.just({"In": {"f": 3}}),
)
def test_avro_json_there_and_back(u: Any, a: Any, m: Any, r: Any) -> None:
    from wayside.wire.avro import read, write

    if u and "double" in u and (u["double"] != u["double"] or u["double"] in (float("inf"), float("-inf"))):
        u = {"double": "NaN"}
    node, value = parse(json.dumps(KITCHEN)), {"u": u, "a": a, "m": m, "r": r, "t": 12}
    text = canonical(node)
    found = to_json(node, read(write(text, from_json(node, value)), text, tagged=True))
    assert found == {**value, "x": 1.5}


def test_avro_json_that_does_not_fit_says_where() -> None:
    node = parse(json.dumps(KITCHEN))
    whole = {"u": None, "a": [], "m": {}, "r": None, "t": 1}
    for change, where in (
        ({"u": "plain"}, "/u"),
        ({"u": {"int": 1}}, "/u"),
        ({"a": [{"E": "Z"}]}, "/a/0/E"),
        ({"m": {"k": 2**63}}, "/m/k"),
        ({"m": {"k": True}}, "/m/k"),
        ({"r": {"In": {}}}, "/r/In/f"),
        ({"a": [{"F": "toolong"}]}, "/a/0/F"),
    ):
        with pytest.raises(AvroError) as caught:
            from_json(node, {**whole, **change})
        assert caught.value.where == where
    assert friendly(node, from_json(node, {**whole, "u": {"string": "s"}, "t": 1500})) == {
        "u": "s", "a": [], "m": {}, "r": None, "t": "1970-01-01T00:00:01.500000Z", "x": 1.5,
    }  # fmt: skip
