"""The page of a line shows what the server has inferred: when vehicles left a stop, how far apart, and how evenly."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from browser.sites import Site, opened, shot, wait_for
from browser.test_boards import row_texts
from wayside_domains.transit import city
from wayside_domains.transit.simulation import positions_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
EVERY = timedelta(seconds=25)


def told(site: Site) -> int:
    """The last hour of the city, which runs by day and night."""
    world = positions_of(city.timetable)(90, random.Random(50))
    now = datetime.now(UTC)
    at = now - timedelta(minutes=58)
    rows: list[dict[str, Any]] = []
    while at < now:
        rows += [dict(message) for thing in range(90) for message in world.messages(thing, at)]
        at += EVERY
    for start in range(0, len(rows), 2_000):
        part = rows[start : start + 2_000]
        answer = httpx2.post(f"{site.url}/v1/topics/vehicle_positions/records", json=part, timeout=60)
        assert (answer.status_code, answer.json()["accepted"]) == (202, len(part)), answer.text
    return len(rows)


def done(site: Site, count: int) -> bool:
    """Whether the engine has been through all positions."""
    nodes = {node["name"]: node for node in site.get("/v1/plan")["nodes"]}
    return int(nodes["vehicle_states"]["records"]) == count


def test_a_line_shows_its_measured_headways(browser: Browser, up: Site) -> None:
    count = told(up)
    wait_for(lambda: done(up, count), "the engine is through", 90)
    path = "/api/transit/passed"
    everything = wait_for(lambda: up.get(path, place="halcyon/central", minutes=60)["rows"], "calls", 60)
    own = [row for row in everything if row["event"] == "departure" and row["headway"]]
    line = max({row["path"] for row in own}, key=lambda path: sum(row["path"] == path for row in own))
    wanted = [row for row in own if row["path"] == line]
    with opened(browser, f"{up.url}/lines?line={wanted[0]['line']}&way={line}&place=halcyon/central") as watched:
        page = watched.page
        expect(page.get_by_role("table", name="What came by")).to_be_visible(timeout=20_000)
        shown = wait_for(lambda: [row for row in row_texts(page, "What came by") if row[-1]], "headways", 30)
        said = {f"{row['headway'] / 60:.1f}" for row in wanted}
        assert {row[-1] for row in shown} <= said
        assert len(shown) >= min(2, len(wanted))
        expect(page.locator("svg g").first).to_be_attached(timeout=30_000)
        shot(page, "line-headways")
