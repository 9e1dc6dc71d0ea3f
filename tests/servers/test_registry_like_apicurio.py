"""The same calls to our registry and to Apicurio's: status, codes and bodies agree, but for the table below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from cluster import apicurio
from registry_calls import CALLS, Said, run
from server_site import Site
from wayside.errors import WaysideError
from wayside.record import Record
from wayside.wire import avro
from wayside.wire.registry import RegistryClient

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(apicurio.missing() is not None, reason=f"servers: {apicurio.missing()}"),
]


class Thing(Record, key="id"):
    """A thing with a name."""

    id: int
    name: str | None


# Members that it always adds and that Confluent leaves out for Avro; asked for below, then not compared.
ADDED = [("references", []), ("schemaType", "AVRO")]
# What each answers where they differ: status, and the members that differ. Ours is what Confluent documents.
DIFFERENCES: dict[str, tuple[tuple[int, Any], tuple[int, Any], str]] = {
    "types": ((200, ["AVRO"]), (200, ["AVRO", "JSON", "PROTOBUF"]), "we have Avro alone"),
    "set the global level": (
        (200, {"compatibility": "BACKWARD"}),
        (200, {"compatibilityLevel": "BACKWARD"}),
        "Confluent answers the member that was sent",
    ),
    "set a level": (
        (200, {"compatibility": "FULL_TRANSITIVE"}),
        (200, {"compatibilityLevel": "FULL_TRANSITIVE"}),
        "the same",
    ),
    "another level": ((200, {"compatibility": "BACKWARD"}), (200, {"compatibilityLevel": "BACKWARD"}), "the same"),
    "no checks": ((200, {"compatibility": "NONE"}), (200, {"compatibilityLevel": "NONE"}), "the same"),
    "the global mode": ((200, {"mode": "READWRITE"}), (404, ""), "it has no modes"),
    "would it do": (
        (200, {"is_compatible": True, "messages": []}),
        (200, {"is_compatible": True}),
        "verbose answers have a list of messages, an empty one too",
    ),
    "version 0": ((422, {"error_code": 42202}), (404, {"error_code": 40402}), "no version can have this number"),
    "version x": ((422, {"error_code": 42202}), (404, {"error_code": 40402}), "the same"),
    "level of a subject without one": (
        (404, {"error_code": 40408}),
        (200, {"compatibilityLevel": "NONE"}),
        "a level is inherited only where the client asks for it",
    ),
    "not a level": (
        (422, {"error_code": 42203}),
        (500, {"error_code": 0}),
        "the request is at fault",
    ),
    "not deleted yet": ((404, {"error_code": 40407}), (409, {"error_code": 40407}), "the code begins with its status"),
    "deleted already": ((404, {"error_code": 40406}), (409, {"error_code": 40406}), "the same"),
    "not yet for good": ((404, {"error_code": 40405}), (409, {"error_code": 40405}), "the same"),
    "anything goes": (
        (200, {"id": 7}),
        (409, {"error_code": 409}),
        "a subject's own level is stronger",
    ),
}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process, address = apicurio.start(tmp_path_factory.mktemp("apicurio"))
    yield address
    process.stop()


def test_answers_agree_but_for_the_listed_differences(theirs: str) -> None:
    with Site() as site:
        mine, other = plain(run(site.base + "/registry")), plain(run(theirs))
    found = {call.name: (mine[call.name], other[call.name]) for call in CALLS if mine[call.name] != other[call.name]}
    assert found == {name: row[:2] for name, row in DIFFERENCES.items()}


def test_our_client_of_a_registry(theirs: str) -> None:
    frame = pl.DataFrame({"id": [1, 2], "name": ["a", None]}, schema=Thing.schema())
    text = avro.value_schema(Thing)
    with Site() as site:
        for address in (theirs, site.base + "/registry"):
            with RegistryClient(address) as client:
                number = client.register("things-value", text)
                messages = avro.encode(frame, text, number)
            with RegistryClient(address) as other:
                assert avro.decode(messages, Thing, other.schema).frame.equals(frame)
                with pytest.raises(WaysideError, match=r"[Ii]ncompatible"):
                    other.register("things-value", text.replace('"long"', '"boolean"'))
                with pytest.raises(WaysideError, match="999"):
                    other.schema(999)


def plain(said: dict[str, Said]) -> dict[str, Any]:
    """Answers without what may differ: words of errors, ids (by first appearance instead), subjects of our plan."""
    ids: dict[int, int] = {}
    return {name: (each.status, body(each, ids)) for name, each in said.items()}


def body(said: Said, ids: dict[int, int]) -> Any:
    """The body of one answer."""
    found = said.body
    if isinstance(found, dict):
        found = {name: value for name, value in found.items() if name != "message" and (name, value) not in ADDED}
        if "id" in found:
            found["id"] = ids.setdefault(found["id"], len(ids) + 1)
    if isinstance(found, list) and all(isinstance(each, str) for each in found):
        found = sorted(each for each in found if not each.startswith("samples-"))
    return found
