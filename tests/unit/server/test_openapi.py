"""The OpenAPI is written from the declarations, and the server does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.openapi.models import OpenAPI

from server_site import RECORDS, Site
from wayside.server.compat import CompatibleRoute
from wayside.server.ingest import NoDoor

PAGE = {"/openapi.json", "/{path:path}"}


def test_it_is_valid_and_every_reference_leads_somewhere(site: Site) -> None:
    described = site.client.get("/openapi.json").json()
    OpenAPI.model_validate(described)
    assert described["openapi"].startswith("3.1")
    known = set(described["components"]["schemas"])
    text = site.client.get("/openapi.json").text
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= known
    ids = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_route_is_described_and_nothing_else(site: Site) -> None:
    paths = site.client.get("/openapi.json").json()["paths"]
    for route in site.app.router.routes:
        if route.path in PAGE or isinstance(route, NoDoor | CompatibleRoute):
            continue
        pattern = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route.path)) + "$")
        fitting = {method for path, methods in paths.items() if pattern.match(path) for method in methods}
        assert fitting >= {method.lower() for method in route.methods - {"HEAD"}}, route.path
    for path, methods in paths.items():
        for method in methods:
            assert site.client.request("OPTIONS", path).headers["allow"].lower().count(method), (method, path)


def test_records_are_described_from_their_declaration(site: Site) -> None:
    posting = site.client.get("/openapi.json").json()["paths"][RECORDS]["post"]
    content = posting["requestBody"]["content"]
    one, many = content["application/json"]["schema"]["anyOf"]
    assert one["properties"]["value"]["description"] == "the temperature Unit (UCUM): Cel."
    assert one["properties"]["value"]["maximum"] == 90
    assert many["maxItems"] == 5000
    assert site.post(content["application/json"]["example"]).status_code == 202
    lines = content["application/x-ndjson"]["example"].encode()
    answer = site.client.post(RECORDS, content=lines, headers={"content-type": "application/x-ndjson"})
    assert answer.json()["accepted"] == 2


def test_every_example_works(site: Site) -> None:
    for path, methods in site.client.get("/openapi.json").json()["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        if "example" in content.get("application/json", {}):
            answer = site.post(content["application/json"]["example"], path)
            assert answer.status_code < 300, (path, answer.text)


@pytest.mark.parametrize(
    ("phases", "examples"),
    [("examples,coverage", "1"), pytest.param("fuzzing", "150", marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_schemathesis_finds_nothing(fresh: Site, phases: str, examples: str) -> None:
    """All checks of schemathesis over the whole API, except the live stream, which does not end."""
    here = Path(__file__).parent
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(here / "schemathesis.toml")]
    command += ["run", f"{fresh.base}/openapi.json", "--checks", "all", "--no-color", "--phases", phases]
    command += ["--max-examples", examples, "--exclude-path-regex", "^(/v1/live|/api/fails|/api/panics)$"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(here.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "No issues found" in done.stdout
