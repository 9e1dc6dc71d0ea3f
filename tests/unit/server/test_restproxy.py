"""The REST Proxy as its producers know it: bodies as Confluent's documentation shows them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from proxy_calls import AVRO, BINARY, JSON, PLAIN, ask, made, records, weather
from server_site import Site, sample, wait_for
from wayside.wire import avro


@pytest.fixture(scope="module")
def plain() -> Iterator[Site]:
    """A server that creates topics, of a plan with a feed for the proxy."""
    with Site(plan=weather(), create_topics=True) as opened:
        yield opened


# -- topics ------------------------------------------------------------------------------------------------------------


def test_topics_and_partitions(site: Site) -> None:
    assert ask(site, "GET", "/topics").json() == ["samples"], "what is our own is not shown"
    replica = {"broker": 0, "leader": True, "in_sync": True}
    partition = {"partition": 0, "leader": 0, "replicas": [replica]}
    found = ask(site, "GET", "/topics/samples")
    assert found.headers["content-type"] == PLAIN
    assert found.json()["name"] == "samples"
    assert found.json()["partitions"] == [partition]
    assert found.json()["configs"]["cleanup.policy"] == "delete"
    assert ask(site, "GET", "/topics/samples/partitions").json() == [partition]
    assert ask(site, "GET", "/topics/samples/partitions/0").json() == partition
    offsets = ask(site, "GET", "/topics/samples/partitions/0/offsets").json()
    assert set(offsets) == {"beginning_offset", "end_offset"}
    assert ask(site, "GET", "/brokers").json() == {"brokers": [0]}
    for path, code in (
        ("/topics/nothing", 40401),
        ("/topics/_quarantine", 40401),
        ("/topics/_schemas", 40401),
        ("/topics/samples/partitions/7", 40402),
        ("/topics/samples/partitions/x", 40402),
        ("/topics/samples/what", 404),
        ("/consumers/g/what", 404),
    ):
        answer = ask(site, "GET", path)
        assert (answer.status_code, answer.json()["error_code"]) == (404, code), path


# -- declared topics ---------------------------------------------------------------------------------------------------


def test_records_pass_the_door_of_their_topic_and_come_back_typed(fresh: Site) -> None:
    at = "2026-01-01T12:00:00.000001Z"
    good, wrong = sample("n1", 1.5, at=at), sample("n1", 9999.0)
    body = {
        "records": [
            {"value": good},
            {"value": wrong},
            {"value": "text"},
            {"key": "k", "value": sample("n2", -0.5, at=at)},
        ]
    }
    answer = ask(fresh, "POST", "/topics/samples", body, kind=JSON)
    assert answer.status_code == 200
    assert (answer.json()["key_schema_id"], answer.json()["value_schema_id"]) == (None, None)
    one, two, three, four = answer.json()["offsets"]
    assert one == {"partition": 0, "offset": 0, "error_code": None, "error": None}
    assert (two["error_code"], two["partition"]) == (50002, None)
    assert "value" in two["error"]
    assert three["error_code"] == 50002
    assert four["offset"] == 1
    assert [row["rule"] for row in fresh.client.get("/v1/quarantine").json()["rows"]] != []
    first, second = records(fresh, made(fresh, "g", ["samples"]))
    assert first == {
        "topic": "samples", "partition": 0, "offset": 0, "key": ["n1", "air"],
        "value": {"station": "n1", "sensor": "air", "at": at, "value": 1.5, "count": None, "note": None},
    }  # fmt: skip
    assert second["offset"] == 1
    [coded, _] = records(fresh, made(fresh, "h", ["samples"], format="binary"), BINARY)
    assert json.loads(base64.b64decode(coded["value"])) == first["value"]
    assert json.loads(base64.b64decode(coded["key"])) == ["n1", "air"]
    [typed, _] = records(fresh, made(fresh, "i", ["samples"], format="avro"), AVRO)
    assert typed["key"] == {"station": "n1", "sensor": "air"}
    assert typed["value"]["at"] == int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000 + 1
    assert typed["value"]["note"] is None


def test_binary_into_a_declared_topic_is_the_bytes_of_a_message(fresh: Site) -> None:
    value = base64.b64encode(json.dumps(sample()).encode()).decode()
    answer = ask(fresh, "POST", "/topics/samples", {"records": [{"value": value}]}, kind=BINARY)
    assert answer.json()["offsets"][0]["error_code"] is None
    answer = ask(fresh, "POST", "/topics/samples", {"records": [{"value": "%"}]}, kind=BINARY)
    assert answer.status_code == 422


def test_avro_into_a_declared_topic_by_the_registrys_own_schema(fresh: Site) -> None:
    registered = ask(fresh, "GET", "/registry/subjects/samples-value/versions/latest").json()
    at = 1_767_268_800_000_007
    value = {"station": "a", "sensor": "water", "at": at, "value": 2.0, "count": {"long": 3}, "note": None}
    body = {"value_schema_id": registered["id"], "records": [{"value": value}]}
    answer = ask(fresh, "POST", "/topics/samples", body, kind=AVRO)
    assert answer.json()["value_schema_id"] == registered["id"]
    assert answer.json()["offsets"][0]["error_code"] is None
    [found] = records(fresh, made(fresh, "g", ["samples"], format="avro"), AVRO)
    assert found["value"] == value


KEY_SCHEMA = {
    "namespace": "com.udacity",
    "type": "record",
    "name": "weather.key",
    "fields": [{"name": "timestamp", "type": "long"}],
}
VALUE_SCHEMA = {
    "namespace": "com.udacity",
    "type": "record",
    "name": "weather.value",
    "fields": [
        {"name": "temperature", "type": "float"},
        {
            "name": "status",
            "type": {
                "type": "enum",
                "name": "weather_status",
                "symbols": ["sunny", "partly_cloudy", "cloudy", "windy", "precipitation"],
            },
        },
    ],
}


def test_a_producer_of_weather_works_as_it_is(plain: Site) -> None:
    """The request as the simulated train lines send it: schemas as text, the time in the key, no accept header."""
    at = 1_767_268_800_123
    body = {
        "key_schema": json.dumps(KEY_SCHEMA),
        "value_schema": json.dumps(VALUE_SCHEMA),
        "records": [{"key": {"timestamp": at}, "value": {"temperature": 41.5, "status": "windy"}}],
    }
    for _ in range(2):
        answer = ask(plain, "POST", "/topics/org.chicago.cta.weather.v1", body, kind=AVRO)
        assert answer.status_code == 200, answer.text
        [place] = answer.json()["offsets"]
        assert place["error_code"] is None
    assert answer.json()["key_schema_id"] != answer.json()["value_schema_id"]
    assert "org.chicago.cta.weather.v1-value" in ask(plain, "GET", "/registry/subjects").json()
    assert ask(plain, "GET", "/topics").json() == ["org.chicago.cta.weather.v1", "weather"]
    found = records(plain, made(plain, "w", ["weather"]))
    assert [each["value"] for each in found] == 2 * [
        {"place": "Chicago", "at": "2026-01-01T12:00:00.123000Z", "temperature": 41.5, "status": "windy"}
    ]
    again = records(plain, made(plain, "x", ["org.chicago.cta.weather.v1"]))
    assert [each["topic"] for each in again] == ["org.chicago.cta.weather.v1"] * 2
    wait_for(lambda: plain.client.get("/v1/tables/newest").json()["rows"] != [])
    assert "/topics/org.chicago.cta.weather.v1" not in plain.client.get("/openapi.json").json()["paths"]


def test_a_partition_cannot_be_chosen_where_the_key_does(plain: Site) -> None:
    body = {"records": [{"partition": 1, "value": {}}]}
    assert ask(plain, "POST", "/topics/weather", body, kind=JSON).status_code == 422
    body = {"records": [{"partition": 2, "value": {}}]}
    assert ask(plain, "POST", "/topics/weather", body, kind=JSON).json()["error_code"] == 40402


# -- plain topics ------------------------------------------------------------------------------------------------------


def test_plain_topics_only_where_they_are_allowed(site: Site, plain: Site) -> None:
    body = {"records": [{"value": {"foo": "bar"}}]}
    assert ask(site, "POST", "/topics/jsontest", body, kind=JSON).json() == {
        "error_code": 40401, "message": "Topic not found.",
    }  # fmt: skip
    for name in ("_schemas", "_hidden", "a b", "..", "n" * 250):
        assert ask(plain, "POST", f"/topics/{name}", body, kind=JSON).status_code == 404, name
    assert ask(plain, "GET", "/topics/jsontest").status_code == 404, "asking creates nothing"
    assert ask(plain, "POST", "/topics/jsontest", body, kind=JSON).status_code == 200
    assert ask(plain, "GET", "/topics/jsontest").status_code == 200


def test_json_and_binary_as_the_documentation_shows(plain: Site) -> None:
    body = {
        "records": [
            {"key": "somekey", "value": {"foo": "bar"}},
            {"value": ["foo", "bar"], "partition": 0},
            {"value": 53.5},
        ]
    }
    answer = ask(plain, "POST", "/topics/docs", body, kind=JSON)
    assert sorted(each["offset"] for each in answer.json()["offsets"]) == [0, 1, 2]
    found = {json.dumps(each["value"]): each["key"] for each in records(plain, made(plain, "d", ["docs"]))}
    assert found == {'{"foo": "bar"}': "somekey", '["foo", "bar"]': None, "53.5": None}
    coded = {"records": [{"key": "a2V5", "value": "Y29uZmx1ZW50"}, {"value": "a2Fma2E=", "partition": 0}]}
    assert ask(plain, "POST", "/topics/bytes", coded, kind=BINARY).status_code == 200
    path = made(plain, "d", ["bytes"], format="binary")
    assert sorted(each["value"] for each in records(plain, path, BINARY)) == ["Y29uZmx1ZW50", "a2Fma2E="]
    broken = ask(plain, "GET", f"{made(plain, 'e', ['bytes'])}/records", accept=JSON)
    assert (broken.status_code, broken.json()["error_code"]) == (500, 50002)


USER = '{"type":"record","name":"User","fields":[{"name":"name","type":"string"},{"name":"age","type":["null","int"]}]}'


def test_avro_into_a_plain_topic_is_the_wire_format(plain: Site) -> None:
    body = {
        "value_schema": USER,
        "key_schema": '"string"',
        "records": [{"key": "k", "value": {"name": "n", "age": {"int": 3}}}],
    }
    answer = ask(plain, "POST", "/topics/users", body, kind=AVRO).json()
    number = answer["value_schema_id"]
    again = {"value_schema_id": number, "records": [{"value": {"name": "m", "age": None}}]}
    assert ask(plain, "POST", "/topics/users", again, kind=AVRO).json()["value_schema_id"] == number
    found = records(plain, made(plain, "u", ["users"], format="avro"), AVRO)
    assert sorted((each["key"] or "", each["value"]["name"], each["value"]["age"] or 0) for each in found) == [
        ("", "m", 0), ("k", "n", {"int": 3}),
    ]  # fmt: skip
    values = [
        base64.b64decode(each["value"]) for each in records(plain, made(plain, "v", ["users"], format="binary"), BINARY)
    ]
    assert {avro.unframed(value)[0] for value in values} == {number}
    assert {"name": "n", "age": 3} in [avro.read(avro.unframed(value)[1], USER) for value in values]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"records": [{"value": 1}]}, 422, 42202),
        ({"records": [{"key": 1}], "value_schema": USER}, 422, 42201),
        ({"records": [{"value": {"name": 1}}], "value_schema": USER}, 422, 42203),
        ({"records": [{"value": {"name": "n", "age": 3}}], "value_schema": USER}, 422, 42203),
        ({"records": [{"value": 1}], "value_schema": "{"}, 422, 42205),
        ({"records": [{"value": 1}], "value_schema": '{"type":"what"}'}, 422, 42205),
        ({"records": [{"value": 1}], "value_schema_id": 999}, 408, 40801),
        ({"records": [{"value": 1}], "value_schema_id": "x"}, 422, 422),
        ({"records": [{"value": 1}], "value_schema": '"int"'}, 408, 40801),
        ({"records": []}, 422, 422),
        ({"records": [1]}, 422, 422),
        ({}, 422, 422),
    ],
)
def test_what_is_wrong_with_a_whole_request(plain: Site, body: Any, status: int, code: int) -> None:
    first = {"value_schema": USER, "records": [{"value": {"name": "n", "age": None}}]}
    assert ask(plain, "POST", "/topics/wrong", first, kind=AVRO).status_code == 200
    answer = ask(plain, "POST", "/topics/wrong", body, kind=AVRO)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text


def test_a_partition_of_a_plain_topic(plain: Site) -> None:
    body = {"records": [{"value": 1}]}
    assert ask(plain, "POST", "/topics/part", body, kind=JSON).status_code == 200
    answer = ask(plain, "POST", "/topics/part/partitions/0", body, kind=JSON)
    assert answer.json()["offsets"][0] == {"partition": 0, "offset": 1, "error_code": None, "error": None}
    assert ask(plain, "POST", "/topics/part/partitions/1", body, kind=JSON).json()["error_code"] == 40402
    assert ask(plain, "GET", "/topics/part/partitions/0/offsets").json() == {"beginning_offset": 0, "end_offset": 2}


# -- what holds for all of it ------------------------------------------------------------------------------------------


def test_limits_and_media_types(plain: Site) -> None:
    body = {"records": [{"value": 1}]}
    assert ask(plain, "POST", "/topics/lim", body, kind="text/plain").status_code == 415
    assert ask(plain, "POST", "/topics/lim", body, kind=JSON, host="evil.example").status_code == 421
    assert ask(plain, "POST", "/topics/lim", body, kind=JSON, origin="http://evil.example").status_code == 403
    deep = b'{"records":[{"value":' + b"[" * 100 + b"]" * 100 + b"}]}"
    for bad in (deep, b"{", b'{"records":[{"value":1}]', b"\xff", b""):
        answer = ask(plain, "POST", "/topics/lim", bad, kind=JSON)
        assert answer.status_code in (400, 422), bad[:30]
        assert set(answer.json()) == {"error_code", "message"}
    many = {"records": [{"value": 1}] * 5001}
    assert ask(plain, "POST", "/topics/lim", many, kind=JSON).status_code == 413
    assert ask(plain, "POST", "/topics/lim", b" " * (9 << 20), kind=JSON).status_code == 413
    assert ask(plain, "GET", "/topics/lim").status_code == 404, "nothing of it created the topic"
