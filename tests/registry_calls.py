"""One list of calls that any registry with Confluent's API answers, and what it answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx2

MEDIA = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True)
class Call:
    """A request by a name that says what it is about."""

    name: str
    method: str
    path: str
    body: Any = None


@dataclass(frozen=True)
class Said:
    """What a registry answered; the body is JSON where it can be read as such."""

    status: int
    body: Any

    @property
    def code(self) -> Any:
        """The code of an error, if it is one."""
        return self.body.get("error_code") if isinstance(self.body, dict) else None


def record(*fields: Any, name: str = "User") -> dict[str, Any]:
    """The body that registers a record with these fields, each a name, a type and perhaps a default."""
    made = [dict(zip(("name", "type", "default"), each, strict=False)) for each in fields]
    schema = {"type": "record", "name": name, "fields": made}
    return {"schema": json.dumps(schema, separators=(",", ":"))}


V1 = record(("id", "long"))
V2 = record(("id", "long"), ("note", ["null", "string"], None))
V3 = record(("id", "long"), ("needed", "string"))
V4 = record(("id", "long"), ("note", ["null", "string"], None), ("more", ["null", "int"], None))
NARROW = record(("id", "string"))

CALLS = [
    Call("set the global level", "PUT", "/config", {"compatibility": "BACKWARD"}),
    Call("types", "GET", "/schemas/types"),
    Call("the global level", "GET", "/config"),
    Call("the global mode", "GET", "/mode"),
    Call("lookup before anything", "POST", "/subjects/users-value", V1),
    Call("versions of nothing", "GET", "/subjects/users-value/versions"),
    Call("delete nothing", "DELETE", "/subjects/users-value"),
    Call("no such id", "GET", "/schemas/ids/999999"),
    Call("register", "POST", "/subjects/users-value/versions", V1),
    Call("register again", "POST", "/subjects/users-value/versions", V1),
    Call("the same under another subject", "POST", "/subjects/people-value/versions", V1),
    Call("not JSON", "POST", "/subjects/users-value/versions", {"schema": "{"}),
    Call("not a schema", "POST", "/subjects/users-value/versions", {"schema": '{"type":"nonsense"}'}),
    Call(
        "a record without fields", "POST", "/subjects/users-value/versions", {"schema": '{"type":"record","name":"a"}'}
    ),
    Call("would it do", "POST", "/compatibility/subjects/users-value/versions/latest?verbose=true", V2),
    Call("it would not", "POST", "/compatibility/subjects/users-value/versions/latest", V3),
    Call("incompatible", "POST", "/subjects/users-value/versions", V3),
    Call("compatible", "POST", "/subjects/users-value/versions", V2),
    Call("lookup", "POST", "/subjects/users-value", V2),
    Call("lookup of another", "POST", "/subjects/users-value", NARROW),
    Call("versions", "GET", "/subjects/users-value/versions"),
    Call("version 1", "GET", "/subjects/users-value/versions/1"),
    Call("latest", "GET", "/subjects/users-value/versions/latest"),
    Call("version 7", "GET", "/subjects/users-value/versions/7"),
    Call("version 0", "GET", "/subjects/users-value/versions/0"),
    Call("version x", "GET", "/subjects/users-value/versions/x"),
    Call("text of version 1", "GET", "/subjects/users-value/versions/1/schema"),
    Call("level of a subject without one", "GET", "/config/users-value"),
    Call("level of a subject, or all", "GET", "/config/users-value?defaultToGlobal=true"),
    Call("not a level", "PUT", "/config/users-value", {"compatibility": "SIDEWAYS"}),
    Call("set a level", "PUT", "/config/users-value", {"compatibility": "FULL_TRANSITIVE"}),
    Call("level of a subject", "GET", "/config/users-value"),
    Call(
        "dropping a field is not full",
        "POST",
        "/subjects/users-value/versions",
        record(("note", ["null", "string"], None)),
    ),
    Call("another level", "PUT", "/config/users-value", {"compatibility": "BACKWARD"}),
    Call("version 3", "POST", "/subjects/users-value/versions", V4),
    Call("take the level away", "DELETE", "/config/users-value"),
    Call("subjects", "GET", "/subjects"),
    Call("not deleted yet", "DELETE", "/subjects/users-value/versions/3?permanent=true"),
    Call("delete a version", "DELETE", "/subjects/users-value/versions/3"),
    Call("deleted already", "DELETE", "/subjects/users-value/versions/3"),
    Call("versions without it", "GET", "/subjects/users-value/versions"),
    Call("versions with it", "GET", "/subjects/users-value/versions?deleted=true"),
    Call("the deleted one is not found", "GET", "/subjects/users-value/versions/3"),
    Call("delete it for good", "DELETE", "/subjects/users-value/versions/3?permanent=true"),
    Call("no such version to delete", "DELETE", "/subjects/users-value/versions/9"),
    Call("not yet for good", "DELETE", "/subjects/people-value?permanent=true"),
    Call("delete a subject", "DELETE", "/subjects/people-value"),
    Call("delete it again", "DELETE", "/subjects/people-value"),
    Call("subjects without it", "GET", "/subjects"),
    Call("subjects with it", "GET", "/subjects?deleted=true"),
    Call("for good", "DELETE", "/subjects/people-value?permanent=true"),
    Call("gone for good", "DELETE", "/subjects/people-value?permanent=true"),
    Call("an enum", "POST", "/subjects/e/versions", {"schema": '{"type":"enum","name":"E","symbols":["A","B"]}'}),
    Call("an enum with less", "POST", "/subjects/e/versions", {"schema": '{"type":"enum","name":"E","symbols":["A"]}'}),
    Call("a primitive", "POST", "/subjects/p/versions", {"schema": '"int"'}),
    Call("a wider primitive", "POST", "/subjects/p/versions", {"schema": '"long"'}),
    Call("a narrower primitive", "POST", "/subjects/p/versions", {"schema": '"int"'}),
    Call("a union with less", "POST", "/subjects/p/versions", {"schema": '["null","boolean"]'}),
    Call("no checks", "PUT", "/config/p", {"compatibility": "NONE"}),
    Call("anything goes", "POST", "/subjects/p/versions", {"schema": '"boolean"'}),
    Call("compatible with a subject that is not there", "POST", "/compatibility/subjects/no/versions/latest", V1),
]


def run(base: str, calls: list[Call] = CALLS) -> dict[str, Said]:
    """Make the calls in order."""
    found: dict[str, Said] = {}
    with httpx2.Client(timeout=20) as client:
        for call in calls:
            content = None if call.body is None else json.dumps(call.body)
            headers = {"Accept": MEDIA} | ({} if content is None else {"Content-Type": MEDIA})
            answer = client.request(call.method, base + call.path, content=content, headers=headers)
            try:
                body = answer.json()
            except ValueError:
                body = answer.text
            found[call.name] = Said(answer.status_code, body)
    return found
