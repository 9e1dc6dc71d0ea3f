"""The REST Proxy as its clients know it: bodies as Confluent's documentation shows them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import httpx2
import polars as pl
import pytest

from server_site import Site, sample, wait_for
from wayside.domain import Domain, Plan, Topic
from wayside.record import Record, field
from wayside.server.limits import Limits
from wayside.wire import avro

JSON, BINARY, AVRO = (f"application/vnd.kafka.{kind}.v2+json" for kind in ("json", "binary", "avro"))
PLAIN = "application/vnd.kafka.v2+json"


class Report(Record, key="place", time="at"):
    """The weather at one moment."""

    place: str
    at: datetime
    temperature: float = field(unit="[degF]", ge=-100, le=200)
    status: Literal["sunny", "partly_cloudy", "cloudy", "windy", "precipitation"]


class Posted(Record):
    """The weather as it is posted: milliseconds in the key, the rest in the value."""

    timestamp: int
    temperature: float
    status: Literal["sunny", "partly_cloudy", "cloudy", "windy", "precipitation"]


class Proxied:
    """A push feed whose path is that of a topic of the REST Proxy."""

    kind: ClassVar[str] = "push"
    path = "/topics/org.chicago.cta.weather.v1"
    status = 200


def reported(rows: pl.LazyFrame) -> pl.LazyFrame:
    at = pl.from_epoch("timestamp", time_unit="ms").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    return rows.select(place=pl.lit("Chicago"), at=at, temperature="temperature", status="status")


def weather() -> Plan:
    topic = Topic("weather", Report, partitions=2)
    topic.feed("station", Proxied(), wire=Posted, parse=reported)
    return Plan.of([Domain("w", "Weather", [topic.table("newest")])])


@pytest.fixture(scope="module")
def plain() -> Iterator[Site]:
    """A server that creates topics, of a plan with a feed for the proxy."""
    with Site(declared=weather(), create_topics=True) as opened:
        yield opened


def ask(site: Site, method: str, path: str, body: Any = None, *, kind: str = PLAIN, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else (None if body is None else json.dumps(body).encode())
    named = {} if content is None else {"content-type": kind}
    return site.client.request(method, path, content=content, headers={**named, **headers})


def made(site: Site, group: str, topics: list[str] | None = None, **config: Any) -> str:
    """The path of a new consumer, which subscribes to topics."""
    given = {"auto.offset.reset": "earliest", "format": "json", **config}
    answer = ask(site, "POST", f"/consumers/{group}", given)
    assert answer.status_code == 200, answer.text
    path = str(answer.json()["base_uri"]).removeprefix(site.base)
    if topics is not None:
        assert ask(site, "POST", f"{path}/subscription", {"topics": topics}).status_code == 204
    return path


def records(site: Site, path: str, kind: str = JSON, **params: Any) -> list[Any]:
    query = "&".join(f"{name}={value}" for name, value in {"timeout": 300, **params}.items())
    answer = ask(site, "GET", f"{path}/records?{query}", accept=kind)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == kind
    return list(answer.json())


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


# -- consumers ---------------------------------------------------------------------------------------------------------


def produce(site: Site, topic: str, *values: Any) -> None:
    body = {"records": [{"value": value, "partition": 0} for value in values]}
    assert ask(site, "POST", f"/topics/{topic}", body, kind=JSON).status_code == 200


def values(found: list[Any]) -> list[Any]:
    return [each["value"] for each in found]


def test_the_life_of_a_consumer(plain: Site) -> None:
    produce(plain, "life", 1, 2)
    config = {"name": "my_consumer", "format": "json", "auto.offset.reset": "earliest", "auto.commit.enable": "false"}
    answer = ask(plain, "POST", "/consumers/life", config)
    path = "/consumers/life/instances/my_consumer"
    assert answer.json() == {"instance_id": "my_consumer", "base_uri": plain.base + path}
    assert ask(plain, "POST", "/consumers/life", config).json()["error_code"] == 40902
    assert ask(plain, "GET", f"{path}/records", accept=JSON).json()["error_code"] == 40903
    assert ask(plain, "POST", f"{path}/subscription", {"topics": ["life"]}).status_code == 204
    assert ask(plain, "GET", f"{path}/subscription").json() == {"topics": ["life"]}
    assert ask(plain, "GET", f"{path}/assignments").json() == {"partitions": [{"topic": "life", "partition": 0}]}
    assert ask(plain, "GET", f"{path}/records", accept=BINARY).json()["error_code"] == 40601
    assert values(records(plain, path)) == [1, 2]
    assert records(plain, path, timeout=20) == []
    place = {"topic": "life", "partition": 0}
    assert ask(plain, "GET", f"{path}/offsets", {"partitions": [place]}).json() == {"offsets": []}
    assert ask(plain, "POST", f"{path}/offsets", {"offsets": [{**place, "offset": 0}]}).status_code == 204
    committed = ask(plain, "GET", f"{path}/offsets", {"partitions": [place]}).json()
    assert committed == {"offsets": [{**place, "offset": 1, "metadata": ""}]}
    for move, body, expected in (
        ("", {"offsets": [{**place, "offset": 1}]}, [2]),
        ("/beginning", {"partitions": [place]}, [1, 2]),
        ("/end", {"partitions": [place]}, []),
    ):
        assert ask(plain, "POST", f"{path}/positions{move}", body).status_code == 204
        assert values(records(plain, path, timeout=20)) == expected
    assert ask(plain, "DELETE", path).status_code == 204
    assert ask(plain, "DELETE", path).json() == {"error_code": 40403, "message": "Consumer instance not found."}
    assert ask(plain, "GET", f"{path}/records").json()["error_code"] == 40403
    follower = made(plain, "life", ["life"])
    assert values(records(plain, follower)) == [2], "the group goes on where it had committed"


def test_a_consumer_that_commits_by_itself(plain: Site) -> None:
    produce(plain, "auto", 1)
    first = made(plain, "auto", ["auto"])
    assert values(records(plain, first)) == [1]
    assert ask(plain, "DELETE", first).status_code == 204
    produce(plain, "auto", 2)
    assert values(records(plain, made(plain, "auto", ["auto"]))) == [2]
    assert all(not group.startswith("auto") for group in plain.broker._groups), "a client's group is no group of ours"


def test_committing_all_that_was_returned(plain: Site) -> None:
    produce(plain, "all", 1, 2)
    path = made(plain, "all", ["all"], **{"auto.commit.enable": "false"})
    assert values(records(plain, path)) == [1, 2]
    assert ask(plain, "POST", f"{path}/offsets").status_code == 204
    assert ask(plain, "GET", f"{path}/offsets").json()["offsets"][0]["offset"] == 2
    beyond = {"offsets": [{"topic": "all", "partition": 0, "offset": 99}]}
    assert ask(plain, "POST", f"{path}/offsets", beyond).json()["error_code"] == 50002


def test_assignment_by_hand(plain: Site) -> None:
    produce(plain, "hand", 1)
    path = made(plain, "hand")
    place = {"topic": "hand", "partition": 0}
    for wrong, code in (({**place, "topic": "no"}, 40401), ({**place, "partition": 3}, 40402), ({"topic": 1}, 422)):
        assert ask(plain, "POST", f"{path}/assignments", {"partitions": [wrong]}).json()["error_code"] == code
    assert ask(plain, "POST", f"{path}/positions/end", {"partitions": [place]}).json()["error_code"] == 40903
    assert ask(plain, "POST", f"{path}/assignments", {"partitions": [place]}).status_code == 204
    assert values(records(plain, path)) == [1]
    assert ask(plain, "POST", f"{path}/subscription", {"topics": ["hand"]}).json()["error_code"] == 40903
    assert ask(plain, "DELETE", f"{path}/subscription").status_code == 204
    assert ask(plain, "POST", f"{path}/subscription", {"topics": ["hand"]}).status_code == 204
    assert ask(plain, "POST", f"{path}/assignments", {"partitions": [place]}).json()["error_code"] == 40903


def test_two_consumers_of_a_group_share_the_partitions(plain: Site) -> None:
    first, second = made(plain, "share", ["weather"]), made(plain, "share", ["weather"])
    found = [ask(plain, "GET", f"{path}/assignments").json()["partitions"] for path in (first, second)]
    assert [len(each) for each in found] == [1, 1]
    assert found[0] != found[1]
    ask(plain, "DELETE", second)
    assert len(ask(plain, "GET", f"{first}/assignments").json()["partitions"]) == 2


def test_a_pattern_of_topics(plain: Site) -> None:
    produce(plain, "pat-1", "a")
    produce(plain, "pat-2", "b")
    path = made(plain, "pattern")
    assert ask(plain, "POST", f"{path}/subscription", {"topic_pattern": "pat-[0-9]"}).status_code == 204
    assert sorted(values(records(plain, path) + records(plain, path, timeout=20))) == ["a", "b"]
    for pattern in ("(", 1, "x" * 300):
        assert ask(plain, "POST", f"{path}/subscription", {"topic_pattern": pattern}).status_code == 422
    both = {"topics": ["pat-1"], "topic_pattern": "p"}
    assert ask(plain, "POST", f"{path}/subscription", both).json()["error_code"] == 40903


def test_no_more_bytes_than_asked_for(plain: Site) -> None:
    produce(plain, "bytes-cap", *["x" * 100] * 10)
    path = made(plain, "cap", ["bytes-cap"])
    assert len(records(plain, path, max_bytes=1)) == 1
    assert len(records(plain, path, max_bytes=600)) == 3
    assert len(records(plain, path)) == 6
    assert ask(plain, "GET", f"{path}/records?timeout=-1").status_code == 422


def test_the_newest_only(plain: Site) -> None:
    produce(plain, "newest-only", 1)
    path = made(plain, "late", ["newest-only"], **{"auto.offset.reset": "latest"})
    assert records(plain, path, timeout=20) == []
    produce(plain, "newest-only", 2)
    assert values(records(plain, path, timeout=3000)) == [2]


@pytest.mark.parametrize(
    "config",
    [{"format": "xml"}, {"auto.offset.reset": "middle"}, {"auto.commit.enable": "maybe"}, {"plugin.library.paths": "x"},
     {"name": "a/b"}, {"name": "n" * 300}],
)  # fmt: skip
def test_a_consumer_that_cannot_be(plain: Site, config: dict[str, str]) -> None:
    assert ask(plain, "POST", "/consumers/g", config).json()["error_code"] == 42204


def test_consumers_are_few_and_end_when_nobody_asks_them() -> None:
    with Site(limits=Limits(consumers=2, consumer_seconds=0.5)) as site:
        first = made(site, "g", ["samples"])
        made(site, "g")
        answer = ask(site, "POST", "/consumers/g", {})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        wait_for(lambda: ask(site, "POST", "/consumers/g", {}).status_code == 200)
        assert ask(site, "GET", f"{first}/records").json()["error_code"] == 40403


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
