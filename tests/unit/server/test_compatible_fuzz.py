"""Whatever is sent to the compatible APIs, they answer in their own form, and never with a fault of the server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server_site import Site
from wayside.server.compat import CompatibleRoute

SCHEMAS = ['"int"', '{"type":"record","name":"R","fields":[]}', '["null",{"type":"enum","name":"E","symbols":["A"]}]']
WORDS = [
    "samples", "samples-value", "records", "offsets", "partitions", "topics", "topic", "partition", "offset", "value",
    "key", "schema", "value_schema", "key_schema_id", "compatibility", "mode", "FULL", "READONLY", "format", "json",
    "avro", "earliest", "auto.offset.reset", "name", "latest", "1", "0", "-1", "g", "i", *SCHEMAS,
]  # fmt: skip
texts = st.sampled_from(WORDS) | st.text(max_size=6)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
MEDIA = ["application/json", "application/vnd.kafka.json.v2+json", "application/vnd.kafka.avro.v2+json"]


@pytest.fixture(scope="module")
def routes(site: Site) -> list[CompatibleRoute]:
    found = [each for each in site.app.router.routes if isinstance(each, CompatibleRoute)]
    site.client.post("/consumers/g", json={"name": "i"})
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_nothing_that_is_sent_is_a_fault_of_the_server(site: Site, routes: list[CompatibleRoute], data: Any) -> None:
    route = data.draw(st.sampled_from(routes))
    parts = {name: data.draw(texts.filter(bool)) for name in route.param_convertors}
    path = route.path.replace("{rest:path}", "{rest}")
    for name, part in parts.items():
        path = path.replace(f"{{{name}}}", quote(part, safe=""))
    [method] = route.methods - {"HEAD"}
    content = json.dumps(data.draw(values)).encode()
    headers = {"content-type": data.draw(st.sampled_from(MEDIA))}
    query = data.draw(st.sampled_from(["", "?timeout=0", "?verbose=true&deleted=true", "?permanent=true"]))
    answer = site.client.request(method, path + query, content=content, headers=headers)
    assert answer.status_code < 500, (method, path, content, answer.text)
    if answer.status_code >= 400 and "problem" not in answer.headers["content-type"]:
        assert set(answer.json()) == {"error_code", "message"}
