"""The map: what moves on it and how; what is found, filtered and replayed; the same in words and with the keyboard."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from browser.cities import City, moving_city
from browser.mapped import NAME, address, far_from_ends, ready, spots
from browser.sites import AXE, PHONE, opened, readings, serious_findings, shot, wait_for
from made_city import fixes, iso

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

HANDHELD: dict[str, Any] = {"viewport": PHONE, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    with moving_city() as shown:
        yield shown


def test_it_opens_with_everything_that_moves(browser: Browser, city: City) -> None:
    with opened(browser, city.url) as watched:
        page = watched.page
        ready(page)
        assert page.url.startswith(f"{city.url}/map")
        expect(page.get_by_role("heading", name="City")).to_be_visible()
        expect(page.get_by_text("24 vehicles under way or scheduled")).to_be_visible()
        line = page.get_by_role("button", name=re.compile(r"^Red .*6 vehicles"))
        expect(line).to_be_visible()
        shot(page, "map-all")


def test_search_finds_places_lines_and_things(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map") as watched:
        page = watched.page
        ready(page)
        page.keyboard.press("/")
        box = page.get_by_role("combobox")
        expect(box).to_be_focused()
        box.fill("oak")
        expect(page.get_by_role("option").first).to_contain_text("Oak Hill")
        box.press("Enter")
        expect(page.locator("article h1")).to_have_text("Oak Hill")
        expect(page.locator("article h1")).to_be_focused()
        expect(page).to_have_url(re.compile("place="))
        box.fill("1706")
        page.get_by_role("option", name=re.compile("Vehicle 1706")).click()
        expect(page.locator("article")).to_contain_text("Vehicle 1706")
        box.fill("blue line")
        box.press("Enter")
        expect(page.get_by_role("application", name="City: 6 vehicles")).to_be_visible()
        expect(page).to_have_url(re.compile("lines=blue"))
        box.fill("nothing of this name")
        expect(page.locator("search").get_by_text("Nothing has that name.")).to_be_visible()


def test_lines_filter_map_and_list_alike(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map") as watched:
        page = watched.page
        ready(page)
        page.get_by_role("button", name=re.compile("^Red ")).click()
        page.get_by_role("button", name=re.compile("^Green ")).click()
        expect(page.get_by_role("application", name="City: 12 vehicles")).to_be_visible()
        shot(page, "map-filtered")
        page.get_by_role("link", name="List").click()
        expect(page.locator("table tbody tr")).to_have_count(12)
        assert set(page.locator("tbody .badge").all_inner_texts()) == {"Red", "Green"}
        page.get_by_role("button", name="Show all").click()
        expect(page.locator("table tbody tr")).to_have_count(24)


def test_the_list_says_what_the_map_shows(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map?view=list") as watched:
        page = watched.page
        rows = page.locator("table tbody tr")
        expect(rows).to_have_count(24)
        expected = fixes(city.routes, city.things, datetime.now(UTC))
        texts = {row.split("\t")[0].split()[-1]: row for row in rows.evaluate_all("rows => rows.map(r => r.innerText)")}
        assert set(texts) == {row["label"] for row in expected}
        for row in expected:
            text = texts[row["label"]]
            assert row["line_id"].title() in text
            assert row["toward"] in text
            minutes = math.floor(abs(row["delay"]) / 60 + 0.5)
            if abs(row["delay"]) >= 60:
                assert f"{minutes} min {'early' if row['delay'] < 0 else 'late'}" in text, (row, text)
            else:
                assert "on time" in text or re.search(r"\d+ s (early|late)", text)
            assert ("0 km/h" if row["state"] == "stopped" else "43 km/h") in text
            if row["state"] == "unheard":
                assert "scheduled" in text


def test_a_card_has_delay_speed_occupancy_age_and_next_stops(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map?thing={far_from_ends(city)}") as watched:
        page = watched.page
        ready(page)
        card = page.locator("article")
        facts = card.locator("dl").inner_text().split("\n")
        read = dict(zip(facts[::2], facts[1::2], strict=True))
        assert set(read) == {"Delay", "State", "Speed", "Occupancy", "Position"}
        assert read["Speed"] == "43 km/h"
        assert re.fullmatch(r"\d+ s ago", read["Position"])
        expect(card.get_by_role("table", name="Next stops").locator("tbody tr").first).to_be_visible()
        expect(card).to_contain_text("Expected times rest on the schedule plus present delay.")
        shot(page, "map-card")


def test_a_thing_is_reached_with_the_keyboard_alone(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map") as watched:
        page = watched.page
        ready(page)
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.getAttribute('role')") == "application":
                break
        expect(page.get_by_role("application")).to_be_focused()
        page.keyboard.press("n")
        first = page.locator(NAME).inner_text()
        page.keyboard.press("n")
        expect(page.locator(NAME)).not_to_have_text(first)
        page.keyboard.press("p")
        expect(page.locator(NAME)).to_have_text(first)
        expect(page.locator("article")).to_contain_text(f"Vehicle {first}")
        view = address(page)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("+")
        wait_for(lambda: address(page) != view and "map=" in address(page), "keys move the map", 5)
        page.keyboard.press("Escape")
        expect(page.locator("article")).to_have_count(0)
        page.get_by_role("link", name="List").press("Enter")
        page.locator("table a[data-key]").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator("article h1")).to_be_focused()


def test_the_past_is_replayed_where_things_were(browser: Browser, city: City) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=8)).replace(microsecond=0)
    thing = "r-1"
    with opened(browser, f"{city.url}/map?view=list&thing={thing}&at={at:%Y-%m-%dT%H:%M:%SZ}") as watched:
        page = watched.page
        expect(page.locator("table tbody tr")).to_have_count(24, timeout=20_000)
        expect(page.get_by_role("button", name="Go live")).to_be_visible()
        expect(page.locator("article")).to_contain_text("are known for now only")
        page.get_by_role("link", name="Map", exact=True).last.click()
        expect(page.locator(NAME)).to_be_visible()
        shot(page, "map-past")
        moment = page.get_by_role("slider", name="Moment that is shown")
        before = moment.get_attribute("aria-valuetext")
        page.get_by_role("button", name="60×").click()
        page.get_by_role("button", name="Play").click()
        wait_for(lambda: moment.get_attribute("aria-valuetext") != before, "time goes on", 10)
        page.get_by_role("button", name="Pause").click()
        moment.focus()
        page.keyboard.press("ArrowLeft")
        wait_for(lambda: "at=" in address(page), "the moment is in the address", 5)
        page.get_by_role("button", name="Go live").click()
        expect(page.get_by_role("button", name="Live", exact=True)).to_be_visible()
        wait_for(lambda: "at=" not in address(page), "the moment leaves the address", 5)


def test_a_link_restores_view_selection_filter_and_moment(browser: Browser, city: City) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=5)).replace(microsecond=0)
    link = f"{city.url}/map?map=13.50/42.36500/-71.05000&lines=red,blue&thing=b-2&at={at:%Y-%m-%dT%H:%M:%SZ}"
    with opened(browser, link) as watched:
        page = watched.page
        expect(page.get_by_role("application", name=re.compile("City: 12 vehicles at"))).to_be_visible(timeout=20_000)
        expect(page.locator("article")).to_contain_text("Vehicle 1701")
        expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", re.compile(f"{at:%M:%S}$"))
        expect(page.get_by_text("500 m")).to_be_visible()
        first = spots(page, 0.2)[-1][1:]
        page.reload()
        # Its name is hidden while it is out of sight, which depends on the moment; its place is told all the same.
        expect(page.locator("article")).to_contain_text("Vehicle 1701", timeout=20_000)
        page.wait_for_timeout(600)
        again = spots(page, 0.2)[-1][1:]
        assert math.dist(first, again) < 1


def test_a_wrong_clock_changes_nothing(browser: Browser, city: City) -> None:
    with opened(browser, "about:blank", timezone_id="Asia/Tokyo") as watched:
        page = watched.page
        page.add_init_script("const real = Date.now; Date.now = () => real() + 7200000;")
        thing = far_from_ends(city)
        page.goto(f"{city.url}/map?thing={thing}")
        ready(page)
        expect(page.locator("article dl")).to_contain_text(re.compile(r"[0-9] s ago"))
        shown = page.locator("header time").inner_text()
        # America/New_York, in which the city lies.
        assert shown in readings(datetime.now(UTC), "America/New_York", before=5, after=5)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", ["", "?thing=r-1", "?view=list", "?place=red-4"])
def test_nothing_serious_for_axe(browser: Browser, city: City, view: str, theme: Any) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run 'npm ci' in web/")
    # Only this context may run what the policy forbids: axe itself.
    with opened(browser, f"{city.url}/map{view}", color_scheme=theme, bypass_csp=True) as watched:
        page = watched.page
        expect(page.locator("main h1").first).to_be_visible(timeout=20_000)
        page.wait_for_timeout(1_200)
        shot(page, f"map{re.sub('[^a-z]+', '-', view)}-{theme}")
        assert not (serious := serious_findings(page)), "\n".join(serious)
        watched.forgive("CSP violation")


def test_on_a_phone_the_card_is_a_sheet(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map", device_scale_factor=2, **HANDHELD) as watched:
        page = watched.page
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        shot(page, "map-phone")
        page.get_by_role("button", name="Lines").tap()
        sheet = page.get_by_role("dialog")
        expect(sheet).to_contain_text("24 vehicles")
        shot(page, "map-phone-lines")
        sheet.get_by_role("button", name="Close").tap()
        expect(sheet).to_have_count(0)
        page.goto(f"{city.url}/map?thing={far_from_ends(city)}")
        expect(sheet).to_contain_text("Delay")
        expect(page.locator(NAME)).to_be_visible()
        shot(page, "map-phone-card")
        page.goto(f"{city.url}/map?view=list")
        expect(page.locator("table tbody tr").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        shot(page, "map-phone-list")


def test_text_of_feeds_is_only_text(browser: Browser, city: City) -> None:
    evil = '<img src=x onerror="alert(1)">'
    row = {**fixes(city.routes, 1, datetime.now(UTC))[0], "thing_id": "evil", "label": evil, "toward": evil}
    city.post("spots", [row])
    with opened(browser, f"{city.url}/map?thing=evil") as watched:
        page = watched.page
        ready(page)
        expect(page.locator("article h1")).to_contain_text(evil)
        expect(page.locator(NAME)).to_have_text(evil)
        assert page.locator("main img").count() == 0
    city.post("spots", [{**row, "at": iso(datetime.now(UTC)), "state": "garage"}])
