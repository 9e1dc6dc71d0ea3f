"""The page of a line shows what the server has inferred and what was planned; lines and boards also of the past."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from browser.halcyon import THINGS, came_by, departed, under_way, vehicles
from browser.sites import AXE, Site, clock_of, opened, readings, running, serious_findings, shot, wait_for
from browser.test_boards import row_texts
from wayside_domains.transit import city

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
EVERY = timedelta(seconds=25)


def told(site: Site) -> int:
    """The last hour of the city, which runs by day and night."""
    world, now = vehicles(), datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    at = now - timedelta(minutes=58)
    for minutes in (20, 0):
        under_way(now - timedelta(minutes=minutes), at)
    while at < now:
        rows += [dict(message) for thing in range(THINGS) for message in world.messages(thing, at)]
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


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that has heard the last hour of the city."""
    folder = tmp_path_factory.mktemp("hour")
    with running(folder, "up", "--data-dir", str(folder / "data")) as site:
        count = told(site)
        wait_for(lambda: done(site, count), "the engine is through", 90)
        yield site


def test_a_line_shows_its_measured_headways(browser: Browser, hour: Site) -> None:
    wanted = departed(hour, measured=True)
    line, way, place = (wanted[0][name] for name in ("line", "path", "place"))
    with opened(browser, f"{hour.url}/lines?line={line}&way={way}&place={place}") as watched:
        page = watched.page
        expect(page.get_by_role("table", name="What came by")).to_be_visible(timeout=20_000)
        shown = wait_for(lambda: [row for row in row_texts(page, "What came by") if row[-1]], "headways", 30)
        said = {f"{row['headway'] / 60:.1f}" for row in wanted}
        assert {row[-1] for row in shown} <= said
        assert len(shown) >= min(2, len(wanted))
        expect(page.locator("svg g:not(.plan)").first).to_be_attached(timeout=30_000)
        shot(page, "line-headways")


def share(hours: list[dict[str, Any]]) -> float:
    compared = sum(row["compared"] for row in hours)
    return float(sum(row["on_time"] for row in hours) / compared * 100)


def test_a_line_shows_its_plan_and_how_much_was_in_time(browser: Browser, hour: Site) -> None:
    with opened(browser, f"{hour.url}/lines?line=M1&way=halcyon/M1-0") as watched:
        page = watched.page
        expect(page.locator("svg .plan path").first).to_be_attached(timeout=30_000)
        asked = {"path": "halcyon/M1-0", "minutes": 60}
        planned = httpx2.get(f"{hour.url}/api/transit/planned", params=asked, timeout=20).json()["rows"]
        assert abs(page.locator("svg .plan path").count() - len(planned)) <= 1
        expect(page.get_by_text("Dotted: as planned.")).to_be_visible()
        found = hour.get("/api/transit/punctual", line="M1", hours=24)["rows"]
        section = page.get_by_role("region", name="On time by hour")
        rows = wait_for(lambda: row_texts(page, "On time by hour, of the place's clock"), "hours", 30)
        # An hour may begin between the two questions.
        assert abs(len(rows) - sum(row["compared"] > 0 for row in found)) <= 1
        said = re.search(r"(\d+) % of", section.inner_text())
        assert said is not None
        assert abs(int(said[1]) - share(found)) <= 1
        section.scroll_into_view_if_needed()
        shot(page, "line-by-hour")


def test_lines_and_boards_show_the_past_and_say_so(browser: Browser, hour: Site) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=20)).replace(microsecond=0)
    text = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    rows = hour.get("/api/transit/calls", place="halcyon/central", before=5, ahead=30, at=text)["rows"]
    assert any(row["expected"] for row in rows), "what was expected then is known"
    with opened(browser, f"{hour.url}/board?place=halcyon/central&at={text}") as watched:
        page = watched.page
        clock = page.locator("header time.clock")
        before = clock.inner_text()
        shown = page.locator("section.line tbody tr")
        expect(shown).to_have_count(len(rows), timeout=30_000)
        expect(page.locator("main header")).to_contain_text(re.compile(r"as of (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d"))
        said = clock_of(at, city.ZONE)
        expect(page.locator("main header strong")).to_contain_text(said)
        # An answer about the past is no clock: that of the bar goes on.
        page.wait_for_timeout(1_500)
        assert before != clock.inner_text()
        assert clock.inner_text() in readings(datetime.now(UTC), city.ZONE, before=5, after=5)
        shot(page, "board-past")
        # Map, boards and lines keep the moment.
        page.get_by_role("link", name="Lines", exact=True).click()
        expect(page.locator("main header strong")).to_contain_text(said, timeout=15_000)
        late = came_by(page, hour, text)
        assert {row[1] for row in late} <= readings(at, city.ZONE, before=3_700)
        shot(page, "line-past")
        page.get_by_role("link", name="Map", exact=True).click()
        expect(page.get_by_role("application", name=re.compile("[1-9].* vehicles at "))).to_be_visible(timeout=30_000)
        page.get_by_role("link", name="Lines", exact=True).click()
        page.get_by_role("button", name="Back to now").click()
        expect(page.locator("main header strong")).to_have_count(0)
        assert "at=" not in page.evaluate("location.search")


def test_where_nothing_leaves_the_next_one_is_told(browser: Browser, hour: Site) -> None:
    place, empty = "halcyon/central", {"rows": [], "basis": "plan"}

    def first() -> tuple[str, set[str]]:
        """What the server knows: when the next one leaves that has not left, and where to, of any in that minute."""
        rows = hour.get("/api/transit/calls", place=place, before=0, ahead=24 * 60)["rows"]
        rows = [row | {"due": datetime.fromisoformat(row["expected"] or row["planned"])} for row in rows]
        coming = [row for row in rows if row["state"] != "departed" and row["due"] > datetime.now(UTC)]
        minutes = [clock_of(row["due"], city.ZONE)[:5] for row in sorted(coming, key=lambda row: row["due"])]
        return minutes[0], {row["toward"] for row in coming if clock_of(row["due"], city.ZONE)[:5] == minutes[0]}

    def agrees(page: Page) -> bool:
        text, (at, towards) = page.get_by_text("The next one leaves at").inner_text(), first()
        return f"leaves at {at}, in " in text and any(text.endswith(f" to {toward}.") for toward in towards)

    with opened(browser, f"{hour.url}/board?place={place}&before=0&ahead=0") as watched:
        page = watched.page
        expect(page.get_by_text("The next one leaves at")).to_be_visible(timeout=20_000)
        wait_for(lambda: agrees(page), "the board says what the server knows", 75)
        shot(page, "board-empty")
        # The card on the map looks further ahead than any gap of this city: an answer without rows stands for one.
        page.route(re.compile(r"/calls\?place=[^&]*$"), lambda route: route.fulfill(json=empty))
        page.goto(f"{hour.url}/map?place={place}")
        expect(page.locator("article").get_by_text("The next one leaves at")).to_be_visible(timeout=20_000)
        wait_for(lambda: agrees(page), "the card says what the server knows", 75)
        shot(page, "map-place-empty")
        page.route("**/calls?**", lambda route: route.fulfill(json=empty))
        page.reload()
        expect(page.locator("article")).to_contain_text("Nor for the 24 h that follow.", timeout=20_000)


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: run 'npm ci' in web/")
def test_nothing_serious_for_axe(browser: Browser, hour: Site) -> None:
    with opened(browser, f"{hour.url}/lines?line=M1&at=2026-01-01T00:00:00Z", bypass_csp=True) as watched:
        watched.page.goto(f"{hour.url}/lines?line=M1")
        expect(watched.page.locator("svg .plan path").first).to_be_attached(timeout=30_000)
        wait_for(lambda: row_texts(watched.page, "On time by hour, of the place's clock"), "hours", 30)
        assert not (serious := serious_findings(watched.page)), "\n".join(serious)
        watched.forgive("CSP violation")
