"""The status board: every station once, entries as the simulation counted them, age told as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from browser.sites import AXE, PHONE, Site, opened, running, serious_findings, shot, wait_for
from wayside_domains.metro.network import LINES, stations

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The lines, which have run for three hours and are stopped."""
    folder = tmp_path_factory.mktemp("lines")
    with running(folder, "up", "--domains", "metro", "--data-dir", str(folder / "data")) as site:
        wait_for(lambda: httpx2.get(site.url + "/readyz").status_code == 200, "ready")
        begin = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
        asked = {"speed": 600, "begin": begin}
        assert httpx2.post(site.url + "/api/metro/start", params=asked, timeout=20).status_code == 200
        wait_for(lambda: counted(site) > 100 and caught_up(site), "it has caught up", 60)
        assert httpx2.post(site.url + "/api/metro/stop", timeout=20).status_code == 200
        wait_for(lambda: shown_by_server(site) == counted(site), "everything is counted", 30)
        yield site


def caught_up(site: Site) -> bool:
    """Every train has told of its last five minutes."""
    frame = site.get("/v1/tables/metro_trains")
    at = [column["name"] for column in frame["columns"]].index("timestamp")
    last = min((row[at] for row in frame["rows"]), default="")
    return bool(last > (datetime.now(UTC) - timedelta(minutes=6)).isoformat())


def counted(site: Site) -> int:
    return int(sum(site.get("/api/metro/status")["entries"].values()))


def shown_by_server(site: Site) -> int:
    return int(sum(row["entries"] for group in site.get("/api/metro/board")["groups"] for row in group["rows"]))


def rows(page: Page, line: str) -> list[list[str]]:
    script = "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    return list(page.get_by_role("table", name=line).locator("tbody tr").evaluate_all(script))


def number(text: str) -> int:
    return int(text.replace(",", ""))


def board(page: Page) -> None:
    expect(page.get_by_role("table", name="Blue").locator("tbody tr").first).to_be_visible(timeout=20_000)


def test_every_station_is_shown_once_with_the_entries_that_the_simulation_counted(
    browser: Browser, lines: Site
) -> None:
    own = lines.get("/api/metro/status")["entries"]
    with opened(browser, lines.url) as watched:
        page = watched.page
        page.wait_for_url("**/status")
        board(page)
        seen = 0
        for line in LINES:
            expected = sorted((place for place in stations() if place.line == line), key=lambda place: place.order)
            found = rows(page, line.capitalize())
            assert len(found) == len(expected)
            for place, cells in zip(expected, found, strict=True):
                twins = [each for each in expected if each.name == place.name]
                assert cells[0].split("\n")[0] == place.name
                assert ("\n" in cells[0]) == (len(twins) > 1 or len(place.lines) > 1)
                assert number(cells[-1]) == own[str(place.station_id)], place
            seen += len(found)
        assert seen == len(own) == 89
        harlems = [cells[0] for cells in rows(page, "Blue") if cells[0].startswith("Harlem")]
        assert harlems == ["Harlem\nBlue Line, West", "Harlem\nBlue Line, East"]
        here = page.locator(".what.here b").all_inner_texts()
        assert len(here) == len(set(here)) == 30, "each train is at one station"
        assert all(re.fullmatch(r"[BRG]L00\d", train) for train in here)
        expect(page.get_by_text(re.compile(r"^\d+ °F$"))).to_be_visible()
        shot(page, "status")


def test_lines_and_stations_are_chosen_by_keyboard_and_the_address_tells(browser: Browser, lines: Site) -> None:
    with opened(browser, f"{lines.url}/status") as watched:
        page = watched.page
        board(page)
        page.get_by_role("link", name="Red", exact=True).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("table")).to_have_count(1)
        expect(page).to_have_url(re.compile(r"\?group=red$"))
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type("mark")
        expect(page.get_by_role("status").filter(has_text="1 of 89 stations shown.")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("table")).to_have_count(3)


def test_the_rows_can_be_had_as_a_file(browser: Browser, lines: Site) -> None:
    with opened(browser, f"{lines.url}/status") as watched:
        page = watched.page
        board(page)
        page.get_by_role("button", name="Export these rows").click()
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile("^CSV")).click()
        text = download.value.path().read_text().splitlines()
        assert "station_id" in text[0]
        assert len(text) > 80


def test_the_plan_behind_the_board_is_drawn(browser: Browser, lines: Site) -> None:
    with opened(browser, f"{lines.url}/pipelines") as watched:
        expect(watched.page.locator("svg g")).to_have_count(len(lines.get("/v1/plan")["nodes"]), timeout=20_000)


def test_what_was_heard_long_ago_is_said_to_be_so(browser: Browser, lines: Site) -> None:
    def old(route: Route) -> None:
        found: dict[str, Any] = route.fetch().json()
        now = datetime.fromisoformat(found["now"])
        found["heard"] = (now - timedelta(minutes=4)).isoformat()
        found["clock"] = (now - timedelta(days=7)).isoformat()
        route.fulfill(body=json.dumps(found), content_type="application/json")

    with opened(browser, "about:blank") as watched:
        page = watched.page
        page.route("**/api/metro/board", old)
        page.goto(f"{lines.url}/status")
        board(page)
        expect(page.get_by_text("by its own clock; heard 4 min stale.")).to_be_visible()
        expect(page.locator(".groups.old")).to_have_count(1)
        shot(page, "status-stale")


def test_nothing_yet_and_an_endpoint_that_fails(browser: Browser, lines: Site) -> None:
    nothing = {
        "now": datetime.now(UTC).isoformat(),
        "heard": None,
        "clock": None,
        "facts": [],
        "columns": [],
        "groups": [],
    }
    with opened(browser, "about:blank") as watched:
        page = watched.page
        answers = [{"json": nothing}, {"status": 503, "json": {"title": "The store does not answer.", "status": 503}}]
        page.route("**/api/metro/board", lambda route: route.fulfill(**answers[0]))
        page.goto(f"{lines.url}/status")
        expect(page.get_by_text("Nothing has been heard yet.")).to_be_visible()
        expect(page.get_by_text("No station is known.")).to_be_visible()
        shot(page, "status-nothing")
        answers.pop(0)
        page.reload()
        expect(page.get_by_role("alert")).to_contain_text("The store does not answer.")
        shot(page, "status-failing")
        watched.forgive("503")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_for_axe(browser: Browser, lines: Site, theme: Any) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run 'npm ci' in web/")
    with opened(browser, f"{lines.url}/status", color_scheme=theme, bypass_csp=True) as watched:
        page = watched.page
        board(page)
        page.wait_for_timeout(500)
        shot(page, f"status-{theme}")
        assert not (serious := serious_findings(page)), "\n".join(serious)
        watched.forgive("CSP violation")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone(browser: Browser, lines: Site, theme: Any) -> None:
    handheld: dict[str, Any] = {"viewport": PHONE, "is_mobile": True, "has_touch": True}
    with opened(browser, f"{lines.url}/status", device_scale_factor=2, color_scheme=theme, **handheld) as watched:
        page = watched.page
        board(page)
        shot(page, f"status-phone-{theme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.get_by_role("link", name="Green", exact=True).click()
        expect(page.get_by_role("table")).to_have_count(1)
        expect(page.get_by_role("columnheader", name="Last hour")).to_have_count(0)
        expect(page.get_by_role("columnheader", name="Entries")).to_be_visible()
