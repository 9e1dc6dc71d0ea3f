"""Listing, changing and deleting topics: who may, what is refused, and that it is done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from server_site import TOKEN, Site
from wayside.runtime.folder import Folder
from wayside.specs import TopicSpec

ADMIN = {"authorization": f"Bearer {TOKEN}"}
WEEK = {"retention": {"age_seconds": 604_800}}


@pytest.fixture
def leftover(site: Site) -> str:
    """A topic that no domain declares."""
    site.broker.create(TopicSpec("left over ü", pl.Schema({"x": pl.Int64()}), retention_bytes=5_000))
    site.broker.append("left over ü", pl.DataFrame({"x": [1, 2, 3]})).result(30)
    return "/v1/topics/left%20over%20%C3%BC"


def test_all_topics_are_listed_for_who_asks(site: Site, leftover: str) -> None:
    declared = [topic["name"] for topic in site.client.get("/v1/topics").json()]
    assert "samples" in declared
    assert "left over ü" not in declared
    every = {topic["name"]: topic for topic in site.client.get("/v1/topics?all=true").json()}
    assert set(declared) < set(every)
    found = every["left over ü"]
    assert found["partitions"][0]["end"] >= 3
    assert (found["record"], found["fields"][0]["name"]) == ("", "x")
    assert site.client.get("/v1/topics?all=maybe").status_code == 422
    assert site.client.get(leftover).json() == found
    assert site.client.get("/v1/topics/samples").json()["record"] == "Sample"
    assert site.client.get("/v1/topics/nothing").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer"}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}],
)
def test_only_who_shows_the_token_may_change_anything(site: Site, leftover: str, headers: dict[str, str]) -> None:
    for answer in (site.client.delete(leftover, headers=headers), patched(site, leftover, WEEK, headers)):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text
    assert "left over ü" in site.broker.topics()


def test_without_a_token_nobody_may() -> None:
    with Site(admin_token="") as site:
        for headers in ({}, {"authorization": "Bearer x"}):
            assert patched(site, "/v1/topics/samples", WEEK, headers).status_code == 401


def patched(site: Site, path: str, body: Any, headers: dict[str, str] = ADMIN) -> Any:
    return site.client.patch(path, json=body, headers=headers)


def test_retention_is_changed(site: Site, leftover: str) -> None:
    answer = patched(site, leftover, WEEK)
    assert answer.status_code == 200, answer.text
    assert answer.json()["retention"] == {"age_seconds": 604_800, "bytes": 5_000}
    assert site.broker.topics()["left over ü"].retention_age == timedelta(days=7)
    same = patched(site, leftover, {"retention": {"bytes": 6_000.0}})
    assert same.json()["retention"]["bytes"] == 6_000, "a whole number, as JSON Schema understands it"
    assert patched(site, leftover, {"retention": {"age_seconds": None, "bytes": None}}).status_code == 200
    spec = site.broker.topics()["left over ü"]
    assert (spec.retention_age, spec.retention_bytes) == (None, None)
    assert patched(site, "/v1/topics/samples", {"retention": {"bytes": 1_000_000}}).status_code == 200
    assert site.broker.topics()["samples"].retention_bytes == 1_000_000


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"retention": {}},
        {"retention": {"age_seconds": 0}},
        {"retention": {"bytes": -1}},
        {"retention": {"bytes": 5.5}},
        {"partitions": 3},
        [],
        7,
    ],
)
def test_what_cannot_be_is_refused(site: Site, leftover: str, body: Any) -> None:
    assert patched(site, leftover, body).status_code == 422


def test_what_is_no_json_is_refused(site: Site, leftover: str) -> None:
    headers = {**ADMIN, "content-type": "application/json"}
    assert site.client.patch(leftover, content=b"{", headers=headers).status_code == 400
    assert (
        site.client.patch(leftover, content=b"{}", headers={**ADMIN, "content-type": "text/plain"}).status_code == 415
    )


def test_a_topic_is_deleted_unless_it_is_in_use(site: Site, leftover: str) -> None:
    refused = site.client.delete("/v1/topics/samples", headers=ADMIN)
    assert refused.status_code == 409
    assert "in use" in refused.json()["detail"]
    assert site.client.delete(f"/v1/topics/{site.services.quarantine}", headers=ADMIN).status_code == 409
    assert site.client.delete("/v1/topics/nothing", headers=ADMIN).status_code == 404
    assert site.client.delete(leftover, headers=ADMIN).status_code == 204
    assert "left over ü" not in site.broker.topics()
    assert site.client.delete(leftover, headers=ADMIN).status_code == 404


def test_the_token_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    token = Folder(tmp_path).token()
    assert len(token) > 40
    assert Folder(tmp_path).token() == token
    file = tmp_path / "secrets" / "admin.token"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    (tmp_path / "no folder").write_text("")
    assert Folder(tmp_path / "no folder").token() == ""
