"""Boards are checked when they are declared; a domain may be one that runs only where it is named."""

from __future__ import annotations

from typing import Any

import pytest

from server_site import Sample, Site
from wayside.adapters import HttpPush
from wayside.domain import Answer, Board, Domain, Endpoint, Plan, Topic, count, discover
from wayside.errors import DeclarationError, NotFoundError
from wayside.runtime.chosen import installed, plan_of


def domain(**changes: Any) -> Domain:
    samples = Topic("samples", Sample)
    ever = samples.window("ever", every="all time", by=["station"], n=count())
    endpoint = Endpoint("GET", "/api/store/board", lambda *_: Answer(200, {"groups": []}), "The board")
    board = Board(**{"name": "shelves", "title": "Shelves", "path": "/api/store/board", "window": "ever", **changes})
    return Domain("store", "Store", [ever], boards=[board], endpoints=[endpoint])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"path": "/api/store/other"}, "no endpoint GET /api/store/other"),
        ({"window": "never"}, "does not list the window 'never'"),
        ({"stale": "10m"}, "stale before"),
    ],
)
def test_what_a_board_names_must_be_there(changes: dict[str, str], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        domain(**changes)


def test_a_board_is_declared_to_the_page() -> None:
    with Site(plan=Plan.of([domain(thing_word="shelf")])) as site:
        (found,) = site.client.get("/v1/domains").json()
    assert found["boards"] == [
        {
            "name": "shelves", "title": "Shelves", "path": "/api/store/board", "thing_word": "shelf", "past": False,
            "window": "ever", "stale_seconds": 90.0, "dead_seconds": 300.0,
        }
    ]  # fmt: skip


def test_a_feed_has_a_name_of_its_own() -> None:
    samples = Topic("samples", Sample)
    samples.feed("latest", HttpPush())
    with pytest.raises(DeclarationError, match="both named 'latest'"):
        plan_of([Domain("store", "Store", [samples.table("latest")])])


def test_a_domain_may_wait_until_it_is_named() -> None:
    assert "metro" not in [found.name for found in discover()]
    assert [found.name for found in discover(["metro"])] == ["metro"]
    assert [found.name for found in discover(["devices", "metro"])] == ["devices", "metro"]
    assert installed() == ["devices", "transit"]
    with pytest.raises(NotFoundError, match="No domain 'metros'"):
        discover(["metros"])
