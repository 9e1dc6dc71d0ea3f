"""Boards of places and the page of a line: both directions, earlier and later, the diagram, what came by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.cities import City, moving_city
from browser.sites import AXE, PHONE, opened, readings, serious_findings, shot, wait_for
from made_city import SPEED, fixes

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

HANDHELD: dict[str, Any] = {"viewport": PHONE, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    with moving_city(past=timedelta(minutes=50)) as shown:
        yield shown


def row_texts(page: Page, table: str) -> list[list[str]]:
    script = "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    return list(page.get_by_role("table", name=table).locator("tbody tr:not([aria-hidden])").evaluate_all(script))


def due(city: City, place: str) -> list[dict[str, Any]]:
    return list(city.site.client.get("/api/city/due", params={"place": place}).json()["rows"])


def test_a_board_has_each_direction_with_planned_and_expected(browser: Browser, city: City) -> None:
    # What is due where changes by the minute: the place where most is due now.
    places = [f"red-{step}" for step in range(1, 9)]
    wait_for(lambda: any(due(city, one) for one in places), "something is due somewhere", 60)
    place = max(places, key=lambda one: len(due(city, one)))
    zone = ZoneInfo("America/New_York")
    with opened(browser, f"{city.url}/board?place={place}") as watched:
        page = watched.page
        expect(page.locator("section.line table tbody tr").first).to_be_visible(timeout=15_000)

        def agrees() -> bool:
            rows = due(city, place)
            shown = {toward: row_texts(page, f"To {toward}") for toward in {row["toward"] for row in rows}}
            planned = [(row["toward"], datetime.fromisoformat(row["planned"]).astimezone(zone)) for row in rows]
            return sum(map(len, shown.values())) == len(rows) and all(
                any(f"{at:%H:%M}" in line[1] for line in shown[toward]) for toward, at in planned
            )

        wait_for(agrees, "the board says what the server knows", 20)
        for wait in page.locator("section.line td.wait").all_inner_texts():
            assert re.fullmatch(r"now|left|\d+ min", wait)
        assert page.locator("section.line s").count() > 0
        shot(page, "board")


def test_earlier_and_later_are_asked_for(browser: Browser, city: City) -> None:
    asked: list[str] = []
    with opened(browser, "about:blank") as watched:
        page = watched.page
        page.on("request", lambda request: asked.append(request.url) if "/due" in request.url else None)
        page.goto(f"{city.url}/board?place=red-4")
        page.get_by_role("button", name="Later").click()
        expect(page.get_by_role("button", name="Now")).to_be_visible()
        page.get_by_role("button", name="Earlier").click()
        page.wait_for_function("location.search.includes('before=35') && location.search.includes('ahead=60')")
        page.wait_for_timeout(500)
        assert any("before=35" in url and "ahead=60" in url for url in asked)
        page.get_by_role("button", name="Now").click()
        expect(page.get_by_role("button", name="Now")).to_have_count(0)


def test_a_place_is_found_and_leads_to_the_map(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/board") as watched:
        page = watched.page
        page.get_by_role("searchbox").fill("oak")
        links = page.locator("section.left li a")
        expect(links.first).to_contain_text("Oak Hill")
        links.first.click()
        expect(page.get_by_role("heading", level=1, name="Oak Hill")).to_be_visible()
        page.get_by_role("link", name="On the map").click()
        expect(page.locator("article h1")).to_have_text("Oak Hill")
        page.get_by_role("link", name=re.compile("^The whole board")).click()
        expect(page.get_by_role("heading", level=1, name="Oak Hill")).to_be_visible()


@pytest.mark.parametrize("view", ["/board?place=red-4", "/map?place=red-4"])
def test_what_people_should_know_stands_above_the_board(browser: Browser, city: City, view: str) -> None:
    with opened(browser, city.url + view) as watched:
        page = watched.page
        notices = page.get_by_role("region", name="Notices")
        expect(notices).to_contain_text("The north exit is closed", timeout=15_000)
        expect(notices).to_contain_text(re.compile(r"Accessibility issue, until \d{4}-\d\d-\d\d \d\d:\d\d"))
        expect(notices.get_by_text("Use the exit to the square.")).to_be_hidden()
        notices.get_by_text("More").click()
        expect(notices.get_by_text("Use the exit to the square.")).to_be_visible()
        shot(page, f"notices-{view.split('?')[0][1:]}")


def test_a_line_shows_when_everything_came_by(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/lines?line=red&place=red-4") as watched:
        page = watched.page
        expect(page.get_by_role("heading", level=1, name="Red line")).to_be_visible(timeout=15_000)
        expect(page.locator("svg g").first).to_be_attached(timeout=15_000)
        route = city.routes[0]
        rows = wait_for(lambda: row_texts(page, "What came by"), "something came by", 30)
        # When a thing came by follows from where it is now and its pace.
        now = datetime.now(UTC)
        labels = {row["label"]: row for row in fixes(city.routes, city.things, now) if row["line_id"] == "red"}
        for label, at, _ in rows[:4]:
            row = labels[label]
            if row["state"] == "stopped" or row["along"] < route.length / 2:
                continue
            passed = now - timedelta(seconds=(row["along"] - route.length / 2) / SPEED)
            assert at in readings(passed, "America/New_York", before=5, after=5)
        shares = page.locator("section li .n").all_inner_texts()
        assert 98 <= sum(int(text.split()[0]) for text in shares) <= 102
        shot(page, "lines")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", ["/board?place=red-4", "/lines?line=red"])
def test_nothing_serious_for_axe(browser: Browser, city: City, view: str, theme: Any) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run 'npm ci' in web/")
    # Only this context may run what the policy forbids: axe itself.
    with opened(browser, city.url + view, color_scheme=theme, bypass_csp=True) as watched:
        page = watched.page
        expect(page.locator("main table tbody tr").first).to_be_visible(timeout=20_000)
        page.wait_for_timeout(800)
        shot(page, f"{view.split('?')[0][1:]}-{theme}")
        assert not (serious := serious_findings(page)), "\n".join(serious)
        watched.forgive("CSP violation")


@pytest.mark.parametrize("view", ["/board", "/board?place=red-4", "/lines?line=red"])
def test_it_fits_a_phone(browser: Browser, city: City, view: str) -> None:
    with opened(browser, city.url + view, device_scale_factor=2, **HANDHELD) as watched:
        page = watched.page
        expect(page.locator("main a").first).to_be_visible(timeout=15_000)
        page.wait_for_timeout(1_000)
        shot(page, f"{re.sub('[^a-z]+', '-', view[1:])}-phone")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
