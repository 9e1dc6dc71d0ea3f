"""The schema registry as a stranger's client meets it: Confluent's own client, and plain requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from registry_calls import MEDIA, V1, V2, V3, Said, record, run
from server_site import Site
from wayside.broker import EmbeddedBroker, MemoryBroker
from wayside.clock import SYSTEM
from wayside.server.registry import rules
from wayside.server.registry.state import TOPIC, State
from wayside.server.registry.store import SchemaStore

PREFIX = "/registry"


@pytest.fixture
def client(site: Site) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": site.base + PREFIX}) as found:
        yield found


def text(body: dict[str, Any]) -> str:
    return str(body["schema"])


# -- Confluent's client ------------------------------------------------------------------------------------------------


def test_serializer_and_deserializer_there_and_back(site: Site, client: SchemaRegistryClient) -> None:
    schema = {
        "type": "record",
        "name": "Ride",
        "fields": [
            {"name": "bike", "type": "string"},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["LENT", "BACK"]}},
            {"name": "metres", "type": ["null", "double"], "default": None},
        ],
    }
    context = SerializationContext("rides", MessageField.VALUE)
    serialize = AvroSerializer(client, json.dumps(schema))
    value = {"bike": "b1", "at": datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC), "kind": "BACK", "metres": 1.25}
    message = serialize(value, context)
    assert message is not None
    assert message[0] == 0
    with SchemaRegistryClient({"url": site.base + PREFIX}) as other:
        assert AvroDeserializer(other)(message, context) == value
    registered = client.get_latest_version("rides-value")
    assert int.from_bytes(message[1:5], "big") == registered.schema_id


def test_the_clients_calls(client: SchemaRegistryClient) -> None:
    first = client.register_schema("c-value", Schema(text(V1), "AVRO"))
    assert client.register_schema("d-value", Schema(text(V1), "AVRO")) == first, "one schema has one id"
    assert client.test_compatibility("c-value", Schema(text(V2), "AVRO"))
    assert not client.test_compatibility("c-value", Schema(text(V3), "AVRO"))
    second = client.register_schema("c-value", Schema(text(V2), "AVRO"))
    assert second > first
    assert client.get_versions("c-value") == [1, 2]
    assert client.lookup_schema("c-value", Schema(text(V1), "AVRO")).version == 1
    assert json.loads(client.get_schema(second).schema_str) == json.loads(text(V2))
    assert {"c-value", "d-value"} <= set(client.get_subjects())
    client.set_compatibility("c-value", "FULL")
    assert client.get_compatibility("c-value") == "FULL"
    assert client.delete_version("c-value", 2) == 2
    assert client.delete_subject("d-value") == [1]
    assert client.delete_subject("d-value", permanent=True) == [1]
    with pytest.raises(SchemaRegistryError) as caught:
        client.register_schema("c-value", Schema(text(record(("id", "string"))), "AVRO"))
    assert (caught.value.http_status_code, caught.value.error_code) == (409, 409)
    assert "/fields/0/type" in str(caught.value)


def test_the_plans_topics_are_registered_by_themselves(client: SchemaRegistryClient) -> None:
    value = json.loads(client.get_latest_version("samples-value").schema.schema_str or "")
    assert [each["name"] for each in value["fields"]] == ["station", "sensor", "at", "value", "count", "note"]
    assert next(each for each in value["fields"] if each["name"] == "value")["unit"] == "Cel"
    key = json.loads(client.get_latest_version("samples-key").schema.schema_str or "")
    assert [each["name"] for each in key["fields"]] == ["station", "sensor"]


# -- plain requests ----------------------------------------------------------------------------------------------------


def test_what_each_call_answers(fresh: Site) -> None:
    found = run(fresh.base + PREFIX)
    codes = {name: each.code for name, each in found.items() if each.status >= 400}
    assert codes == {
        "lookup before anything": 40401,
        "versions of nothing": 40401,
        "delete nothing": 40401,
        "no such id": 40403,
        "not JSON": 42201,
        "not a schema": 42201,
        "a record without fields": 42201,
        "incompatible": 409,
        "lookup of another": 40403,
        "version 7": 40402,
        "version 0": 42202,
        "version x": 42202,
        "level of a subject without one": 40408,
        "not a level": 42203,
        "dropping a field is not full": 409,
        "not deleted yet": 40407,
        "deleted already": 40406,
        "the deleted one is not found": 40402,
        "no such version to delete": 40402,
        "not yet for good": 40405,
        "delete it again": 40404,
        "gone for good": 40401,
        "an enum with less": 409,
        "a union with less": 409,
    }
    assert all(set(each.body) == {"error_code", "message"} for each in found.values() if each.status >= 400)
    assert found["would it do"] == Said(200, {"is_compatible": True, "messages": []})
    assert found["it would not"] == Said(200, {"is_compatible": False})
    assert found["versions without it"].body == [1, 2]
    assert found["versions with it"].body == [1, 2, 3]
    assert "at path '/fields/1' in the new schema" in found["incompatible"].body["message"]
    assert set(found["latest"].body) == {"subject", "version", "id", "schema"}


def ask(site: Site, method: str, path: str, body: Any = None, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else (None if body is None else json.dumps(body).encode())
    named = {"content-type": MEDIA, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return site.client.request(method, PREFIX + path, content=content, headers=named)


def test_media_type_and_form_of_errors(site: Site) -> None:
    answer = ask(site, "GET", "/nonsense")
    assert answer.headers["content-type"] == MEDIA
    assert (answer.status_code, answer.json()) == (404, {"error_code": 404, "message": "HTTP 404 Not Found"})
    assert ask(site, "POST", "/subjects/s/versions", V1, content_type="text/plain").status_code == 415
    assert ask(site, "POST", "/subjects/s/versions", V1, host="evil.example").status_code == 421
    assert ask(site, "POST", "/subjects/s/versions", V1, origin="http://evil.example").status_code == 403
    for body in (b"{", b"[]", b'"x"', b"[" * 50_000 + b"]" * 50_000, b"\xff", b""):
        answer = ask(site, "POST", "/subjects/s/versions", body)
        assert answer.status_code in (400, 422), body[:20]
        assert set(answer.json()) == {"error_code", "message"}
    long = ask(site, "POST", "/subjects/s/versions", {"schema": json.dumps({"type": "int", "doc": "x" * 300_000})})
    assert long.json()["error_code"] == 42209
    large = ask(site, "POST", "/subjects/s/versions", b'{"schema":"' + b"x" * (9 << 20) + b'"}')
    assert large.status_code == 413
    for path in ("/subjects/" + "n" * 300 + "/versions", "/subjects/a%00b/versions"):
        assert ask(site, "POST", path, V1).json()["error_code"] == 42208
    assert ask(site, "GET", "/schemas/ids/x").status_code == 404


def test_other_kinds_of_schema_are_refused_in_words(site: Site) -> None:
    for body in ({"schema": "{}", "schemaType": "JSON"}, {**V1, "references": [{"name": "a"}]}, {"schema": 1}):
        answer = ask(site, "POST", "/subjects/s/versions", body)
        assert answer.json()["error_code"] == 42201
        assert "not supported" in answer.json()["message"] or "missing" in answer.json()["message"]


def test_levels_of_all_and_of_one(fresh: Site) -> None:
    assert ask(fresh, "PUT", "/config", {"compatibility": "forward"}).json() == {"compatibility": "FORWARD"}
    assert ask(fresh, "POST", "/subjects/s/versions", V1).status_code == 200
    assert ask(fresh, "POST", "/subjects/s/versions", V3).status_code == 200, "old readers skip a new field"
    refused = ask(fresh, "POST", "/subjects/s/versions", record(("needed", "string")))
    assert "'id' at path '/fields/0' in the old schema" in refused.json()["message"]
    assert ask(fresh, "DELETE", "/config").json() == {"compatibilityLevel": "FORWARD"}
    assert ask(fresh, "GET", "/config").json() == {"compatibilityLevel": "BACKWARD"}


@pytest.mark.parametrize(
    ("level", "schema", "allowed"),
    [
        ("BACKWARD", record(("a", "int"), ("b", "int", 0), ("d", "int", 0)), True),
        ("BACKWARD_TRANSITIVE", record(("a", "int"), ("b", "int"), ("c", "int", 0)), False),
        ("BACKWARD", record(("a", "int"), ("b", "int"), ("c", "int", 0)), True),
        ("FORWARD_TRANSITIVE", record(("a", "int"), ("b", "int"), ("c", "int")), True),
        ("FORWARD_TRANSITIVE", record(("b", "int")), False),
        ("FULL", record(("a", "int"), ("b", "int"), ("c", "int")), False),
        ("FULL_TRANSITIVE", record(("a", "int"), ("b", "int", 1), ("c", "int", 0)), True),
        ("NONE", record(("z", "string")), True),
    ],
)
def test_every_level(level: str, schema: dict[str, Any], allowed: bool) -> None:
    store = SchemaStore(MemoryBroker(), SYSTEM)
    for earlier in (record(("a", "int")), record(("a", "int"), ("b", "int", 0))):
        store.change(rules.register("s", rules.schema_text(text(earlier))))
    store.change(rules.set_level("s", level))
    new = rules.schema_text(text(schema))
    assert store.read(lambda state: not rules.compatible(state, "s", new, None)) is allowed


def test_a_read_only_subject(fresh: Site) -> None:
    assert ask(fresh, "GET", "/mode").json() == {"mode": "READWRITE"}
    assert ask(fresh, "GET", "/mode/s").json()["error_code"] == 40409
    assert ask(fresh, "PUT", "/mode/s", {"mode": "READONLY"}).json() == {"mode": "READONLY"}
    assert ask(fresh, "POST", "/subjects/s/versions", V1).json()["error_code"] == 42205
    assert ask(fresh, "PUT", "/mode", {"mode": "odd"}).json()["error_code"] == 42204
    assert ask(fresh, "PUT", "/mode", {"mode": "IMPORT"}).json()["error_code"] == 42205
    assert ask(fresh, "DELETE", "/mode/s").json() == {"mode": "READONLY"}
    assert ask(fresh, "POST", "/subjects/s/versions", V1).status_code == 200


def test_where_a_schema_is(fresh: Site) -> None:
    number = ask(fresh, "POST", "/subjects/a/versions", V1).json()["id"]
    ask(fresh, "POST", "/subjects/b/versions", V1)
    assert ask(fresh, "GET", f"/schemas/ids/{number}/subjects").json() == ["a", "b"]
    assert ask(fresh, "GET", f"/schemas/ids/{number}/versions").json()[0] == {"subject": "a", "version": 1}
    assert ask(fresh, "GET", f"/schemas/ids/{number}/schema").json() == json.loads(text(V1))
    assert [each["subject"] for each in ask(fresh, "GET", "/schemas?subjectPrefix=a&latestOnly=true").json()] == ["a"]
    for subject in "ab":
        ask(fresh, "DELETE", f"/subjects/{subject}")
        assert ask(fresh, "GET", f"/schemas/ids/{number}").status_code == 200, "a reader may still need it"
        ask(fresh, "DELETE", f"/subjects/{subject}?permanent=true")
    assert ask(fresh, "GET", f"/schemas/ids/{number}").json()["error_code"] == 40403


# -- the log beneath ---------------------------------------------------------------------------------------------------


def test_replicas_that_write_at_once_agree() -> None:
    broker = MemoryBroker()
    stores = [SchemaStore(broker, SYSTEM) for _ in range(4)]
    names = [f"R{number}" for number in range(12)]
    start = threading.Barrier(len(stores))

    def work(store: SchemaStore) -> dict[str, int]:
        start.wait()
        return {
            name: store.change(
                rules.register(f"s{at % 3}", rules.schema_text(text(record(("a", "int"), name=name))))
            ).id
            for at, name in enumerate(names)
        }

    SchemaStore(broker, SYSTEM).change(rules.set_level("", "NONE"))
    with ThreadPoolExecutor(len(stores)) as pool:
        found = list(pool.map(work, stores))
    assert all(each == found[0] for each in found)
    assert sorted(found[0].values()) == list(range(1, 13))
    late = SchemaStore(broker, SYSTEM)
    states = [store.read(lambda state: state) for store in (*stores, late)]
    assert all(state == states[0] for state in states)
    assert [each.version for each in states[0].versions("s0")] == [1, 2, 3, 4]


def test_what_was_registered_outlives_the_process(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    first = SchemaStore(broker, SYSTEM)
    for body in (V1, V2):
        first.change(rules.register("s", rules.schema_text(text(body))))
    first.change(rules.delete_subject("s", permanent=False))
    first.change(rules.delete_subject("s", permanent=True))
    before = first.read(lambda state: state)
    broker.close()
    broker = EmbeddedBroker(tmp_path)
    try:
        second = SchemaStore(broker, SYSTEM)
        assert second.read(lambda state: state) == before
        new = second.change(rules.register("s", rules.schema_text(text(V3))))
        again = second.change(rules.register("t", rules.schema_text(text(V2))))
    finally:
        broker.close()
    assert new == (3, 1), "an id is never given twice"
    assert again.id == 2, "and a schema keeps its own"


def test_a_change_that_came_second_never_happened() -> None:
    state = State()
    assert state.apply(0, '[["schema","s",1,1,"\\"int\\""]]')
    assert not state.apply(0, '[["schema","s",1,1,"\\"long\\""]]')
    assert state.texts == {1: '"int"'}
    assert state.revision == 1


def test_the_log_of_the_registry_is_no_topic_of_the_api(site: Site) -> None:
    assert ask(site, "GET", "/subjects").status_code == 200
    assert TOPIC in site.broker.topics()
    assert TOPIC not in [each["name"] for each in site.client.get("/v1/topics").json()]
    assert site.client.get(f"/v1/topics/{TOPIC}/records").status_code == 404
